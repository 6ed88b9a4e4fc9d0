"""Transfer proposals: what another warehouse could give, taken or dismissed by a person.

What belongs here: the list and its two ends. What does not: making proposals, which the close does (`closing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import lock_purchasing
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.purchasing.covering import cover
from cloudsales_pipeline.stock.movements import Movement, post_movements


@dataclass(frozen=True)
class Moved:
    """A proposal that was taken: the pieces went from one warehouse to the other."""

    proposal_id: int
    sku: str
    from_warehouse: str
    to_warehouse: str
    quantity: int


def open_proposals(connection: Connection, *, limit: int = 200) -> list[dict[str, Any]]:
    """Open proposals, the oldest first."""
    rows = connection.execute(sa.text(steps(__package__, "transfers")["list"]), {"limit": limit}).mappings()
    return [dict(row) for row in rows]


def accept(engine: Engine, proposal: int, *, now: datetime | None = None) -> Moved:
    """The goods went over: two movements under the reference `transfer-proposal:N`, and who waits is served (I-30).

    Raises:
        InputError: no such proposal.
        RefusedError: it is not open any more, or the pieces are not free there any more.
    """
    at = now or datetime.now(UTC)

    def work(connection: Connection) -> Moved:
        lock_purchasing(connection)
        row = _end(connection, proposal, "done", at)
        moved = Moved(proposal, row.sku, row.from_warehouse, row.to_warehouse, row.quantity)
        reference = f"transfer-proposal:{proposal}"
        movements = [
            Movement(reference, row.from_warehouse, row.sku, "transfer_out", row.quantity, at),
            Movement(reference, row.to_warehouse, row.sku, "transfer_in", row.quantity, at),
        ]
        posted = post_movements(connection, movements, now=at, then=serve)
        if posted.posted != len(movements):
            reasons = ", ".join(sorted({one.reason for one in posted.refused}))
            raise RefusedError(
                f"Proposal {proposal} can't be taken: {row.from_warehouse} does not have {row.quantity} free pieces ({reasons}).",
                next_step=f"cloudsales purchasing transfers dismiss {proposal}",
            )
        cover(connection, [row.product_id])
        return moved

    return unit_of_work(engine, work)


def dismiss(engine: Engine, proposal: int, *, now: datetime | None = None) -> None:
    """The pieces stay where they are: the next close buys what waits.

    Raises:
        InputError: no such proposal.
        RefusedError: it is not open any more.
    """

    def work(connection: Connection) -> None:
        lock_purchasing(connection)
        _end(connection, proposal, "dismissed", now or datetime.now(UTC))

    unit_of_work(engine, work)


def _end(connection: Connection, proposal: int, state: str, at: datetime) -> sa.Row[Any]:
    texts = steps(__package__, "transfers")
    row = connection.execute(sa.text(texts["end"]), {"proposal": proposal, "state": state, "now": at}).one_or_none()
    if row is not None:
        return row
    found = connection.scalar(sa.text(texts["state_of"]), {"proposal": proposal})
    if found is None:
        raise InputError(f"There is no transfer proposal {proposal}.", next_step="cloudsales purchasing transfers list")
    raise RefusedError(f"Proposal {proposal} is {found} already.", next_step="cloudsales purchasing transfers list")
