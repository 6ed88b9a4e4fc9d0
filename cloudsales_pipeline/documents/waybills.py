"""Waybills that are due, made: each courier at its own pace, side by side, and never two for one parcel (I-37).

A row of the database is claimed, the claim committed, the courier called with no transaction open, and its answer stored with all
that follows. What is not clear is looked up by our reference before anything is created again (F-03, F-08).

What belongs here: who is called and when. What does not: the statements (`waybill_desk`), what answers mean (`shipping`), labels
and tracking.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.locks import WAYBILL_MAKER_LOCK
from cloudsales_pipeline.documents import shipping
from cloudsales_pipeline.documents.couriers.port import Courier
from cloudsales_pipeline.documents.couriers.rounds import Open, clock_of, opened
from cloudsales_pipeline.documents.labels import ATTEMPTS
from cloudsales_pipeline.documents.waybill_desk import Desk, desk, halted, run
from cloudsales_pipeline.errors import DatabaseError, RefusedError
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings

STALE = timedelta(minutes=15)
"""No call lasts so long."""
LONGEST_CALL = timedelta(minutes=3)
SELDOM = 60.0
"""Seconds: no run is started more often only to ask where parcels are."""
MISSING_PAUSE = timedelta(minutes=5)
"""So often it is tried whether an account that can't be used can be now."""


@dataclass
class WaybillResult:
    """What a pass did.

    Args:
        found: unclear ones that the courier had made after all; absent: that it had not, due again under the same reference.
        again: the courier was away; failed: refused, given up, or without an address, and in quarantine.
        cancelled: dropped or taken back with their order; cancel_refused: on their way already, for a person.
        left_behind: a maker was killed while it called.
        strayed: numbers that belong to no row of ours, in quarantine.
        complaints: couriers that can't be used, and why.
    """

    created: int = 0
    found: int = 0
    absent: int = 0
    unknown: int = 0
    again: int = 0
    failed: int = 0
    cancelled: int = 0
    cancel_refused: int = 0
    left_behind: int = 0
    strayed: int = 0
    complaints: dict[str, str] = field(default_factory=dict)

    def add(self, counts: Mapping[str, int]) -> None:
        """Count what was done."""
        for name, many in counts.items():
            setattr(self, name, getattr(self, name) + many)


def make_due(
    engine: Engine,
    settings: Settings,
    couriers: Open | Mapping[str, Courier],
    *,
    now: datetime | None = None,
    seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> WaybillResult:
    """Make what is due, look up what is unclear, and take back what cancelled orders had; until nothing is due.

    Several may run at once: each takes what no other holds. Done again, it does nothing.

    Args:
        couriers: opens the account of a name in `settings.couriers`, or has them opened.
        now: the moment that counts for what is due; none: the clock's, each time.
        seconds: begin no further call after so long.

    Raises:
        DatabaseError: the database can't be reached; what was being called for is looked up later.
    """
    result, deadline, moment = WaybillResult(), clock() + seconds, clock_of(now)

    def go_on() -> bool:
        return clock() < deadline

    result.add(_tidy(engine, settings, moment()))
    with engine.connect() as connection:
        names = list(run(connection, "couriers", now=moment()).scalars())
    with opened(settings, couriers) as ways:
        for name in names:
            ways.get(name)
        _note_missing(engine, ways.complaints, moment())
        result.complaints.update(ways.complaints)
        for done in ways.each(names, lambda name, courier: _serve(engine, settings, name, courier, moment, go_on)):
            result.add(done)
    return result


def due_now(connection: Connection, settings: Settings, *, now: datetime | None = None) -> dict[str, bool]:
    """Whether a run would find something to do now; index look-ups, for a sensor that looks every few seconds.

    Returns:
        waybills: for `make_due`; labels: for `labels.fetch_due`; parcels: for `tracking.track_due`, at most once a minute.
    """
    couriers = [
        {"courier": name, "every": max(SELDOM, one.track_every.total_seconds())} for name, one in settings.couriers.items()
    ]
    values = {
        "now": now or datetime.now(UTC),
        "couriers": json.dumps(couriers),
        "names": list(settings.couriers),
        "halted": halted(settings),
        "longest_call": LONGEST_CALL.total_seconds(),
        "label_attempts": ATTEMPTS,
        "track_for": settings.documents.track_for.total_seconds(),
    }
    return {name: bool(value) for name, value in run(connection, "due", **values).mappings().one().items()}


def _tidy(engine: Engine, settings: Settings, now: datetime) -> dict[str, int]:
    """What killed makers left becomes unknown; what is wanted no more is dropped before anybody is called."""

    def work(connection: Connection) -> dict[str, int]:
        wait = settings.documents.look_up_after.total_seconds()
        values = {"lock": WAYBILL_MAKER_LOCK, "now": now, "stale": STALE.total_seconds()}
        left = run(connection, "reap", **values, look_up_after=wait).all()
        dropped = [row.order_id for row in run(connection, "drop", now=now)]
        if dropped:
            run(connection, "settle", orders=dropped)
        return {"left_behind": len(left), "cancelled": len(dropped)}

    return order_work(engine, work, doing="tidy up waybills")


def _note_missing(engine: Engine, complaints: Mapping[str, str], now: datetime) -> None:
    """A courier that can't be used stands in quarantine for as long as something waits for it and it is so."""

    def work(connection: Connection) -> None:
        for name, what in complaints.items():
            run(connection, "missing", courier=name, what=what, now=now, pause=MISSING_PAUSE.total_seconds())
        run(connection, "found", missing=list(complaints))

    order_work(engine, work, doing="note which couriers can be used")


def _serve(
    engine: Engine, settings: Settings, name: str, courier: Courier, moment: Callable[[], datetime], go_on: Callable[[], bool]
) -> Counter[str]:
    """All that is due at one courier."""
    done: Counter[str] = Counter()
    try:
        with desk(engine, name, settings) as mine:
            while go_on() and (row := mine.claim(moment())) is not None:
                done[_one(mine, courier, row, moment)] += 1
            while go_on() and (row := mine.claim_to_cancel(moment())) is not None:
                outcome = shipping.cancel(courier, row.number)
                done[mine.settle_cancel(row, outcome, moment())] += 1
    except sa.exc.DBAPIError as error:
        raise DatabaseError(
            f"The database was lost while waybills were being made ({type(error.orig).__name__}).",
            next_step="do the same again: what had begun is looked up at the courier, not made twice",
        ) from None
    return done


def _one(mine: Desk, courier: Courier, row: Any, moment: Callable[[], datetime]) -> str:
    if row.state == "unknown":
        day = row.intended_at.astimezone(ZoneInfo(mine.settings.timezone)).date()
        return mine.settle(row, shipping.find(courier, row.reference, day), moment())
    try:
        own = mine.settings.couriers[mine.courier]
        shipment = shipping.shipment_of(row, own.locker_service if row.delivery_method == "locker" else own.service)
    except RefusedError as error:
        return mine.fail_early(row, error.message, moment())
    return mine.settle(row, shipping.create(courier, shipment), moment())
