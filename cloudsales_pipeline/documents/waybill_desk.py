"""The database's side of making waybills: claims, and what became of each, with all that follows from it in the same transaction.

What belongs here: the statements of waybills.sql and when each is right. What does not: calling couriers (`waybills`,
`shipping`).

A claim holds as long as its maker's database session: an advisory lock goes with it. What a killed maker leaves in `creating` may
exist over there, so it becomes `unknown` and is looked up (F-24).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import WAYBILL_MAKER_LOCK
from cloudsales_pipeline.documents.couriers.port import Created
from cloudsales_pipeline.documents.shipping import Outcome
from cloudsales_pipeline.documents.standing import Order, locked, quarantine
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.orders.life import issue_goods
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
"""Of a whole courier that does not answer."""
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)
"""Of one waybill."""
LATEST_RETRY = timedelta(hours=1)
"""A courier that asks for more patience than this is asked again all the same (F-07)."""
LOOK_UP_LASTS = timedelta(minutes=5)


class Desk:
    """One maker's claims at one courier; statements that claim run on the session that holds its lock."""

    def __init__(self, engine: Engine, connection: Connection, key: str, courier: str, settings: Settings) -> None:
        self.engine = engine
        self.connection = connection
        self.key = key
        self.courier = courier
        self.settings = settings

    def claim(self, now: datetime) -> sa.Row[Any] | None:
        """The next to be created or looked up, committed; None: nothing is due, or the courier is given a rest."""
        values = {"courier": self.courier, "key": self.key, "now": now, "look_up_lasts": LOOK_UP_LASTS.total_seconds()}
        return run(self.connection, "claim", **values, halted=halted(self.settings)).one_or_none()

    def claim_to_cancel(self, now: datetime) -> sa.Row[Any] | None:
        """The next whose order was cancelled after it was made."""
        values = {"courier": self.courier, "now": now, "look_up_lasts": LOOK_UP_LASTS.total_seconds()}
        return run(self.connection, "to_cancel", **values).one_or_none()

    def settle(self, row: sa.Row[Any], outcome: Outcome, now: datetime) -> str:
        """Write down what came of a claimed one; what to count it as."""
        return order_work(self.engine, lambda c: self._settle(c, row, outcome, now), doing="note what a courier did")

    def settle_cancel(self, row: sa.Row[Any], outcome: Outcome, now: datetime) -> str:
        """Write down what came of taking one back; what to count it as."""
        return order_work(self.engine, lambda c: self._settle_cancel(c, row, outcome, now), doing="note what a courier took back")

    def _settle(self, connection: Connection, row: sa.Row[Any], outcome: Outcome, now: datetime) -> str:
        note_standing(connection, self.courier, outcome, now)
        if outcome.created is not None:
            kept = keep(connection, self.settings, row, outcome.created, now, key=self.key)
            return "found" if kept == "created" and row.state == "unknown" else kept
        if row.state == "unknown":
            return self._looked_up(connection, row, outcome, now)
        return self._not_created(connection, row, outcome, now)

    def _not_created(self, connection: Connection, row: sa.Row[Any], outcome: Outcome, now: datetime) -> str:
        if outcome.kind == "refused":
            return self._fail(connection, row, outcome, "waybill_refused", now)
        if outcome.kind == "away":
            if row.attempts >= self.settings.documents.waybill_attempts:
                return self._fail(connection, row, outcome, "waybill_given_up", now)
            self._not_made(connection, row, "intended", outcome.reason, later(row.attempts, outcome, now), now)
            return "again"
        self._not_made(connection, row, "unknown", outcome.reason, now + self.settings.documents.look_up_after, now)
        return "unknown"

    def _looked_up(self, connection: Connection, row: sa.Row[Any], outcome: Outcome, now: datetime) -> str:
        if outcome.kind == "absent" and row.attempts >= self.settings.documents.waybill_attempts:
            return self._fail(connection, row, outcome, "waybill_given_up", now, looked_up=True)
        if outcome.kind == "absent":
            self._not_made(connection, row, "intended", "not_found", now, now, looked_up=True)
            return "absent"
        self._not_made(connection, row, "unknown", outcome.reason, later(row.attempts, outcome, now), now, looked_up=True)
        return "unknown"

    def fail_early(self, row: sa.Row[Any], what: str, now: datetime) -> str:
        """A claimed one that no courier could take: nobody was called."""
        outcome = Outcome(kind="refused", reason="buyer_without_address", what=what)

        def work(connection: Connection) -> str:
            return self._fail(connection, row, outcome, "buyer_without_address", now)

        return order_work(self.engine, work, doing="set a waybill aside")

    def _fail(
        self, connection: Connection, row: sa.Row[Any], outcome: Outcome, why: str, now: datetime, *, looked_up: bool = False
    ) -> str:
        if self._not_made(connection, row, "failed", outcome.reason or "given_up", now, now, looked_up=looked_up):
            detail = {"courier": self.courier, "waybill": row.reference, "why": outcome.reason, "what": outcome.what}
            quarantine(connection, [(order_of(row), why, detail)])
        return "failed"

    def _not_made(
        self,
        connection: Connection,
        row: sa.Row[Any],
        state: str,
        reason: str,
        due_at: datetime,
        now: datetime,
        *,
        looked_up: bool = False,
    ) -> bool:
        values = {"waybill_id": row.waybill_id, "state": state, "reason": reason, "due_at": due_at, "now": now}
        return run(connection, "not_made", **values, key=self.key, looked_up=looked_up).one_or_none() is not None

    def _settle_cancel(self, connection: Connection, row: sa.Row[Any], outcome: Outcome, now: datetime) -> str:
        if outcome.kind != "refused":
            note_standing(connection, self.courier, outcome, now)
        locked(connection, [row.order_id])
        if outcome.kind == "absent":
            run(connection, "cancelled", waybill_id=row.waybill_id, reason="order_cancelled", now=now)
            run(connection, "settle", orders=[row.order_id])
            return "cancelled"
        reason = "cancel_refused" if outcome.kind == "refused" else "cancel_unclear"
        run(connection, "not_cancelled", waybill_id=row.waybill_id, reason=reason, due_at=later(row.attempts, outcome, now))
        if outcome.kind == "refused":
            detail = {"courier": self.courier, "number": row.number, "waybill": row.reference, "what": outcome.what}
            quarantine(connection, [(order_of(row), "cancel_refused", detail)])
            return "cancel_refused"
        return "again"


@contextmanager
def desk(engine: Engine, courier: str, settings: Settings) -> Iterator[Desk]:
    """A session of its own, under a key of its own."""
    key = f"{os.getpid()}-{uuid.uuid4().hex}"
    values = {"lock": WAYBILL_MAKER_LOCK, "key": key}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("select pg_advisory_lock_shared(:lock, hashtext(:key))"), values)
        try:
            yield Desk(engine, connection, key, courier, settings)
        finally:
            if not connection.invalidated:
                with suppress(sa.exc.DBAPIError):  # the session has gone, and the lock with it
                    connection.execute(sa.text("select pg_advisory_unlock_shared(:lock, hashtext(:key))"), values)


def keep(
    connection: Connection, settings: Settings, row: sa.Row[Any], created: Created, now: datetime, *, key: str | None = None
) -> str:
    """A waybill's number, and what follows from it, in the caller's transaction: created, or strayed where it can't be ours.

    Goods leave with the last of an order's parcels, where the settings say so.
    """
    locked(connection, [row.order_id])
    values = {
        "number": created.number,
        "barcodes": list(created.barcodes),
        "cost": None if created.cost is None else str(created.cost),
        "cost_currency": created.currency,
    }
    hand_over = settings.documents.hand_over
    if run(connection, "made", waybill_id=row.waybill_id, key=key, now=now, hand_over=hand_over, **values).one_or_none() is None:
        return _not_kept(connection, row, created, now)
    run(connection, "settle", orders=[row.order_id])
    leave = settings.documents.goods_leave_on == "waybill"
    if leave and run(connection, "complete", order_id=row.order_id).scalar_one():
        _goods_leave(connection, row, created.number, now)
    return "created"


def _not_kept(connection: Connection, row: sa.Row[Any], created: Created, now: datetime) -> str:
    stands = run(connection, "standing", waybill_id=row.waybill_id, number=created.number).one()
    if stands.number == created.number:
        return "created"  # an earlier try whose COMMIT was lost, or another who looked it up (F-22)
    detail = {"courier": stands.courier, "number": created.number, "waybill": stands.reference, "stands_as": stands.state}
    if stands.has_it:
        detail["belongs_to"] = stands.has_it
        due_at = now + LONGEST_RETRY
        run(connection, "taken", waybill_id=row.waybill_id, due_at=due_at)
    quarantine(connection, [(order_of(row), "number_taken" if stands.has_it else "waybill_strayed", detail)])
    return "strayed"


def _goods_leave(connection: Connection, row: sa.Row[Any], number: str, now: datetime) -> None:
    """The waybill stands whatever stock says: a number that a courier gave must not be lost with a movement."""
    try:
        with connection.begin_nested():
            issue_goods(connection, {row.order_id: f"waybill:{row.courier} {number}"}, now=now)
    except CloudSalesError as error:
        detail = {"courier": row.courier, "number": number, "what": error.message}
        quarantine(connection, [(order_of(row), "goods_not_issued", detail)])


def note_standing(connection: Connection, courier: str, outcome: Outcome, now: datetime) -> None:
    """Whether the courier answers: all its waybills wait while it does not, the longer the longer that lasts."""
    if outcome.kind not in ("away", "unclear"):
        run(connection, "answers", courier=courier)
        return
    values = {
        "pause": FIRST_PAUSE.total_seconds() if outcome.kind == "away" else 0,
        "until": _asked_for(outcome, now),
        "longest": LONGEST_PAUSE.total_seconds(),
        "reason": outcome.reason,
    }
    run(connection, "falter", courier=courier, now=now, **values)


def halted(settings: Settings) -> list[str]:
    """Channels for which rules issue nothing now: the kill switch."""
    return [name for name, channel in settings.channels.items() if not channel.documents.enabled]


def order_of(row: sa.Row[Any]) -> Order:
    """The order of a row, as quarantine names it."""
    return Order(row.order_id, row.channel, row.external_id, row.status)


def later(attempts: int, outcome: Outcome, now: datetime) -> datetime:
    """When to try one again: each pause is twice the last, and not before the courier said."""
    wait = min(FIRST_RETRY * int(2 ** min(max(attempts, 1) - 1, 10)), LONGEST_RETRY)
    return max(now + wait, _asked_for(outcome, now))


def _asked_for(outcome: Outcome, now: datetime) -> datetime:
    asked = outcome.retry_at
    return min(asked, now + LATEST_RETRY) if asked and asked.tzinfo else now


def run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    """A step of waybills.sql."""
    return connection.execute(sa.text(steps(__package__, "waybills")[step]), values)
