"""A few processes that live and die together: started, watched, ended in order. Nothing here knows what they are."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudsales_pipeline.errors import CloudSalesError

if TYPE_CHECKING:
    from types import FrameType

END_SECONDS = 20.0
Processes = dict[str, subprocess.Popen[bytes]]


class EndedError(CloudSalesError):
    """A process ended by itself, or was not ready in time."""


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, instead of ending this process in the middle of something."""
    stopping = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def together() -> Iterator[Processes]:
    """Processes by name, none yet; all that `start` adds are ended at the end, in any case."""
    processes: Processes = {}
    try:
        yield processes
    finally:
        _end(list(processes.values()))


def start(processes: Processes, name: str, command: list[str]) -> None:
    """Start one more, a group of its own so that Ctrl-C reaches it through us alone."""
    processes[name] = subprocess.Popen(command, start_new_session=True)  # noqa: S603 (our own interpreter and modules)


def require_alive(processes: Processes) -> None:
    """Raise EndedError, naming it, where a process has ended."""
    for name, process in processes.items():
        code = process.poll()
        if code is not None:
            raise EndedError(f"Dagster's {name} ended by itself (exit {code}).", next_step="read its lines above")


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM to each and to its children (runs under way end as interrupted), time to finish, then SIGKILL to what is left."""
    for process in processes:
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return  # nothing is left of it
