"""What is held of a person, given out or taken away (docs/privacy.md). Everything of people lies in the schema personal.

An order is the person's where its buyer or one of its addresses names the e-mail or the phone. Payloads are looked through
whole, for what could not be read, and earlier revisions, name people too. That is a look at every payload: a rare request may
cost it.

What belongs here: finding, export and erasure. What does not: how a person is written (`people`), and what keeps an erased order
erased when it comes again (`intake`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders.people import Person, text_of
from cloudsales_pipeline.orders.reading import unpack
from cloudsales_pipeline.orders.states import OPEN, Status
from cloudsales_pipeline.orders.units import order_work

AT_ONCE = 500


class Erased(Struct, frozen=True):
    """How much was erased, or would be: orders whose people are gone, notes of other orders, payloads, and messages.

    Args:
        unread: payloads that name the person and are not taken in yet: import, then erase again.
        messages: those to the person and those about the person's orders, with their files.
    """

    orders: int
    notes: int
    payloads: int
    unread: int
    messages: int = 0


class _Found(Struct, frozen=True):
    orders: list[int]
    open_orders: int
    notes: list[sa.Row[Any]]
    payloads: list[int]
    messages: list[int]


def export(engine: Engine, who: Person) -> dict[str, Any]:
    """Everything held of the person, as it can be written as JSON; money as text, so that no cent is lost.

    Returns:
        orders: with buyer, lines and discounts; mentions: notes of other people's orders that name the person; payloads: as the
        channel sent them, the text left out where it is another person's order; waybills: of the orders' parcels; messages: to
        the person or about the orders.
    """
    with engine.begin() as connection:
        found = _find(connection, who)
        orders = _rows(connection, "export_orders", orders=found.orders)
        payloads = _rows(connection, "export_payloads", orders=found.orders, payloads=found.payloads)
        waybills = _rows(connection, "export_waybills", orders=found.orders)
        messages = _rows(connection, "export_messages", pattern=who.pattern, messages=found.messages)
        return {
            "orders": [json.loads(row.found, parse_float=str) for row in orders],
            "mentions": [{"channel": row.channel, "id": row.id, "note": row.note} for row in found.notes],
            "payloads": [
                row._asdict() | {"payload": None if row.payload is None else _text(row.payload, escaped=True)} for row in payloads
            ],
            "waybills": [row._asdict() for row in waybills],
            "messages": [row._asdict() for row in messages],
        }


def erase(engine: Engine, who: Person, *, open_orders: bool = False, dry_run: bool = False) -> Erased:
    """Take away everything held of the person; again, it changes nothing (I-49). An event keeps the counts, and nobody's name.

    The order itself, its lines and figures stay: they are the shop's books. When the channel sends the order again, its state is
    taken in and its people are not.

    Args:
        open_orders: also of orders that still hold or await stock, which then nobody can deliver.
        dry_run: count alone.

    Raises:
        RefusedError: some of the orders are open; nothing was erased.
    """

    def work(connection: Connection) -> Erased:
        found = _find(connection, who)
        if found.open_orders and not open_orders and not dry_run:
            raise RefusedError(
                f"{found.open_orders} of the person's orders are open: they can't be delivered then. Nothing was erased.",
                next_step="issue or cancel them, or erase with --open-orders too",
            )
        erased = _erase(connection, found)
        if dry_run:
            connection.rollback()
        return erased

    erased = order_work(engine, work, doing="erase a person's data")
    if not dry_run:
        _sweep(engine)
    return erased


def _sweep(engine: Engine) -> None:
    """Rows that are no more, and the planner's samples of them, hold the texts still: have them overwritten.

    Also when nothing was erased now: the time before may have been cut off before it came to this.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "vacuum (analyze) personal.buyer, personal.order_payload, personal.message, personal.stored_file"
        )


def _erase(connection: Connection, found: _Found) -> Erased:
    orders, payloads = found.orders, found.payloads
    erased = Erased(
        orders=_run(connection, "erase_buyers", orders=orders).rowcount,
        notes=_run(connection, "erase_notes", orders=[row.order_id for row in found.notes]).rowcount,
        payloads=_run(connection, "erase_payloads", orders=orders, payloads=payloads).rowcount,
        unread=_run(connection, "unread", orders=orders, payloads=payloads).scalar_one(),
        messages=_run(connection, "erase_messages", messages=found.messages).rowcount,
    )
    _run(connection, "erase_files", messages=found.messages, orders=orders)
    if erased.orders or erased.notes or erased.payloads or erased.messages:
        counts = {"notes": erased.notes, "payloads": erased.payloads, "messages": erased.messages}
        _run(connection, "tell", buyers=erased.orders, **counts)
    return erased


def _find(connection: Connection, who: Person) -> _Found:
    # Payloads first: one that is taken in meanwhile has its order in what is looked at next.
    payloads = list(_payloads(connection, who))
    rows = _rows(connection, "orders", pattern=who.pattern)
    orders = [row.order_id for row in rows]
    notes = _rows(connection, "notes", pattern=who.pattern, orders=orders)
    messages = [row.message_id for row in _rows(connection, "messages", pattern=who.pattern, orders=orders)]
    return _Found(orders, sum(Status(row.status) in OPEN for row in rows), list(notes), payloads, messages)


def _payloads(connection: Connection, who: Person) -> Iterator[int]:
    after = 0
    while rows := _rows(connection, "payloads", after=after, limit=AT_ONCE):
        after = rows[-1].payload_id
        yield from (row.payload_id for row in rows if who.is_in(_text(row.payload)))


def _text(stored: bytes, *, escaped: bool = False) -> str:
    """A stored payload as text, with its escapes where it is `escaped`; a damaged one as far as it is text as it lies there."""
    try:
        payload = unpack(stored)
    except PayloadError:
        payload = stored
    return payload.decode("utf-8", "replace") if escaped else text_of(payload)


def _rows(connection: Connection, step: str, **values: object) -> Sequence[sa.Row[Any]]:
    return _run(connection, step, **values).all()


def _run(connection: Connection, step: str, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "privacy")[step]), values)
