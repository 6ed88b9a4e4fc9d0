"""Kill a piece of work with SIGKILL at its n-th statement, for every n there is: a real process, a real kill."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine

DONE, FAILED = 0, 70


def killed_at_each_step(url: URL, work: Callable[[Engine], object], *, most: int = 200) -> Iterator[int]:
    """Run `work` again and again, killed one step later each time, until a run ends by itself.

    A step is a statement about to be sent, or a COMMIT about to be sent, or one just done. Yields the step of each kill,
    after the process is gone.
    """
    for step in range(1, most):
        status = _run_and_kill(url, work, step)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == DONE, f"the work failed by itself at step {step}"
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield step
    raise AssertionError(f"still not done after {most} steps")


def _run_and_kill(url: URL, work: Callable[[Engine], object], step: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: the child touches none of them
        pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            engine = create_engine(url)
            _kill_at(engine, step)
            work(engine)
            status = DONE
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def _kill_at(engine: Engine, step: int) -> None:
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "before_cursor_execute", count)
    sa.event.listen(engine, "commit", count)  # before the COMMIT is sent
    original = engine.dialect.do_commit

    def commit_then_count(connection: Any) -> None:
        original(connection)
        count()

    engine.dialect.do_commit = commit_then_count  # type: ignore[method-assign]
