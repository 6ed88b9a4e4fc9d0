"""A transaction of this stage: all of its work looks rows up by business key first, so it may be begun anew (F-21, F-22).

What belongs here: that one door. What does not: when the database asks for another try, which is database.work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import DatabaseError

T = TypeVar("T")

ANOTHER_WROTE_IT = frozenset({"23505"})
"""An order, or a reference, that another transaction wrote at this moment: the next try finds it."""


def order_work(engine: Engine, work: Callable[[Connection], T], *, doing: str) -> T:
    """What `work` gives, in a transaction of its own.

    Args:
        work: finds by itself what an earlier try did.
        doing: for the error's text, such as "take orders in".

    Raises:
        DatabaseError: the database can't be reached, or others kept changing the same rows; nothing half was written.
    """
    try:
        return unit_of_work(engine, work, also=ANOTHER_WROTE_IT, repeatable=True)
    except DatabaseError as error:
        raise DatabaseError(f"Could not {doing}: {error.message}", next_step=error.next_step) from None
