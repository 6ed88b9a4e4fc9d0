"""What waits for a person now: one cheap query for each source, read one by one, so that a source that can't be read hides none.

What belongs here: reading, and the finding as data. What does not: words (`kinds`), telling (`telling`), and mending anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.operations.kinds import KINDS, Severity
from cloudsales_pipeline.settings import FindingKind, Settings
from cloudsales_pipeline.stock.channels import publishing_channels
from cloudsales_pipeline.stock.watch import reaches

SOURCE_SECONDS = 2.0
LEFT_OUT = "left out"
COVERED_RULES = (  # rules of Dagster's checks whose matter is a finding of its own
    "acknowledged_in_time",
    "every_channel_imported_lately",
    "every_channel_reached_lately",
    "handed_over_in_time",
    "messages_leave_in_time",
    "nothing_unclear",
    "nothing_unclear_lies",
    "nothing_urgent_waits",
    "submitted_in_time",
    "totals_add_up",
    "what_happened_is_told",
)
OF_REACH: tuple[FindingKind, ...] = ("push_held", "channel_unreached")
SLOW: tuple[FindingKind, ...] = ("requirement_without_supplier", "offers_open", "push_refused", "supplier_order_unsent")
_SUBJECT_LENGTH = 120


class Finding(Struct, frozen=True):
    """One thing that waits for a person.

    Args:
        subject: which one of its kind: a channel, a stage, a job, a courier; empty where there is one alone. Nobody's name.
        count: of how many rows, orders, messages it speaks; at least 1.
        since: since when the oldest of them waits.
        detail: what its sentence needs besides, as a code or a time.
    """

    kind: FindingKind
    subject: str
    severity: Severity
    count: int
    since: datetime
    detail: str = ""

    @property
    def key(self) -> str:
        """By which it is known from one look to the next."""
        return f"{self.kind}/{self.subject}"

    @property
    def stage(self) -> str:
        """Whose matter it is."""
        if self.kind in ("quarantine", "quarantine_burst"):
            return {"match": "catalog"}.get(self.subject, self.subject)
        return KINDS[self.kind].stage

    def sentence(self, language: str = "en") -> str:
        """What it is, in one line without a full stop."""
        kind = KINDS[self.kind]
        return (kind.ro if language == "ro" else kind.en).format(subject=self.subject, count=self.count, detail=self.detail)

    @property
    def command(self) -> str:
        """What to type."""
        job, _, partition = self.subject.partition("/")
        if self.kind == "run_failed" and partition:
            job += f" --date {partition}" if partition[:4].isdigit() else f" --channel {partition}"
        return KINDS[self.kind].command.format(subject=self.subject, job=job)


class Reading(Struct, frozen=True):
    """What was found, the most urgent and oldest first; `unread`: sources that could not be read, with the reason's class."""

    findings: tuple[Finding, ...]
    unread: dict[str, str]

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Those of one severity."""
        return tuple(one for one in self.findings if one.severity == severity)


def findings(
    engine: Engine, settings: Settings, *, now: datetime, seconds: float = 20.0, without: Sequence[FindingKind] = ()
) -> Reading:
    """Look for all that waits for a person. Reads alone; each source gets at most two seconds, all together `seconds`.

    Args:
        now: an aware moment that ages are counted to.
        without: kinds that are not looked for; they are in `unread`.

    Raises:
        sqlalchemy.exc.OperationalError: the database is away.
    """
    with engine.connect() as connection:
        return look(connection, settings, now=now, seconds=seconds, without=without)


def look(
    connection: Connection, settings: Settings, *, now: datetime, seconds: float = 20.0, without: Sequence[FindingKind] = ()
) -> Reading:
    """The same in the caller's transaction, each source under a savepoint of its own."""
    values, ends = parameters(settings, now), time.monotonic() + seconds
    found: list[Finding] = []
    unread: dict[str, str] = dict.fromkeys(without, LEFT_OUT)
    wanted = [source for source in _sources(settings) if not set(source) <= set(without) and not _never(settings, source)]
    for source in wanted:
        left = min(SOURCE_SECONDS, ends - time.monotonic())
        if left <= 0:
            unread.update(dict.fromkeys(source, "no time left"))
            continue
        try:
            with connection.begin_nested():
                connection.execute(
                    sa.text("select set_config('statement_timeout', :ms, true)"), {"ms": str(int(left * 1000) + 1)}
                )
                found += _read(connection, settings, source, values)
        except sa.exc.SQLAlchemyError as error:
            if getattr(error, "connection_invalidated", False):
                raise
            unread.update(dict.fromkeys(source, type(getattr(error, "orig", None) or error).__name__))  # never its text
    limit(connection, 0)
    return Reading(tuple(sorted(found, key=_order)), unread)


def limit(connection: Connection, seconds: float) -> None:
    """How long a statement of this transaction may take; 0: as long as it wants."""
    milliseconds = str(int(seconds * 1000) + 1) if seconds else "0"
    connection.execute(sa.text("select set_config('statement_timeout', :limit, true)"), {"limit": milliseconds})


def parameters(settings: Settings, now: datetime) -> dict[str, Any]:
    """What the queries of findings.sql are asked with."""
    today = now.astimezone(ZoneInfo(settings.timezone)).date()
    operators = settings.operators
    return {
        "now": now.astimezone(UTC),
        "today": today,
        "submit_until": today + timedelta(days=operators.submit_warning.days),
        "channels": list(settings.channels),
        "listed": [name for name, channel in settings.channels.items() if channel.url is not None],
        "acknowledge_within": [channel.orders.acknowledge_within.total_seconds() for channel in settings.channels.values()],
        "covered": list(COVERED_RULES),
        "silent": operators.silent_after,
        "listing_silent": operators.listing_silent_after,
        "burst": operators.quarantine_burst,
        "unknown_after": settings.documents.unknown_after,
        "waits": settings.messages.waits_at_most,
        "attach_wait": settings.messages.attach_wait,
    }


def _sources(settings: Settings) -> Iterator[tuple[FindingKind, ...]]:
    """What is read together: each step of findings.sql; and how publishing goes, which stock judges itself."""
    if publishing_channels(settings):
        yield OF_REACH
    for kind in KINDS:
        if kind not in OF_REACH:
            yield (kind,)


def _never(settings: Settings, source: Sequence[FindingKind]) -> bool:
    return all(settings.operators.severity.get(kind) == "never" for kind in source)


def _read(connection: Connection, settings: Settings, source: Sequence[FindingKind], values: Mapping[str, Any]) -> list[Finding]:
    if source == OF_REACH:
        rows = _reach(connection, settings)
    else:
        query = steps(__package__, "findings")[source[0]]
        rows = [(source[0], *row) for row in connection.execute(sa.text(query), values)]
    severities = settings.operators.severity
    return [
        Finding(kind, subject[:_SUBJECT_LENGTH], _severity(severities, kind, detail), count, since or values["now"], detail)
        for kind, subject, count, since, detail in rows
        if severities.get(kind) != "never"
    ]


def _reach(connection: Connection, settings: Settings) -> list[tuple[FindingKind, str, int, datetime | None, str]]:
    """Channels that the brake holds something of, and channels that take nothing."""
    found = reaches(connection, {name: settings.unreached_after(name) for name in publishing_channels(settings)})
    rows: list[tuple[FindingKind, str, int, datetime | None, str]] = []
    rows += [("push_held", one.channel, one.held, one.hold_since, "") for one in found if one.held]
    rows += [
        ("channel_unreached", one.channel, one.waiting, one.failing_since or one.reached_at, one.failure or "")
        for one in found
        if one.late
    ]
    return rows


def _severity(chosen: Mapping[FindingKind, str], kind: FindingKind, detail: str) -> Severity:
    default = "digest" if kind == "check_red" and detail == "warns" else KINDS[kind].severity
    return "digest" if chosen.get(kind, default) == "digest" else "now"


def _order(one: Finding) -> tuple[bool, datetime, str]:
    return one.severity != "now", one.since, one.key
