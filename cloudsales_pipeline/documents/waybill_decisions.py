"""A person's word on waybills: what is unclear was made or was not, a failed one is tried again, one is taken back.

What belongs here: these, and what a person must see for them. What does not: making them by themselves (`waybills`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents import labels, shipping, waybill_desk
from cloudsales_pipeline.documents.couriers.port import Courier, CourierError, Created
from cloudsales_pipeline.documents.couriers.rounds import Open, opened
from cloudsales_pipeline.documents.standing import locked, locked_one
from cloudsales_pipeline.errors import InputError, RefusedError, SettingsError
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.outbox.files import File, read_file
from cloudsales_pipeline.settings import Settings

STATES = (
    "intended", "creating", "created", "unknown", "failed", "cancelled", "shipped", "in_locker", "delivered", "returned", "lost",
)  # fmt: skip
SHIPPABLE = ("new", "paid", "issued")


def list_waybills(engine: Engine, state: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Waybills without their buyers: what needs a person first, then the newest.

    Raises:
        InputError: there is no such state.
    """
    if state is not None and state not in STATES:
        raise InputError(f"There is no state {state}.", next_step=f"one of {', '.join(STATES)}")
    with engine.connect() as connection:
        return [dict(row) for row in _run(connection, "list", state=state, limit=limit).mappings()]


def show_waybill(engine: Engine, name: str) -> dict[str, Any]:
    """All that is known of one, by our reference or its number, with what happened to its parcel.

    Raises:
        InputError: there is none, or several couriers have that number.
    """
    with engine.connect() as connection:
        found = _find(connection, name)
        return dict(_run(connection, "show", waybill_id=found.waybill_id).mappings().one())


def label_of(
    engine: Engine, settings: Settings, couriers: Open | Mapping[str, Courier], name: str, *, now: datetime | None = None
) -> File:
    """Its label; asked for at the courier where it has not come yet.

    Raises:
        InputError: there is no such waybill, or it is not made.
        RefusedError: the courier gives none, or it was erased with its order.
    """
    file = _label(engine, name)
    if file is None:
        with engine.begin() as connection:
            labels.ask_again(connection, _find(connection, name).waybill_id, now or datetime.now(UTC))
        labels.fetch_due(engine, settings, couriers, now=now)
        file = _label(engine, name)
    if file is None:
        raise RefusedError(f"There is no label of {name} yet.", next_step="see cloudsales quarantine list --stage documents")
    return file


def _label(engine: Engine, name: str) -> File | None:
    with engine.connect() as connection:
        found = _find(connection, name)
        if found.number is None:
            raise InputError(f"{name} is {found.state}: it has no label.", next_step="see cloudsales waybills show")
        file_id = _run(connection, "label", waybill_id=found.waybill_id).scalar_one()
        file = None if file_id is None else read_file(connection, file_id)
    if file_id is not None and file is None:
        raise RefusedError(f"The label of {name} was erased with its order's people.")
    return file


def cancel(
    engine: Engine, settings: Settings, couriers: Open | Mapping[str, Courier], name: str, *, now: datetime | None = None
) -> str:
    """Take a waybill back, at the courier too where it has it; what was done, in words. Rules intend no other for the order.

    Raises:
        InputError: there is no such waybill.
        RefusedError: it is unclear, has failed, or is on its way; nothing was changed.
        CourierError: the courier did not say; do it again.
        SettingsError: the courier can't be used.
    """
    moment = now or datetime.now(UTC)
    with engine.connect() as connection:
        found = _find(connection, name)
    if found.state == "cancelled":
        return f"{name} was cancelled before"
    if found.state == "intended":
        return _drop(engine, found, moment)
    if found.state != "created":
        raise RefusedError(f"{name} is {found.state} and can't be cancelled.", next_step="see cloudsales waybills show")
    outcome = _taken_back(settings, couriers, found)
    if outcome.kind == "refused":
        raise RefusedError(f"{found.courier} does not take {name} back: {outcome.what}")
    if outcome.kind != "absent":
        raise CourierError(f"{found.courier} did not say whether {name} is cancelled: {outcome.what}", next_step="do it again")

    def work(connection: Connection) -> None:
        locked(connection, [found.order_id])
        waybill_desk.run(connection, "cancelled", waybill_id=found.waybill_id, reason="by_hand", now=moment)

    order_work(engine, work, doing="cancel a waybill")
    return f"{name} is cancelled at {found.courier}"


def _taken_back(settings: Settings, couriers: Open | Mapping[str, Courier], found: sa.Row[Any]) -> shipping.Outcome:
    with opened(settings, couriers) as ways:
        courier = ways.get(found.courier)
        if courier is None:
            raise SettingsError(ways.complaints[found.courier])
        return shipping.cancel(courier, found.number)


def _drop(engine: Engine, found: sa.Row[Any], now: datetime) -> str:
    def work(connection: Connection) -> str:
        if _run(connection, "dropped", waybill_id=found.waybill_id, now=now).one_or_none() is None:
            raise RefusedError(f"{found.reference} is being made at this moment.", next_step="do it again")
        return f"{found.reference} is cancelled; no courier had been called"

    return order_work(engine, work, doing="cancel a waybill")


def decide_created(engine: Engine, settings: Settings, reference: str, number: str, *, now: datetime | None = None) -> None:
    """An unclear waybill exists at the courier under this number: a person has looked. All follows as if we had been told.

    Raises:
        InputError: there is no such waybill, or this is no number.
        RefusedError: it is not unclear, or another waybill has the number.
    """
    if not shipping.NUMBER.fullmatch(number):
        raise InputError("That is no waybill's number.", next_step="up to 60 letters, figures, dots, dashes")

    def work(connection: Connection) -> None:
        found = _unclear(connection, reference)
        kept = waybill_desk.keep(connection, settings, found, Created(number=number), now or datetime.now(UTC))
        if kept != "created":
            raise RefusedError(f"Another waybill of {found.courier} has the number {number}.")

    order_work(engine, work, doing="decide on a waybill")


def decide_failed(engine: Engine, reference: str, *, now: datetime | None = None) -> None:
    """An unclear waybill surely does not exist: a person has looked. `retry` asks for it again.

    Raises:
        InputError: there is no such waybill.
        RefusedError: it is not unclear.
    """

    def work(connection: Connection) -> None:
        found = _unclear(connection, reference)
        _run(connection, "said_failed", waybill_id=found.waybill_id, now=now or datetime.now(UTC))

    order_work(engine, work, doing="decide on a waybill")


def retry(engine: Engine, reference: str, *, now: datetime | None = None) -> None:
    """A failed waybill is due again, under the same reference, with its buyer as the order says today.

    Raises:
        InputError: there is no such waybill.
        RefusedError: it has not failed, its order is closed, or its parcel has another one.
    """

    def work(connection: Connection) -> None:
        found = _find(connection, reference)
        order = locked_one(connection, found.channel, found.external_id)
        if order.status not in SHIPPABLE:
            raise RefusedError(f"Order {order.external_id} of {order.channel} is {order.status}.")
        if _run(connection, "retry", waybill_id=found.waybill_id, now=now or datetime.now(UTC)).one_or_none() is None:
            raise RefusedError(
                f"{reference} is {found.state}, or its parcel has another waybill.", next_step="see cloudsales waybills list"
            )
        waybill_desk.run(connection, "settle", orders=[found.order_id])

    order_work(engine, work, doing="retry a waybill")


def _unclear(connection: Connection, reference: str) -> sa.Row[Any]:
    found = _find(connection, reference)
    locked(connection, [found.order_id])
    found = _find(connection, reference)
    if found.state != "unknown":
        raise RefusedError(f"{reference} is {found.state}; only an unknown one is decided on.")
    return found


def _find(connection: Connection, name: str) -> sa.Row[Any]:
    rows = _run(connection, "find", name=name.strip()).all()
    if not rows:
        raise InputError(f"There is no waybill {name}.", next_step="see cloudsales waybills list")
    if len(rows) > 1:
        which = ", ".join(row.reference for row in rows)
        raise InputError(f"There are several waybills {name}.", next_step=f"name one by its reference: {which}")
    return rows[0]


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "waybill_decisions")[step]), values)
