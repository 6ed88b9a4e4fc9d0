"""Serving who waits: when pieces become free, the oldest waiting lines get them first, in the transaction that freed them.

What belongs here: finding waiting lines and giving them what there is, also where a line's product became known. What does not:
where pieces come from. Whoever adds to stock (a receipt, a count, a return, a cancellation) calls `serve` behind it, in its
transaction; `serve_all` heals what nobody served, and serves the orders that take all or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.orders.allocation import Pair, Share, Want, allocate, pairs_of
from cloudsales_pipeline.orders.products import Asked, products_of
from cloudsales_pipeline.orders.reading import held_reference
from cloudsales_pipeline.orders.states import OPEN, Status
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.orders.writing import Told, tell
from cloudsales_pipeline.stock.reservations import Demand, hold, lock_levels

MOST_LINES = 100_000
PAIRS_AT_ONCE = 500
ORDERS_AT_ONCE = 200
LOOKED_AT_ONCE = 2_000
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def serve(connection: Connection, freed: Iterable[Pair]) -> int:
    """Give what is free in these places to the lines that wait for it, the oldest order first; how many pieces.

    In the caller's transaction, so that a channel is never shown a piece that somebody waits for. Orders that take all or
    nothing are served by `serve_all` alone: they need places that are not locked here.
    """
    places = sorted(set(freed))
    if not places:
        return 0
    levels = lock_levels(connection, places)
    free = {pair: one.on_hand - one.reserved for pair, one in levels.items()}
    pieces = 0
    while wants := waiting_wants(connection, free):
        shares = allocate(free, wants)
        got = hold_shares(connection, shares)
        tell(
            connection,
            "",
            [Told("line_served", want.owner, want.product_id, got[want.owner]) for want in wants if got[want.owner]],
        )
        pieces += sum(got.values())
        for one in shares:
            free[one.product_id, one.warehouse] -= one.quantity
        if len(wants) < MOST_LINES or not shares:
            break  # all who can get something were among them
    return pieces


def serve_all(engine: Engine) -> int:
    """Serve all that can be served now, a transaction for each few hundred places; how many pieces."""
    pieces, behind = 0, (LONG_AGO, 0, "")
    while rows := _free_places(engine, behind):
        places = [(row.product_id, row.warehouse) for row in rows]
        pieces += order_work(engine, lambda connection, some=places: serve(connection, some), doing="serve waiting lines")  # type: ignore[misc]
        # Behind these, whether or not they gave anything: others may have been faster, and the next are waited for as well.
        behind = (rows[-1].since, rows[-1].product_id, rows[-1].warehouse)
    return pieces + _serve_whole_orders(engine)


def waiting_wants(connection: Connection, free: Mapping[Pair, int]) -> list[Want]:
    """Who gets something of these free pieces, locked, as wants of these places alone; not orders that take all or nothing.

    All of them, the oldest first, and at most `MOST_LINES`: where there are as many, there may be more.
    """
    places = sorted(pair for pair, pieces in free.items() if pieces > 0)
    if not places:
        return []
    total: Counter[int] = Counter()
    for product, warehouse in places:
        total[product] += free[product, warehouse]
    facts = {
        "products": [product for product, _ in places],
        "warehouses": [warehouse for _, warehouse in places],
        "most": [total[product] for product, _ in places],
    }
    rows = connection.execute(sa.text(steps(__package__, "intake")["waiting"]), {**facts, "limit": MOST_LINES}).all()
    known = set(places)
    return [
        Want(
            row.owner,
            row.reference,
            row.position,
            row.product_id,
            row.waiting,
            tuple(name for name in row.warehouses if (row.product_id, name) in known),
            row.placed_at,
        )
        for row in rows
    ]


def hold_shares(connection: Connection, shares: Sequence[Share]) -> Counter[str]:
    """Reserve these shares; how many pieces each owner got."""
    hold(connection, [Demand(one.owner, one.product_id, one.warehouse, one.quantity, one.placed_at) for one in shares])
    got: Counter[str] = Counter()
    for share in shares:
        got[share.owner] += share.quantity
    return got


def resolve_unknown_lines(engine: Engine, channel: str) -> int:
    """Give the channel's lines without a product the one that is known for them by now, and their place in the queue (I-19).

    Returns:
        How many lines found their product.
    """
    known: dict[Asked, int] = {}
    found: set[int] = set()
    with engine.connect() as connection:
        for rows, products in unknown_lines(connection, channel):
            known |= products
            found |= {row.order_id for row in rows if _asked(row) in products}
    orders = sorted(found)
    named = 0
    for start in range(0, len(orders), ORDERS_AT_ONCE):
        some = orders[start : start + ORDERS_AT_ONCE]
        named += order_work(
            engine,
            lambda connection, some=some: _name_lines(connection, channel, some, known),  # type: ignore[misc]
            doing="give lines their products",
        )
    return named


def unknown_lines(connection: Connection, channel: str) -> Iterator[tuple[Sequence[Any], dict[Asked, int]]]:
    """The channel's waiting lines without a product, some thousand at a time, and the products that are known for them by now.

    By their links and by their codes: a code that is added links nothing, and no listing may ever have had it.
    """
    after = 0
    while rows := _rows(connection, "unknown", channel=channel, after=after, limit=LOOKED_AT_ONCE):
        found = products_of(connection, channel, {_asked(row) for row in rows})
        yield rows, {asked: product for asked, product in found.items() if isinstance(product, int)}
        after = rows[-1].line_id


def _asked(row: Any) -> Asked:
    return Asked(row.variant_id, row.code, row.ean)


def _name_lines(connection: Connection, channel: str, orders: list[int], known: Mapping[Asked, int]) -> int:
    heads = {row.order_id: row for row in _rows(connection, "lock_orders", orders=orders)}
    lines = [
        (row, known[_asked(row)])
        for row in _rows(connection, "lines", orders=orders)
        if row.product_id is None and _asked(row) in known
    ]
    wants = [_want(row, product, heads[row.order_id]) for row, product in lines]
    levels = lock_levels(connection, pairs_of(wants)) if wants else {}
    _rows_changed(connection, "name", lines=[row.line_id for row, _ in lines], products=[product for _, product in lines])
    references = [held_reference(heads[row.order_id].external_id, row.external_line_id) for row, _ in lines]
    connection.execute(sa.text(steps(__package__, "intake")["settle"]), {"channel": channel, "references": references})
    partial = [want for want in wants if not want.whole]
    got = hold_shares(connection, allocate({pair: one.on_hand - one.reserved for pair, one in levels.items()}, partial))
    tell(connection, channel, [told for want in wants for told in _told(want, got[want.owner])])
    return len(lines)


def _told(want: Want, got: int) -> list[Told]:
    told = [Told("line_known", want.owner, want.product_id, want.quantity)]
    if got < want.quantity:
        told.append(Told("line_waiting", want.owner, want.product_id, want.quantity - got))
    return told


def _want(row: Any, product: int, head: Any) -> Want:
    reference = f"{head.channel}/{head.external_id}"
    return Want(row.owner, reference, row.position, product, row.waiting, tuple(head.warehouses), head.placed_at, head.whole)


def _free_places(engine: Engine, behind: tuple[datetime, int, str]) -> Sequence[sa.Row[Any]]:
    since, product, warehouse = behind
    facts = {"since": since, "product": product, "warehouse": warehouse, "limit": PAIRS_AT_ONCE}
    with engine.connect() as connection:
        return _rows(connection, "free", **facts)


def _serve_whole_orders(engine: Engine) -> int:
    pieces = 0
    after, after_id = LONG_AGO, 0
    while True:
        with engine.connect() as connection:
            rows = _rows(connection, "whole", limit=ORDERS_AT_ONCE, after=after, after_id=after_id)
        if not rows:
            return pieces
        after, after_id = rows[-1].placed_at, rows[-1].order_id
        some = [row.order_id for row in rows]
        pieces += order_work(engine, lambda connection, some=some: _serve_orders(connection, some), doing="serve whole orders")  # type: ignore[misc]


def _serve_orders(connection: Connection, orders: list[int]) -> int:
    heads = {row.order_id: row for row in _rows(connection, "lock_orders", orders=orders)}
    if not (places := pairs_of(_waiting_of(connection, heads)[0])):
        return 0
    levels = lock_levels(connection, places)
    # Read again: a count may have taken pieces back until the levels were ours, and half an order would be served.
    wants, incomplete = _waiting_of(connection, heads)
    free = {pair: one.on_hand - one.reserved for pair, one in levels.items()}
    got = hold_shares(connection, allocate(free, wants, incomplete=incomplete))
    _tell_served(connection, wants, got)
    return sum(got.values())


def _tell_served(connection: Connection, wants: Sequence[Want], got: Counter[str]) -> None:
    served = [want for want in wants if got[want.owner]]
    tell(connection, "", [Told("line_served", want.owner, want.product_id, got[want.owner]) for want in served])


def _waiting_of(connection: Connection, heads: Mapping[int, Any]) -> tuple[list[Want], frozenset[str]]:
    """What locked orders wait for, and which of them wait for something that has no product."""
    lines = [row for row in _rows(connection, "lines", orders=list(heads)) if Status(heads[row.order_id].status) in OPEN]
    incomplete = frozenset(_want(row, 0, heads[row.order_id]).order for row in lines if row.product_id is None)
    return [_want(row, row.product_id, heads[row.order_id]) for row in lines if row.product_id is not None], incomplete


def _rows(connection: Connection, step: str, **values: object) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.text(steps(__package__, "serving")[step]), values).all()


def _rows_changed(connection: Connection, step: str, **values: object) -> None:
    connection.execute(sa.text(steps(__package__, "serving")[step]), values)
