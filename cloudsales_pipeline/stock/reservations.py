"""Reservations: pieces that orders hold. Made first come, first served, over a batch; ended once; displaced newest first.

What belongs here: the rows of `reservation`. What does not: orders and what of them waits (the orders stage), and `reserved`
of a level, which the database moves in the statement that writes a reservation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import copy_rows, steps

Pair = tuple[int, str]
"""A product's id and a warehouse."""


@dataclass(frozen=True)
class Level:
    """What is on hand and reserved, in pieces."""

    on_hand: int
    reserved: int


@dataclass(frozen=True)
class Demand:
    """What an order's line asks for: `owner` is its business key, `placed_at` (aware) decides who comes first."""

    owner: str
    product_id: int
    warehouse: str
    quantity: int
    placed_at: datetime


def lock_levels(connection: Connection, pairs: Iterable[Pair]) -> dict[Pair, Level]:
    """Lock the levels of these pairs until the transaction ends, in the order that everybody keeps (F-21), and give them."""
    wanted = sorted(pairs)
    rows = connection.execute(
        sa.text("select * from cloudsales.lock_levels(:products, :warehouses)"),
        {"products": [product for product, _ in wanted], "warehouses": [warehouse for _, warehouse in wanted]},
    ).all()
    return {(row.product_id, row.warehouse): Level(row.on_hand, row.reserved) for row in rows}


def reserve(connection: Connection, demands: Sequence[Demand]) -> list[int]:
    """Hold what there is for each demand, the earliest placed first; how many pieces each got, in the order given.

    A demand that can't be served whole gets what is left; the rest is the caller's to have waiting (I-15). Repeating a
    demand holds again: who calls knows what is held (`held_by`).
    """
    levels = lock_levels(connection, {(demand.product_id, demand.warehouse) for demand in demands})
    free = {pair: level.on_hand - level.reserved for pair, level in levels.items()}
    given = [0] * len(demands)
    order = sorted(range(len(demands)), key=lambda place: (demands[place].placed_at, demands[place].owner, place))
    for place in order:
        pair = demands[place].product_id, demands[place].warehouse
        given[place] = min(demands[place].quantity, free[pair])
        free[pair] -= given[place]
    hold(connection, [replace(demands[place], quantity=given[place]) for place in order if given[place] > 0])
    return given


def hold(connection: Connection, demands: Sequence[Demand]) -> None:
    """Hold exactly these pieces, in one statement; who calls has locked the levels and knows that they are free.

    Raises:
        sqlalchemy.exc.IntegrityError: they are not (I-06); nothing is held.
    """
    if not demands:
        return
    copy_rows(
        connection,
        "copy cloudsales.reservation (owner, product_id, warehouse, quantity, placed_at) from stdin",
        ((one.owner, one.product_id, one.warehouse, one.quantity, one.placed_at) for one in demands),
    )


def held_by(connection: Connection, owners: Sequence[str]) -> dict[str, int]:
    """How many pieces each of these owners holds now; those that hold none are left out."""
    rows = connection.execute(sa.text(steps(__package__, "reservations")["held"]), {"owners": list(owners)}).all()
    return {row.owner: row.quantity for row in rows}


def release(connection: Connection, owners: Sequence[str]) -> dict[str, int]:
    """Give back all that these owners hold; how many pieces each gave. Again, it changes nothing (I-16, I-17)."""
    lock_levels(connection, _pairs_of(connection, owners))
    rows = connection.execute(sa.text(steps(__package__, "reservations")["release"]), {"owners": list(owners)}).all()
    given: Counter[str] = Counter()
    for row in rows:
        given[row.owner] += row.quantity
    return dict(given)


def give_back(connection: Connection, pieces: Mapping[str, int]) -> dict[Pair, int]:
    """Give back these many pieces of each owner, what it held last first; how many became free where.

    The levels must be locked. An owner that holds fewer gives back what it has.
    """
    wanted = {owner: quantity for owner, quantity in pieces.items() if quantity > 0}
    if not wanted:
        return {}
    queries = steps(__package__, "reservations")
    rows = connection.execute(sa.text(queries["give_back"]), {"owners": list(wanted), "quantities": list(wanted.values())}).all()
    facts = {"ids": [row.reservation_id for row in rows], "taken": [row.taken for row in rows]}
    connection.execute(sa.text(queries["keep_the_rest"]), facts)
    freed: Counter[Pair] = Counter()
    for row in rows:
        freed[row.product_id, row.warehouse] += row.taken
    return dict(freed)


def _pairs_of(connection: Connection, owners: Sequence[str]) -> set[Pair]:
    rows = connection.execute(sa.text(steps(__package__, "reservations")["pairs"]), {"owners": list(owners)}).all()
    return {(row.product_id, row.warehouse) for row in rows}


def displace(connection: Connection, pieces: Mapping[Pair, int]) -> int:
    """Take these many pieces back from reservations, the newest first; an event says which owner lost how many (I-07).

    The pairs' levels must be locked. Returns how many pieces were taken.
    """
    wanted = [(product, warehouse, quantity) for (product, warehouse), quantity in sorted(pieces.items()) if quantity > 0]
    if not wanted:
        return 0
    queries = steps(__package__, "reservations")
    values = {
        "products": [product for product, _, _ in wanted],
        "warehouses": [warehouse for _, warehouse, _ in wanted],
        "quantities": [quantity for _, _, quantity in wanted],
    }
    rows = connection.execute(sa.text(queries["displace"]), values).all()
    facts = {
        "ids": [row.reservation_id for row in rows],
        "taken": [row.taken for row in rows],
    }
    connection.execute(sa.text(queries["keep_the_rest"]), facts)
    connection.execute(sa.text(queries["tell"]), facts)
    return sum(row.taken for row in rows)
