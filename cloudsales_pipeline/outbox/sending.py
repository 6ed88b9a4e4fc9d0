"""Sending what is due: claimed together, then each begun, handed over and marked; a mark and the next beginning are one commit.

A claim holds as long as its sender's database session: an advisory lock goes with it. Of what a killed sender leaves in
`sending` the one that it had begun may have gone out: it becomes `unknown`, and only a person's word sends it again (`deciding`).
The others are due as before.

What belongs here: claims, marks, pauses, attempts. What does not: how a message is handed over (`gateways`).
"""

from __future__ import annotations

import functools
import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import OUTBOX_SENDER_LOCK
from cloudsales_pipeline.errors import DatabaseError, SettingsError
from cloudsales_pipeline.outbox.files import File
from cloudsales_pipeline.outbox.gateways import MEDIA, Answer, Envelope, Gateway, Outcome, open_gateway

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from cloudsales_pipeline.settings.messages import MessageSettings

AT_ONCE = 10
"""Messages claimed together."""
NOT_TRIED = "not_tried"


@dataclass
class Sent:
    """What one round of sending did.

    Args:
        again: put back, to be tried later; given back untried ones are not counted.
        dead: refused for good, or tried as often as the settings allow.
        left_behind: begun by a sender that is no more, and made unknown.
        no_gateway: due messages that wait because nothing is set up for their medium.
        complaints: media whose gateway can't be used, and why; no address is in it.
    """

    sent: int = 0
    again: int = 0
    dead: int = 0
    unknown: int = 0
    skipped: int = 0
    left_behind: int = 0
    no_gateway: int = 0
    complaints: dict[str, str] = field(default_factory=dict)

    def add(self, states: Mapping[str, int]) -> None:
        """Count what was marked."""
        for name, many in states.items():
            setattr(self, name, getattr(self, name) + many)


def send_due(
    engine: Engine,
    settings: MessageSettings,
    *,
    seconds: float = 60.0,
    gateways: Mapping[str, Gateway] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Sent:
    """Send what is due until nothing is, or `seconds` are over; several senders may do so at once.

    Args:
        gateways: by medium, in the place of those that the settings name; they stay open.

    Raises:
        DatabaseError: the connection was lost and did not come back; what was being sent becomes unknown.
    """
    deadline = clock() + seconds
    total = Sent()
    try:
        with _desk(engine, settings) as desk:
            total.left_behind = desk.reap()
            with _opened(settings, gateways, desk.waiting(), total) as ways:
                for medium, way in ways.items():
                    _send_all(desk, medium, way, total, deadline, clock)
    except (sa.exc.DBAPIError, sa.exc.PendingRollbackError) as error:
        raise DatabaseError(
            f"The database was lost while messages were being sent ({type(error).__name__}).",
            next_step="see cloudsales messages list --state unknown: those may have gone out",
        ) from None
    return total


@contextmanager
def _opened(
    settings: MessageSettings, given: Mapping[str, Gateway] | None, waiting: Mapping[str, int], total: Sent
) -> Iterator[dict[str, Gateway]]:
    """The gateways of the media that something waits for; media without one are counted, and their messages left alone."""
    ways: dict[str, Gateway] = {}
    try:
        for medium in MEDIA:
            if not waiting.get(medium):
                continue
            way = _open(settings, medium, total) if given is None else given.get(medium)
            if way is None:
                total.no_gateway += waiting[medium]
            else:
                ways[medium] = way
        yield ways
    finally:
        for way in ways.values() if given is None else ():
            way.close()


def _open(settings: MessageSettings, medium: str, total: Sent) -> Gateway | None:
    try:
        return open_gateway(settings, medium)
    except SettingsError as error:
        total.complaints[medium] = str(error)
        return None


class _Desk:
    """The database's side of sending, all on one session, whose lock says that its claims are alive."""

    def __init__(self, engine: Engine, connection: Connection, key: str, settings: MessageSettings) -> None:
        self.engine = engine
        self.connection = connection
        self.key = key
        self.settings = settings
        self.clerk = ThreadPoolExecutor(1, "outbox")

    def reap(self) -> int:
        return sum(row.state == "unknown" for row in self._run("reap", lock=OUTBOX_SENDER_LOCK))

    def waiting(self) -> dict[str, int]:
        return {row.medium: row.messages for row in self._run("waiting")}

    def claim(self, medium: str) -> list[sa.Row[Any]]:
        rows = self._run("claim", medium=medium, key=self.key, limit=AT_ONCE).all()
        return sorted(rows, key=lambda row: (row.urgency, row.due_at, row.message_id))

    def files(self, message_id: int) -> list[sa.Row[Any]]:
        return list(self._run("files", message_id=message_id))

    def begin(self, message_id: int, answers: Sequence[tuple[int, Answer | None]]) -> tuple[bool, Counter[str]]:
        """Write down what became of those before, and that this claimed message goes now; whether it may, and the states reached.

        Fails where the session is gone, and its claims with it: nothing more may be sent then.
        """
        rows = self._mark(self.connection, answers, message_id)
        return any(row.begun for row in rows), _states(rows)

    def mark(self, answers: Sequence[tuple[int, Answer | None]]) -> Counter[str]:
        """Write down what became of messages, at once; None: it was not tried. How many came to each state, as `Sent` names them.

        Where the session is lost, on another one, once: what is known should not become unknown.
        """
        if not answers:
            return Counter()
        try:
            rows = self._mark(self.connection, answers)
        except sa.exc.SQLAlchemyError:  # also: that the session is lost already
            with suppress(sa.exc.SQLAlchemyError), self.engine.begin() as another:
                self._mark(another, answers)
            raise
        return _states(rows)

    def _mark(
        self, connection: Connection, answers: Sequence[tuple[int, Answer | None]], begin: int | None = None
    ) -> Sequence[sa.Row[Any]]:
        rows = [_row(message_id, answer) for message_id, answer in answers]
        values = {
            "key": self.key,
            "most": self.settings.attempts,
            "pause": self.settings.retry_after,
            "rows": json.dumps(rows),
            "next": begin,
        }
        return connection.execute(_statement("mark"), values).all()

    def _run(self, step: str, **values: Any) -> sa.CursorResult[Any]:
        return self.connection.execute(_statement(step), values)


@functools.cache
def _statement(step: str) -> sa.TextClause:
    """A step of sending.sql, read once: it runs for each message."""
    return sa.text(steps(__package__, "sending")[step])


def _states(rows: Sequence[sa.Row[Any]]) -> Counter[str]:
    """How many were marked with each state; what is new again without having been tried is no news."""
    marked = (row for row in rows if not row.begun)
    return Counter("again" if row.state == "new" else row.state for row in marked if row.again or row.state != "new")


def _row(message_id: int, answer: Answer | None) -> dict[str, object]:
    if answer is None:
        return {"message_id": message_id, "outcome": NOT_TRIED, "counts": False}
    skipped = answer.outcome is Outcome.REFUSED and answer.reason == "erased"
    return {
        "message_id": message_id,
        "outcome": "skipped" if skipped else answer.outcome.value,
        "counts": not answer.outage,
        "reason": answer.reason,
        "answer": answer.text,
    }


@contextmanager
def _desk(engine: Engine, settings: MessageSettings) -> Iterator[_Desk]:
    """A session of its own under a key of its own."""
    key = f"{os.getpid()}-{uuid.uuid4().hex}"
    values = {"lock": OUTBOX_SENDER_LOCK, "key": key}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("select pg_advisory_lock_shared(:lock, hashtext(:key))"), values)
        desk = _Desk(engine, connection, key, settings)
        try:
            yield desk
        finally:
            desk.clerk.shutdown()
            if not connection.invalidated:
                with suppress(sa.exc.DBAPIError):  # the session has gone, and the lock with it
                    connection.execute(sa.text("select pg_advisory_unlock_shared(:lock, hashtext(:key))"), values)


def _send_all(desk: _Desk, medium: str, way: Gateway, total: Sent, deadline: float, clock: Callable[[], float]) -> None:
    while clock() < deadline:
        rows = desk.claim(medium)
        if not rows or not _send_some(desk, rows, way, total, deadline, clock):
            return


def _send_some(
    desk: _Desk, rows: Sequence[sa.Row[Any]], way: Gateway, total: Sent, deadline: float, clock: Callable[[], float]
) -> bool:
    """Send claimed messages; whether to go on with others. Also where an error ends it, what is known is marked."""
    answers: list[tuple[int, Answer | None]] = []
    begun = 0
    outage: Answer | None = None
    try:
        for row in rows:
            if clock() >= deadline:
                break
            envelope = _envelope(desk, row)
            beginning = desk.clerk.submit(desk.begin, row.message_id, answers)
            _prepare(way, envelope)  # the commit is waited for meanwhile; nothing is handed over before it is there
            ours, states = beginning.result()
            total.add(states)
            answers, begun = [], begun + 1
            if not ours:
                continue
            answer = envelope if isinstance(envelope, Answer) else _given(way, envelope)
            answers.append((row.message_id, answer))
            if answer.outage:
                outage = answer
                break
    finally:
        # In the case of an outage the others wait as long as the one that met it, so that each pause costs one attempt.
        rest = [(row.message_id, outage) for row in rows[begun:]]
        total.add(desk.mark([*answers, *rest]))
    return outage is None and begun == len(rows)


def _envelope(desk: _Desk, row: sa.Row[Any]) -> Envelope | Answer:
    """The message as a gateway takes it, or why there is nothing to send any more."""
    if row.recipient is None:
        return Answer(Outcome.REFUSED, "erased")
    files = desk.files(row.message_id) if row.has_files else []
    if any(file.content is None for file in files):
        return Answer(Outcome.REFUSED, "file_gone")
    return Envelope(
        row.message_id,
        row.created_at,
        row.recipient,
        row.title or "",
        row.body_text or "",
        row.body_html,
        tuple(File(file.name, file.media_type, bytes(file.content)) for file in files),
    )


def _prepare(way: Gateway, envelope: Envelope | Answer) -> None:
    """Have a gateway that can make the message ready; whatever goes wrong here is met again when it is handed over."""
    prepare = getattr(way, "prepare", None)
    if prepare is not None and isinstance(envelope, Envelope):
        with suppress(Exception):
            prepare(envelope)


def _given(way: Gateway, envelope: Envelope) -> Answer:
    try:
        return way.send(envelope)
    except Exception as error:  # a defect of ours or of the library: nobody knows how far it came
        return Answer(Outcome.UNKNOWN, "unexpected", type(error).__name__)
