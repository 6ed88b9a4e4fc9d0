"""What a batch of read orders means for the tables: each order's transition, and its lines after it.

Locks are taken here, in the one order that all who touch orders keep: orders by id, then levels by (product, warehouse), then
lines; so two batches never wait for each other in a circle (F-21).

What belongs here: looking up and deciding. What does not: what a revision changes in lines (`amending`), and writing anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.engine import Connection

from cloudsales_pipeline.channels.port import ChannelOrder, ChannelOrderStatus, OrderLine
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.orders import amending, reading
from cloudsales_pipeline.orders.allocation import Pair, Want
from cloudsales_pipeline.orders.amending import Change, Line
from cloudsales_pipeline.orders.products import Asked, products_of
from cloudsales_pipeline.orders.reading import Read, reference_of
from cloudsales_pipeline.orders.states import OPEN, Status, after, said
from cloudsales_pipeline.orders.writing import OrderRow
from cloudsales_pipeline.settings import ChannelSettings
from cloudsales_pipeline.stock.reservations import lock_levels

REVIVED = "revived"


class Known(Struct, frozen=True):
    """An order that is in the tables."""

    order_id: int
    revision: int
    status: Status
    frozen: bool
    whole: bool
    warehouses: tuple[str, ...]
    placed_at: datetime
    review: tuple[str, ...]


class Decided(Struct, frozen=True):
    """An order after its transition: its row, what changes in its lines, and all lines as they are then."""

    row: OrderRow
    known: Known | None
    changes: tuple[Change, ...]
    lines: tuple[Line, ...]


class Decision(Struct, frozen=True):
    """A batch decided; `free` are the pieces that nobody holds, of all that it may take from, locked."""

    known: dict[str, Known]
    decided: tuple[Decided, ...]
    free: dict[Pair, int]


def decide(connection: Connection, channel: str, settings: ChannelSettings, newest: Sequence[Read]) -> Decision:
    """Lock and decide: orders that are known with the same or a higher revision are not among `decided` (I-18)."""
    known = _known(connection, channel, [one.external_id for one in newest])
    due = [
        (one, one.order)
        for one in newest
        if one.order and (one.external_id not in known or one.revision > known[one.external_id].revision)
    ]
    there = [known[one.external_id] for one, _ in due if one.external_id in known]
    products = products_of(connection, channel, {_asked(line) for _, order in due for line in order.lines})
    fresh = {one.external_id: _fresh(channel, order, products) for one, order in due}
    free = _lock(connection, settings.order_warehouses(), list(fresh.values()), there)
    before = _lines(connection, [one.order_id for one in there])
    ids = iter(_new_ids(connection, len(due) - len(there)))
    decided = [
        _decided(one, order, known.get(one.external_id), fresh[one.external_id], before, ids, settings) for one, order in due
    ]
    return Decision(known, tuple(decided), free)


def wants_of(channel: str, one: Decided) -> list[Want]:
    """What an order asks for: of its changed lines, or of all where it takes all or nothing."""
    if Status(one.row.status) not in OPEN:
        return []
    order, row = one.row.order, one.row
    lines = one.lines if row.whole else [change.line for change in one.changes]
    reference = reference_of(channel, order.order_id)
    return [
        Want(line.owner, reference, line.position, line.product_id, line.missing, row.warehouses, order.placed_at, row.whole)
        for line in lines
        if line.product_id is not None and line.missing > 0
    ]


def is_complete(one: Decided) -> bool:
    """Whether every line that is wanted has a product."""
    return all(line.product_id is not None or line.missing == 0 for line in one.lines)


def _known(connection: Connection, channel: str, ids: list[str]) -> dict[str, Known]:
    rows = _rows(connection, "known", channel=channel, ids=ids)
    return {
        row.external_id: Known(
            row.order_id,
            row.revision,
            Status(row.status),
            row.frozen,
            row.whole,
            tuple(row.warehouses),
            row.placed_at,
            tuple(row.review),
        )
        for row in rows
    }


def _fresh(channel: str, order: ChannelOrder, products: dict[Asked, int | str]) -> dict[str, Line]:
    of_line = {line.line_id: products[_asked(line)] for line in order.lines}
    found = {line_id: product for line_id, product in of_line.items() if isinstance(product, int)}
    missing = {line_id: why for line_id, why in of_line.items() if isinstance(why, str)}
    return reading.fresh_lines(channel, order, found, missing)


def _lock(
    connection: Connection, warehouses: tuple[str, ...], fresh: Sequence[dict[str, Line]], there: Sequence[Known]
) -> dict[Pair, int]:
    """Lock the levels of all that the batch may take or give back, in one go; how many pieces are free in each."""
    places = {*warehouses, *(name for one in there for name in one.warehouses)}
    products = {line.product_id for lines in fresh for line in lines.values() if line.product_id is not None}
    pairs = set()
    if there:
        lines = _rows(connection, "lines", orders=[one.order_id for one in there])
        products |= {line.product_id for line in lines if line.product_id is not None}
        held = _rows(connection, "held_pairs", owners=[line.owner for line in lines])
        pairs = {(row.product_id, row.warehouse) for row in held}
    pairs |= {(product, name) for product in products for name in places}
    levels = lock_levels(connection, pairs) if pairs else {}
    return {pair: level.on_hand - level.reserved for pair, level in levels.items()}


def _lines(connection: Connection, order_ids: list[int]) -> dict[int, list[Line]]:
    """The lines of known orders, as they stand now that nobody else can change them."""
    found: dict[int, list[Line]] = {order_id: [] for order_id in order_ids}
    if order_ids:
        for row in _rows(connection, "lines", orders=order_ids):
            values = row._asdict()
            found[values.pop("order_id")].append(Line(**values))
    return found


def _new_ids(connection: Connection, count: int) -> list[int]:
    return [row[0] for row in _rows(connection, "next_orders", count=count)] if count else []


def _decided(
    one: Read,
    order: ChannelOrder,
    known: Known | None,
    fresh: dict[str, Line],
    before: dict[int, list[Line]],
    ids: Iterator[int],
    settings: ChannelSettings,
) -> Decided:
    status = after(known.status if known else None, said(order.status))
    assert status is not None  # the table has every word of a channel for every status: a test walks it
    lines = before[known.order_id] if known else []
    if known:
        order = replace(order, placed_at=known.placed_at)  # its place in the queue: no revision moves it, forward or back
    changes, review = _amended(lines, order, known, status, fresh)
    row = OrderRow(
        order_id=known.order_id if known else next(ids),
        order=order,
        status=status.value,
        review=sorted(one.review | review),
        county=one.county,
        expected_total=one.expected_total,
        whole=known.whole if known else settings.orders.policy == "whole",
        warehouses=known.warehouses if known else settings.order_warehouses(),
    )
    return Decided(row, known, changes, _lines_after(lines, changes))


def _lines_after(lines: Sequence[Line], changes: Sequence[Change]) -> tuple[Line, ...]:
    standing = {line.external_line_id: line for line in lines}
    return tuple((standing | {change.line.external_line_id: change.line for change in changes}).values())


def _amended(
    lines: Sequence[Line], order: ChannelOrder, known: Known | None, status: Status, fresh: dict[str, Line]
) -> tuple[tuple[Change, ...], frozenset[str]]:
    """What the revision changes in the order's lines, and why a person should look."""
    if known is None:
        if status in OPEN:
            return tuple(Change(line, 0) for line in fresh.values()), frozenset()
        return amending.cancel_all(list(fresh.values())).changes, frozenset()
    if status in OPEN:
        amended = amending.amend(lines, order.lines, fresh, frozen=known.frozen)
        return amended.changes, amended.review
    if status is Status.ISSUED:
        amended = amending.amend(lines, order.lines, fresh, frozen=True)
        return amended.changes, frozenset({amending.CHANGED_AFTER_ISSUE}) if amended.review else frozenset()
    return _ended(lines, order, known, status)


def _ended(lines: Sequence[Line], order: ChannelOrder, known: Known, status: Status) -> tuple[tuple[Change, ...], frozenset[str]]:
    """Of an order that wants nothing more: what it holds goes back, and what the channel says comes back is noted."""
    review = set()
    lives = order.status in (ChannelOrderStatus.NEW, ChannelOrderStatus.PAID) and status is not Status.EXPIRED
    # Until a person looked, or the channel agrees: a return of what was never sent settles nothing.
    unsettled = REVIVED in known.review and order.status is not ChannelOrderStatus.CANCELLED
    if lives or unsettled:
        review.add(REVIVED)
    if status is Status.CANCELLED and any(line.issued for line in lines):
        review.add("cancelled_after_issue")
    advised = {line.line_id: line.returned for line in order.lines}
    told = [replace(line, advised=advised.get(line.external_line_id, line.advised)) for line in lines]
    changes = {change.line.external_line_id: change for change in amending.cancel_all(told).changes}
    for line, was in zip(told, lines, strict=True):
        if line != was:
            changes.setdefault(line.external_line_id, Change(line, 0))
    return tuple(changes.values()), frozenset(review)


def _asked(line: OrderLine) -> Asked:
    return Asked(line.variant_id, line.code, line.ean)


def _rows(connection: Connection, step: str, **values: object) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.text(steps(__package__, "intake")[step]), values).all()
