"""An order as it stands, locked: what all that happens to it begins with.

Locks are taken in the one order that everybody keeps: orders by (channel, id), then levels by (product, warehouse), then lines.

What belongs here: locking and reading an order, and the words for what may not be. What does not: what happens to it (`life`,
`returns`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders.reading import reference_of
from cloudsales_pipeline.orders.states import Happening, Status, after
from cloudsales_pipeline.stock.reservations import lock_levels


class Head(Struct, frozen=True):
    """An order without its lines."""

    order_id: int
    channel: str
    external_id: str
    status: str
    review: tuple[str, ...]
    warehouses: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Its business key in events."""
        return reference_of(self.channel, self.external_id)

    @property
    def words(self) -> str:
        """What it is called in a message."""
        return f"order {self.external_id} of {self.channel}"


class Outcome(Struct, frozen=True):
    """What became of it. changed False: it was so already, and nothing was done. served: pieces that others got by it."""

    changed: bool
    status: str
    pieces: int = 0
    served: int = 0
    note: str = ""


def lock_order(connection: Connection, channel: str, external_id: str) -> Head:
    """The order, locked until the transaction ends.

    Raises:
        InputError: there is none.
    """
    found = heads_of(run(connection, "lock", channel=channel, external_id=external_id).all())
    if not found:
        raise InputError(f"There is no order {external_id} of {channel}.", next_step="see cloudsales orders list")
    return found[0]


def heads_of(rows: Iterable[Any]) -> list[Head]:
    """Rows of the steps `lock` and `unpaid` as orders."""
    return [
        Head(row.order_id, row.channel, row.external_id, row.status, tuple(row.review), tuple(row.warehouses)) for row in rows
    ]


def locked_lines(connection: Connection, heads: Sequence[Head]) -> Sequence[Any]:
    """The lines of locked orders, after all levels are locked that they hold or may be served from: nothing changes them now."""
    warehouses = {head.order_id: head.warehouses for head in heads}
    lines = lines_of(connection, heads)
    held = run(connection, "held_pairs", owners=[line.owner for line in lines]).all()
    pairs = {(row.product_id, row.warehouse) for row in held}
    pairs |= {(line.product_id, name) for line in lines if line.product_id is not None for name in warehouses[line.order_id]}
    if not pairs:
        return lines
    lock_levels(connection, pairs)
    return lines_of(connection, heads)


def lines_of(connection: Connection, heads: Sequence[Head]) -> Sequence[Any]:
    """All lines of these orders with their counters, in pieces."""
    return run(connection, "lines", orders=[head.order_id for head in heads]).all()


def require_lines(head: Head, lines: Iterable[Any], wanted: Iterable[str]) -> None:
    """Raise InputError where one of the wanted is no line of the order."""
    known = [line.external_line_id for line in lines]
    for name in wanted:
        if name not in known:
            raise InputError(f"There is no line {name} in {head.words}.", next_step=f"its lines are {', '.join(known)}")


def allowed(head: Head, happening: Happening, word: str) -> Status:
    """Where the happening leads.

    Raises:
        RefusedError: it may not happen to an order in this status (`states.TRANSITIONS`).
    """
    leads_to = after(Status(head.status), happening)
    if leads_to is None:
        raise RefusedError(f"This can't be {word}: {head.words} is {head.status}.")
    return leads_to


def set_status(connection: Connection, head: Head, status: str) -> None:
    """Write where the order stands now."""
    run(connection, "set_status", order_id=head.order_id, status=status)


def documents_of(connection: Connection, head: Head, kinds: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """What was done under which document: the events of these kinds, their details by the document's reference."""
    rows = run(connection, "documents", reference=head.reference, kinds=list(kinds)).all()
    return {row.detail["document"]: row.detail for row in rows}


def run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    """A step of standing.sql."""
    return connection.execute(sa.text(steps(__package__, "standing")[step]), values)
