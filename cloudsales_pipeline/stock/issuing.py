"""Goods that leave for orders: reservations end as issued, and the sales are written, as one change.

What belongs here: those two halves, so that no channel is shown a piece between them. What does not: which order may leave (the
orders stage), and what a movement must be (`movements`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.stock.movements import Movement, Then, nothing, post_movements


def issue(connection: Connection, owners: Sequence[str], *, reference: str, now: datetime) -> int:
    """All that these owners hold leaves the warehouses that it is held in; how many pieces. The levels must be locked.

    Raises:
        RefusedError: the reference was posted before. The caller's transaction must end without a commit.
    """
    return sum(issue_all(connection, dict.fromkeys(owners, reference), now=now).values())


def issue_all(connection: Connection, references: Mapping[str, str], *, now: datetime) -> Counter[str]:
    """As `issue`, for many documents at once: owner → the document under which its pieces leave; pieces by document.

    Raises:
        RefusedError: a reference was posted before. The caller's transaction must end without a commit.
    """
    _marks_follow(connection, "on")  # else the first half would show what is leaving as free
    rows = connection.execute(sa.text(steps(__package__, "issuing")["end"]), {"owners": list(references)}).all()
    _marks_follow(connection, "off")
    pieces: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        pieces[references[row.owner], row.sku, row.warehouse] += row.quantity
    sales = [Movement(name, warehouse, sku, "sale", count) for (name, sku, warehouse), count in sorted(pieces.items())]
    post_all(connection, sales, now=now)
    left: Counter[str] = Counter()
    for (name, _, _), count in pieces.items():
        left[name] += count
    return left


def post_all(connection: Connection, movements: Sequence[Movement], *, now: datetime, then: Then = nothing) -> None:
    """Post these movements, or none: what is only a repeat is refused too, for the caller knows that they are new.

    Raises:
        RefusedError: one of them may not be posted. The caller's transaction must end without a commit.
    """
    result = post_movements(connection, movements, now=now, then=then)
    if result.posted == len(movements):
        return
    if result.refused:
        first = result.refused[0]
        why = f"{first.reason} ({first.detail.get('what', '')})"
    else:
        why = "this reference was posted before, by something else"
    raise RefusedError(f"The stock movements can't be posted: {why}.", next_step="give it a reference of its own")


def _marks_follow(connection: Connection, value: str) -> None:
    connection.execute(sa.text(steps(__package__, "issuing")["marks_follow"]), {"value": value})
