"""Where parcels are: couriers asked within their limits, what they say kept once, states only forward.

What belongs here: whom to ask when, and what of an answer is kept. What does not: telling channels and buyers, which read the
events `waybill_shipped`, `waybill_in_locker`, `waybill_delivered`, `waybill_returned` and `waybill_lost`.

A courier that tells what happened since a moment is asked so, from a cursor that moves only in the transaction that keeps the
events (I-42), with an overlap; by number alone for new parcels, and for any once a day, so that nothing stays missed. Others are
asked by number.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import waybill_tracking_lock
from cloudsales_pipeline.documents.couriers.port import Courier, CourierAwayError, CourierError, ParcelEvent, ParcelState
from cloudsales_pipeline.documents.couriers.rounds import Open, clock_of, opened
from cloudsales_pipeline.documents.shipping import Outcome
from cloudsales_pipeline.documents.waybill_desk import note_standing
from cloudsales_pipeline.errors import DatabaseError, describe_unexpected
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings

BATCH = 50
"""Numbers asked about together."""
OVERLAP = timedelta(hours=1)
ANYWAY = timedelta(days=1)
"""So often a parcel is asked about by number also where the courier tells by itself."""
STATES = frozenset(get_args(ParcelState))
LONGEST_CODE = 40
MOST_UNREADABLE = 3
"""Parcels of a round that the courier can't speak of, before it is the courier that is not asked on."""


@dataclass
class TrackResult:
    """What a pass did.

    Args:
        events: new ones; moved: parcels that are further now; ended: of these, delivered, returned or lost.
        asked: parcels asked about by number.
        unreadable: events without a usable number or moment, and parcels that the courier gave no answer for.
        away: couriers that did not answer, and why; complaints: those that can't be used.
    """

    events: int = 0
    moved: int = 0
    ended: int = 0
    asked: int = 0
    unreadable: int = 0
    away: dict[str, str] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)

    def add(self, other: TrackResult) -> None:
        """Count what another courier's round did."""
        for name in ("events", "moved", "ended", "asked", "unreadable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.away.update(other.away)


def track_due(
    engine: Engine,
    settings: Settings,
    couriers: Open | Mapping[str, Courier],
    *,
    now: datetime | None = None,
    seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> TrackResult:
    """Ask each courier where its parcels are, where that is due by its `track_every`; one at a time asks the same courier.

    Raises:
        DatabaseError: the database can't be reached.
    """
    result, deadline, moment = TrackResult(), clock() + seconds, clock_of(now)
    names = _couriers(engine, settings, moment())

    def serve(name: str, courier: Courier) -> TrackResult:
        one = _Round(engine, settings, name, courier, moment)
        try:
            with waybill_tracking_lock(engine, name) as held:
                if held:
                    one.run(lambda: clock() < deadline)
            return one.result
        except sa.exc.DBAPIError as error:
            raise DatabaseError(
                f"The database was lost while parcels were being tracked ({type(error.orig).__name__}).",
                next_step="do the same again",
            ) from None

    with opened(settings, couriers) as ways:
        for one in ways.each(names, serve):
            result.add(one)
        result.complaints.update(ways.complaints)
    return result


def _couriers(engine: Engine, settings: Settings, now: datetime) -> list[str]:
    with engine.connect() as connection:
        return list(_run(connection, "couriers", now=now, track_for=settings.documents.track_for.total_seconds()).scalars())


class _NonsenseError(Exception):
    """An answer that is none."""


class _Round:
    """One courier asked once."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        name: str,
        courier: Courier,
        moment: Callable[[], datetime],
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.name = name
        self.courier = courier
        self.result = TrackResult()
        self.moment = moment
        self.unreadable = 0

    def run(self, go_on: Callable[[], bool]) -> None:
        begun = self.moment()
        with self.engine.connect() as connection:
            standing = _run(connection, "standing", **self._values(begun)).one()
        if standing.paused or standing.first_made is None:
            return
        every = self.settings.couriers[self.name].track_every
        try:
            tells = self._since(standing, begun, every)
            while go_on() and self._by_number(begun - (ANYWAY if tells else every)):
                pass
        except CourierAwayError as error:
            self._faltered(Outcome(kind="away", reason=error.reason, what=error.message, retry_at=error.retry_at))
        except _NonsenseError as error:
            self._faltered(Outcome(kind="unclear", reason="nonsense", what=str(error)))

    def _since(self, standing: sa.Row[Any], begun: datetime, every: timedelta) -> bool:
        """Ask what happened since the cursor, where that is due; whether this courier can be asked so, and says something."""
        if standing.tracked_until is not None and standing.tracked_until + every > begun:
            return True
        moment = (standing.tracked_until or standing.first_made) - OVERLAP
        try:
            events = _asked(lambda: self.courier.track_since(moment))
        except _NonsenseError as error:
            self.result.away[self.name] = str(error)
            return False
        if events is not None:
            self._keep(events, [], begun)
        elif standing.tracked_until is not None:
            self._keep([], [], None)
        return events is not None

    def _by_number(self, before: datetime) -> bool:
        """Ask about the next parcels; whether there may be more."""
        now = self.moment()
        with self.engine.connect() as connection:
            rows = _run(connection, "numbers", **self._values(now), before=before, batch=BATCH).all()
        if not rows:
            return False
        self._keep(self._ask([row.number for row in rows]), [row.waybill_id for row in rows], ...)
        self.result.asked += len(rows)
        return len(rows) == BATCH

    def _ask(self, numbers: list[str]) -> list[ParcelEvent]:
        """What happened to these. One that the courier can't speak of is found by halves, and holds up no other."""
        try:
            return _asked(lambda: self.courier.track(numbers)) or []
        except _NonsenseError:
            if len(numbers) == 1:
                self.result.unreadable += 1
                self.unreadable += 1
                if self.unreadable == MOST_UNREADABLE:
                    raise  # it is not the parcels
                return []
        middle = len(numbers) // 2
        return self._ask(numbers[:middle]) + self._ask(numbers[middle:])

    def _keep(self, events: Sequence[ParcelEvent], asked: list[int], until: Any) -> None:
        """Events, what was asked, and the cursor: one transaction. `until`: where the cursor goes; `...`: where it is."""
        now = self.moment()
        sound = [kept for event in events if (kept := _sound(event, now))]
        numbers = list({kept["number"] for kept in sound})

        def work(connection: Connection) -> sa.Row[Any]:
            note_standing(connection, self.name, Outcome(kind="absent"), now)
            _run(connection, "lock", courier=self.name, numbers=numbers, asked=asked)
            stored = _run(connection, "store", courier=self.name, events=json.dumps(sound), now=now).one()
            _run(connection, "asked", asked=asked, now=now)
            if until is not ...:
                _run(connection, "read_until", courier=self.name, until=until)
            return stored

        stored = order_work(self.engine, work, doing="keep what happened to parcels")
        self.result.events += stored.events
        self.result.moved += stored.moved
        self.result.ended += stored.ended
        self.result.unreadable += len(events) - len(sound)

    def _faltered(self, outcome: Outcome) -> None:
        self.result.away[self.name] = outcome.what
        order_work(
            self.engine, lambda c: note_standing(c, self.name, outcome, self.moment()), doing="note that a courier is away"
        )

    def _values(self, now: datetime) -> dict[str, Any]:
        return {"courier": self.name, "now": now, "track_for": self.settings.documents.track_for.total_seconds()}


def _asked(call: Callable[[], list[ParcelEvent] | None]) -> list[ParcelEvent] | None:
    """The answer; what is neither one nor the courier being away is nonsense."""
    try:
        events = call()
    except CourierAwayError:
        raise
    except CourierError as error:
        raise _NonsenseError(error.message) from None
    except Exception as error:  # a defect of ours or of the library
        raise _NonsenseError(describe_unexpected(error)) from None
    if events is not None and not isinstance(events, list):
        raise _NonsenseError("The courier's events are no list.")
    return events


def _sound(event: ParcelEvent, now: datetime) -> dict[str, Any] | None:
    """An event as it is kept; None where it has no number or no possible moment. The code is cut to what a code is."""
    if not isinstance(event, ParcelEvent) or not isinstance(event.number, str) or not isinstance(event.occurred_at, datetime):
        return None
    at = event.occurred_at
    if at.tzinfo is None or not now - timedelta(days=400) < at < now + timedelta(days=1) or "\0" in event.number:
        return None
    code = re.sub(r"[^\x21-\x7e ]", "", str(event.code)).strip()[:LONGEST_CODE]
    state = event.state if event.state in STATES else None
    return {"number": event.number, "occurred_at": at.isoformat(), "code": code, "state": state}


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "tracking")[step]), values)
