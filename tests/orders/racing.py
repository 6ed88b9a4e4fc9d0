"""Races made on purpose: work in several processes let go at once, and a rival that steps in at one named statement.

What belongs here: the starting gate, the hook, and what must hold behind any race. What does not: the races (test_races,
test_interleavings).
"""

from __future__ import annotations

import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.orders.quality import check_orders
from cloudsales_pipeline.stock.quality import check_stock
from tests.orders.market import shop
from tests.orders.test_any_order import broken

BLOCKED = sa.text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")


def in_processes(url: URL, works: Sequence[Callable[[Engine], object]]) -> list[int]:
    """Do these in a process each, all let go at the same moment; their exit codes, 0 where the work ended well."""
    gate, opener = os.pipe()
    pids = [_forked(url, work, gate, opener) for work in works]
    os.close(gate)
    os.close(opener)  # a pipe with no writer left: all who read it go on at once
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def _forked(url: URL, work: Callable[[Engine], object], gate: int, opener: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: the child touches none of them
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.close(opener)
        engine = create_engine(url)
        with engine.connect():
            os.read(gate, 1)
        work(engine)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


@contextmanager
def stepping_in(engine: Engine, marker: str, rival: Callable[[], object]) -> Iterator[list[str]]:
    """Do `rival` once, right before the first statement of `engine` that has `marker` in it; gives the statements it met."""
    met: list[str] = []

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if marker in statement and not met:
            met.append(statement)
            rival()

    sa.event.listen(engine, "before_cursor_execute", look)
    try:
        yield met
    finally:
        sa.event.remove(engine, "before_cursor_execute", look)


class Waiting:
    """A rival in a thread of its own, that is let run until it waits for a lock (or is done); `end` gives what it gave."""

    def __init__(self, watcher: Engine, work: Callable[[], object]) -> None:
        self._watcher = watcher
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._given: object = None
        self.waited = False

    def _run(self) -> None:
        try:
            self._given = self._work()
        except Exception as error:  # what it raised is what the test asks for
            self._given = error

    def begin(self) -> None:
        """Start it; back when it stands before a lock, or when it has ended."""
        self._thread.start()
        with self._watcher.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while self._thread.is_alive() and not self.waited:
                self.waited = bool(connection.scalar(BLOCKED))

    def end(self) -> object:
        """Wait for its end; what it returned, or the error that it raised."""
        self._thread.join()
        return self._given


def all_holds(engine: Engine, *channels: str) -> None:
    """The rules of stock and of orders, and the invariants worked out apart from them."""
    results = [*check_stock(engine), *check_orders(engine, dict.fromkeys(channels or ("fashionup",), shop()))]
    assert [(one.rule, one.sample) for one in results if not one.passed] == []
    assert broken(engine) == {}
