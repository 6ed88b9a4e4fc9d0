"""Telling operators: what can't wait at once, the rest in the day's digest, nothing twice.

What belongs here: a transaction that looks, decides, queues the mails and notes what was told. What does not: sending (`outbox`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import OPERATORS_LOCK
from cloudsales_pipeline.operations import letters
from cloudsales_pipeline.operations.deciding import Decision, Notice, decide
from cloudsales_pipeline.operations.findings import Finding, Reading, look
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from cloudsales_pipeline.settings import Settings


class Told(Struct, frozen=True):
    """What came of one look: what was found, and what was queued.

    Args:
        alerted: findings told at once, reminders among them.
        digest: whether the day's digest was queued.
        messages: how many e-mails and SMS were queued.
    """

    reading: Reading
    alerted: int = 0
    digest: bool = False
    messages: int = 0


def tell_operators(engine: Engine, settings: Settings, *, now: datetime) -> Told:
    """Look for what waits for a person and tell whom the settings name; two at once tell once.

    Where the settings name nobody, nothing is written.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is away; nothing was told, and the next look tells.
    """
    with engine.begin() as connection:
        run(connection, "lock", lock=OPERATORS_LOCK)
        reading = look(connection, settings, now=now)
        if not (settings.operators.emails or settings.operators.phones):
            return Told(reading)
        day, due, sent_at = _digest_standing(connection, settings, now)
        notices = {row.key: Notice(**row._mapping) for row in run(connection, "notices")}
        decision = decide(reading, notices, settings.operators, now, digest_due=due, digest_sent_at=sent_at)
        messages = _queue(connection, settings, reading, decision, day, now)
        _note(connection, decision, now)
        if due:
            _note_digest(connection, reading, decision, day, now)
    return Told(reading, len(decision.alert), decision.digest is not None, messages)


def _digest_standing(connection: Connection, settings: Settings, now: datetime) -> tuple[date, bool, datetime | None]:
    """The local date, whether its digest is still to be decided on, and when the last one went out.

    By local wall time and date: on the days on which the clock is changed there is one digest as on any other.
    """
    local = now.astimezone(ZoneInfo(settings.timezone))
    last = run(connection, "last_digest").one()
    due = local.time() >= settings.operators.digest_at and (last.day is None or last.day < local.date())
    return local.date(), due, last.sent_at


def _queue(connection: Connection, settings: Settings, reading: Reading, decision: Decision, day: date, now: datetime) -> int:
    operators, zone = settings.operators, ZoneInfo(settings.timezone)
    letters_of: list[tuple[str, str, letters.Letter]] = []
    texts: list[tuple[str, str]] = []
    if decision.alert:
        reference = _reference(decision.alert, now)
        letters_of.append(("alert", reference, letters.alert(decision.alert, operators.language, zone)))
        texts.append((reference, letters.short(decision.alert, operators.language)))
    if decision.digest is not None:
        over = [one.as_finding() for one in decision.over]
        letter = letters.digest(decision.digest, over, sorted(reading.unread), day=day, language=operators.language, zone=zone)
        letters_of.append(("digest", day.isoformat(), letter))
    mails = [
        Outgoing(
            "operations", reference, event, "email", address, letter.title, letter.text, letter.html,
            language=operators.language, urgency=0 if event == "alert" else 2,
        )
        for event, reference, letter in letters_of
        for address in operators.emails
    ]  # fmt: skip
    calls = [
        Outgoing("operations", reference, "alert", "sms", phone, "", text, language=operators.language, urgency=0)
        for reference, text in texts
        for phone in operators.phones
    ]
    return len(enqueue(connection, [*mails, *calls]))


def _reference(alert: Sequence[Finding], now: datetime) -> str:
    """An alert's own reference: the moment and what it tells."""
    told = hashlib.blake2b("\n".join(one.key for one in alert).encode(), digest_size=4).hexdigest()
    return f"{now.astimezone(ZoneInfo('UTC')):%Y%m%dT%H%M%SZ}-{told}"


def _note(connection: Connection, decision: Decision, now: datetime) -> None:
    """Note what was told, and what is over; what a digest has said to be over is forgotten."""
    _write(connection, decision.alert, now, in_digest=False)
    keys = [one.key for one in decision.over]
    if decision.digest is None:
        run(connection, "over", keys=keys, now=now)
        return
    _write(connection, decision.digest, now, in_digest=True)
    run(connection, "forget", keys=keys)


def _write(connection: Connection, findings: Sequence[Finding], now: datetime, *, in_digest: bool) -> None:
    rows = [
        {
            "key": one.key,
            "kind": one.kind,
            "severity": one.severity,
            "subject": one.subject,
            "since": one.since.isoformat(),
            "count": one.count,
            "detail": one.detail,
        }
        for one in findings
    ]
    if rows:
        run(connection, "write", rows=json.dumps(rows), now=now, in_digest=in_digest)


def _note_digest(connection: Connection, reading: Reading, decision: Decision, day: date, now: datetime) -> None:
    sent = decision.digest is not None
    run(connection, "digest", day=day, now=now, sent=sent, open=len(reading.findings), resolved=len(decision.over))


def run(connection: Connection, step: str, **values: object) -> sa.CursorResult[Any]:
    """A step of telling.sql."""
    return connection.execute(sa.text(steps(__package__, "telling")[step]), values)
