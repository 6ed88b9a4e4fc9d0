"""A unit of work: a transaction that is tried again, whole, where another one came in between (F-21, F-22).

What belongs here: which errors are worth another try. What does not: the work, which must do no harm when it is done twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.errors import DatabaseError

T = TypeVar("T")

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.02
CROSSED = frozenset({"40P01", "40001", "23505", "55P03"})
"""Deadlock, serialization, a key that another transaction took at this moment, a lock that did not come in time."""


def unit_of_work(
    engine: Engine,
    work: Callable[[Connection], T],
    *,
    doing: str,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `work` gives, in a transaction of its own, begun again after a crossing or a connection lost while committing.

    Args:
        work: reads by business key before it writes, so that a second time finds what the first one did.
        doing: for the error's text, such as "take orders in".

    Raises:
        DatabaseError: still not done after `attempts`.
    """
    for attempt in range(attempts):
        try:
            with engine.begin() as connection:
                return work(connection)
        except sa.exc.DBAPIError as error:
            if not is_worth_another_try(error):
                raise
            sleep(FIRST_PAUSE_SECONDS * 2**attempt * (0.5 + random.random()))  # noqa: S311 - two that met should not meet again
    raise DatabaseError(
        f"Could not {doing}: the database was lost, or others kept changing the same rows, {attempts} times in a row.",
        next_step="see that the database is up, then try again: nothing half was written",
    )


def is_worth_another_try(error: sa.exc.DBAPIError) -> bool:
    """Whether the same work may succeed now."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in CROSSED
