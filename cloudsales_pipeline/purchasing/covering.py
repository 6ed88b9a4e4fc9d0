"""Keeping ties true: who waits no more gives back what is on order for him, and who waits takes what is on order for nobody.

What belongs here: those two, in the transaction of a close or a receipt, which holds the purchasing lock. What does not: buying
(`closing`) and receiving.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps


@dataclass(frozen=True)
class Covered:
    """Pieces that became surplus on order, and pieces of surplus that were given to lines."""

    withdrawn: int
    from_surplus: int


def cover(connection: Connection, products: Collection[int] | None) -> Covered:
    """Withdraw what lines wait for no more, the newest tie first, then give free surplus to lines, the oldest first.

    Call it with the purchasing lock held (database.locks.lock_purchasing).

    Args:
        products: of which alone; None: all that are on order.
    """
    values = {"products": None if products is None else sorted(products)}
    pieces = {
        step: sum(connection.execute(sa.text(text), values).scalars()) for step, text in steps(__package__, "covering").items()
    }
    return Covered(pieces["withdraw"] + pieces["withdraw_undelivered"], pieces["use_surplus"])
