"""Of what is to be told, and of what not again: a function of what was found, what was told before, and the time.

What belongs here: the decision. What does not: reading, wording, writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from cloudsales_pipeline.operations.findings import Finding, Reading
from cloudsales_pipeline.operations.kinds import Severity
from cloudsales_pipeline.settings import FindingKind, OperatorSettings

WORSE = 10  # times as many as were told of: told again


class Notice(Struct, frozen=True):
    """What was told of one finding. `count`: as an alert said it; `digest_count`: as the last digest did (None: none has yet)."""

    key: str
    kind: FindingKind
    subject: str
    severity: Severity
    since: datetime
    told_at: datetime
    count: int
    digest_count: int | None = None
    detail: str = ""
    resolved_at: datetime | None = None

    def as_finding(self) -> Finding:
        """The finding as it was told."""
        return Finding(self.kind, self.subject, self.severity, self.count, self.since, self.detail)


class Decision(Struct, frozen=True):
    """What is told now.

    Args:
        alert: what can't wait: new, worse, or due for a reminder.
        over: notices whose finding is there no longer.
        digest: all that is open, where the day's digest is due and has something to say; else None.
    """

    alert: tuple[Finding, ...]
    over: tuple[Notice, ...]
    digest: tuple[Finding, ...] | None


def decide(
    reading: Reading,
    notices: Mapping[str, Notice],
    settings: OperatorSettings,
    now: datetime,
    *,
    digest_due: bool,
    digest_sent_at: datetime | None = None,
) -> Decision:
    """Decide.

    Args:
        notices: by the finding's key.
        digest_due: the time of the day's digest has come, and it was not decided on yet.
        digest_sent_at: when the last digest went out.
    """
    open_keys = {one.key for one in reading.findings}
    over = tuple(one for one in notices.values() if one.key not in open_keys and one.kind not in reading.unread)
    alert = tuple(one for one in reading.of("now") if _is_told_now(one, notices.get(one.key), settings, now))
    digest = None
    if digest_due and _has_something_to_say(reading, notices, over, settings.unchanged_after, now, digest_sent_at):
        digest = reading.findings
    return Decision(alert, over, digest)


def _is_told_now(one: Finding, told: Notice | None, settings: OperatorSettings, now: datetime) -> bool:
    if told is None or told.severity != "now":
        return True
    pause = settings.remind_after if told.resolved_at is None else min(settings.again_after, settings.remind_after)
    return one.count >= WORSE * told.count or now - told.told_at >= pause


def _has_something_to_say(
    reading: Reading,
    notices: Mapping[str, Notice],
    over: tuple[Notice, ...],
    unchanged_after: timedelta,
    now: datetime,
    sent_at: datetime | None,
) -> bool:
    said = {key: one.digest_count for key, one in notices.items()}
    changed = any(said.get(one.key) != one.count for one in reading.findings)
    again = bool(reading.findings) and (sent_at is None or now - sent_at >= unchanged_after)
    return changed or again or bool(over)
