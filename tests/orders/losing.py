"""An engine whose COMMITs are done, or not, and never answered: what a connection that breaks at that moment looks like (F-22)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine


@contextmanager
def losing_first_commit(url: URL, *, done: bool, then: Callable[[], object] = lambda: None) -> Iterator[Engine]:
    """An engine whose first COMMIT loses its connection.

    Args:
        done: whether the server had done it.
        then: what others do before the next try.
    """
    engine = create_engine(url)
    original = engine.dialect.do_commit
    lost: list[bool] = []

    def commit(connection: Any) -> None:
        if lost:
            original(connection)
            return
        lost.append(True)
        if done:
            original(connection)
        connection.driver_connection.close()
        then()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    engine.dialect.do_commit = commit  # type: ignore[method-assign,assignment]
    yield engine
    engine.dispose()
    assert lost
