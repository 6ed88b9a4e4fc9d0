"""The lease of a channel: who publishes its stock, and how they hear that something changed.

What belongs here: one session's advisory lock, and the notifications that reach the same session. What does not: what is
published. A lease needs no end of its own: a killed process loses it with its connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa

from cloudsales_pipeline.database.locks import STOCK_PUSH_LOCK
from cloudsales_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.engine import Connection, Engine

ASK_AGAIN_SECONDS = 0.2


class Lease:
    """A channel's lease while it is held. Not for several threads at once.

    Read what is due through `connection`: where that session is gone, and the lock with it, the reading fails and nothing more
    is pushed beside whoever holds the lease now.
    """

    def __init__(self, connection: Connection, channel: str) -> None:
        self.connection = connection
        self.channel = channel

    def wait(self, seconds: float) -> bool:
        """Wait until a change of this channel was committed, at most `seconds`; whether one was. Earlier ones count."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            if self.channel in self._heard(left, stop_after=1):
                return True
            if time.monotonic() >= deadline:
                return False

    def forget(self) -> None:
        """Drop what was heard so far: before reading what is due, which holds all of it."""
        self._heard(0.0)

    def _heard(self, seconds: float, stop_after: int | None = None) -> list[str]:
        import psycopg

        driver = cast("psycopg.Connection", self.connection.connection.driver_connection)
        try:
            return [notice.payload for notice in driver.notifies(timeout=seconds, stop_after=stop_after)]
        except psycopg.Error as error:
            raise DatabaseError(
                f"The connection that holds the lease of {self.channel} was lost ({type(error).__name__}).",
                next_step="nothing is lost: the next publisher goes on",
            ) from None


@contextmanager
def channel_lease(
    engine: Engine, channel: str, *, wait_seconds: float = 0.0, stop: threading.Event | None = None
) -> Iterator[Lease | None]:
    """Hold the channel's lease on a connection of its own; None where another holds it for longer than `wait_seconds`.

    `stop` ends the waiting.
    """
    keys = {"lock": STOCK_PUSH_LOCK, "channel": channel}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not _taken(connection, keys, time.monotonic() + wait_seconds, stop or threading.Event()):
            yield None
            return
        try:
            connection.exec_driver_sql("listen cloudsales_stock")
            yield Lease(connection, channel)
        finally:
            _let_go(connection)


def _taken(connection: Connection, keys: dict[str, object], deadline: float, stop: threading.Event) -> bool:
    ask = sa.text("select pg_try_advisory_lock(:lock, hashtext(:channel))")
    while not connection.scalar(ask, keys):
        if time.monotonic() >= deadline or stop.wait(ASK_AGAIN_SECONDS):
            return False
    return True


def _let_go(connection: Connection) -> None:
    """Unlock, then close the session instead of giving it back to the pool: its LISTEN and what it has not read end with it."""
    if not connection.invalidated:
        with suppress(sa.exc.DBAPIError):  # the session has gone, and the lock with it
            connection.execute(sa.text("select pg_advisory_unlock_all()"))
        connection.invalidate()
