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


Listen = Callable[[Callable[..., None]], None]


def killed_at_each_step(
    url: URL, work: Callable[[Engine], object], *, most: int = 200, also: Listen | None = None, told: list[str] | None = None
) -> Iterator[int]:
    """Run `work` again and again, killed one step later each time, until a run ends by itself.

    A step is a statement about to be sent, or a COMMIT about to be sent, or one just done. Yields the step of each kill,
    after the process is gone.

    Args:
        also: called in the process with a function to be called at each further step there is, with its name.
        told: gets the name of each step at which a process was killed.
    """
    for step in range(1, most):
        status = _run_and_kill(url, work, step, also, told)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == DONE, f"the work failed by itself at step {step}"
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield step
    raise AssertionError(f"still not done after {most} steps")


def _run_and_kill(url: URL, work: Callable[[Engine], object], step: int, also: Listen | None, told: list[str] | None) -> int:
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: the child touches none of them
        pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            engine = create_engine(url)
            _kill_at(engine, step, writer, also)
            work(engine)
            status = DONE
        finally:
            os._exit(status)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(reader, encoding="utf-8") as name:
        if told is not None and os.WIFSIGNALED(status):
            told.append(name.read())
    return status


def _kill_at(engine: Engine, step: int, writer: int, also: Listen | None) -> None:
    seen = 0

    def count(name: str) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.write(writer, name.encode()[:16_000])  # a pipe takes so much at once
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: count(" ".join(statement.split())))
    sa.event.listen(engine, "commit", lambda _: count("before COMMIT"))
    original = engine.dialect.do_commit

    def commit_then_count(connection: Any) -> None:
        original(connection)
        count("after COMMIT")

    engine.dialect.do_commit = commit_then_count  # type: ignore[method-assign]
    if also:
        also(count)
