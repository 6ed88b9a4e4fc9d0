"""A unit of work: one transaction, begun anew as a whole where the database asks for that.

What belongs here: when to try again (F-21, F-22). What does not: any statement.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from cloudsales_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

ATTEMPTS = 5
PAUSE_SECONDS = 0.01
AGAIN = frozenset({"40P01", "40001"})  # a deadlock, a failed serialization: the transaction is rolled back as a whole

T = TypeVar("T")


def unit_of_work(
    engine: Engine, work: Callable[[Connection], T], *, also: frozenset[str] = frozenset(), repeatable: bool = False
) -> T:
    """Do `work` in a transaction of its own, at most five times.

    Args:
        work: everything that the transaction does; it is called again with a new one.
        also: SQLSTATEs that ask for another try, besides deadlock and serialization.
        repeatable: whether the work finds by itself that it was done. Only then is it tried again where the connection is
            lost, since that may have happened while committing (F-22).

    Raises:
        DatabaseError: the database can't be reached (only where `repeatable`), or others kept changing the same rows.
        sqlalchemy's errors: any other.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except sa.exc.DBAPIError as error:
            lost = repeatable and is_lost(error)
            if not lost and getattr(error.orig, "sqlstate", None) not in AGAIN | also:
                raise
            if attempt == ATTEMPTS:
                raise _given_up(error, lost) from None
            time.sleep(random.uniform(0, PAUSE_SECONDS * 2**attempt))  # noqa: S311 - two that met should not meet again
    raise AssertionError("not reached")


def is_lost(error: sa.exc.DBAPIError) -> bool:
    """Whether the error says that the connection has gone, or that none could be made."""
    return error.connection_invalidated or (
        isinstance(error, sa.exc.OperationalError) and getattr(error.orig, "sqlstate", None) is None
    )


def _given_up(error: sa.exc.DBAPIError, lost: bool) -> DatabaseError:
    if lost:
        return DatabaseError(
            f"The database can't be reached, or loses the connection each time ({type(error.orig).__name__}).",
            next_step="check database.url in cloudsales.yaml and that the server is up, then do the same again: what was done"
            " is found and not done twice",
        )
    return DatabaseError("This could not be done: others keep changing the same rows.", next_step="try again")
