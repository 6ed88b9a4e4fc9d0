"""Runs the simulator: a real server on 127.0.0.1, in this thread, in another, or in a process of its own.

What belongs here: sockets, uvicorn, start and stop. What does not: anything the server says (`app`).
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator.app import create_app
from cloudsales_pipeline.simulator.buyers import buying
from cloudsales_pipeline.simulator.faults import Level
from cloudsales_pipeline.simulator.injection import TRANSPORT
from cloudsales_pipeline.simulator.problems import problem_body
from cloudsales_pipeline.simulator.state import State

LOOPBACK = "127.0.0.1"
DEFAULT_TOKEN = "fashionup-simulator"  # noqa: S105 - opens nothing but invented data on this machine
START_SECONDS = 20.0
STOP_SECONDS = 10.0


class RunningServer(NamedTuple):
    """A server that listens: `url` is the API's base, `origin` the site's, `token` what requests must carry."""

    url: str
    origin: str
    token: str
    state: State


class RunningProcess(NamedTuple):
    """The same in a process of its own, whose state can't be reached."""

    url: str
    origin: str
    token: str
    process: subprocess.Popen[str]


@contextlib.contextmanager
def running(
    state: State,
    *,
    faults: Level = "none",
    seed: int = 0,
    port: int = 0,
    token: str = DEFAULT_TOKEN,
    latency_ms: float = 0,
    orders_per_minute: float = 0,
) -> Iterator[RunningServer]:
    """A server in a thread, for tests and the demo; it is stopped at the end of the block.

    Args:
        state: what the channel holds; change it while the server runs as you like.
        faults: the level of faults, chosen by `seed`; `state.faults` is there for single ones.
        port: 0 takes a free one.
        token: the bearer token that requests must carry.
        latency_ms: each answer of the API waits so long.
        orders_per_minute: buyers order so much, chosen by `seed`, while it runs.

    Raises:
        InputError: the port is taken.
    """
    with _listening(LOOPBACK, port) as listener, buying(state, orders_per_minute, seed):
        server, running_server = _prepare(state, listener, faults, seed, token, latency_ms)
        thread = threading.Thread(target=server.run, args=([listener],), name="fashionup-simulator", daemon=True)
        thread.start()
        try:
            _wait_for(lambda: server.started, thread.is_alive)
            yield running_server
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)


@contextlib.contextmanager
def serving(app: ASGIApp, *, port: int = 0, name: str) -> Iterator[str]:
    """Another site than FashionUp's, in a thread, whose faults reach the connection too; its origin.

    Raises:
        InputError: the port is taken.
    """
    with _listening(LOOPBACK, port) as listener:
        server = uvicorn.Server(_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), name=name, daemon=True)
        thread.start()
        try:
            _wait_for(lambda: server.started, thread.is_alive)
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)


def serve(
    state: State,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    faults: Level = "none",
    seed: int = 0,
    token: str = DEFAULT_TOKEN,
    latency_ms: float = 0,
    orders_per_minute: float = 0,
    announce: Callable[[RunningServer], None],
) -> None:
    """Serve until SIGTERM or SIGINT, in the main thread; `announce` is called when the server listens.

    Raises:
        InputError: another host than 127.0.0.1, or the port is taken.
    """
    if host != LOOPBACK:
        raise InputError(f"The simulator listens on {LOOPBACK} alone: it is for this machine.", next_step="leave --host out")
    with _listening(host, port) as listener:
        server, running_server = _prepare(state, listener, faults, seed, token, latency_ms)
        # uvicorn stops on SIGTERM and then raises it again: to have been asked to stop is a good end, not a death.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            announce(running_server)  # the socket listens already: who connects now waits in its queue
            with contextlib.suppress(KeyboardInterrupt), buying(state, orders_per_minute, seed):
                server.run([listener])
        finally:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def start_process(*arguments: str, token: str = DEFAULT_TOKEN) -> Iterator[RunningProcess]:
    """`cloudsales simulate fashionup ARGUMENTS` in a process of its own, ended by SIGTERM at the end of the block.

    Raises:
        InputError: it ended before it listened; the message has what it printed.
    """
    command = [sys.executable, "-m", "cloudsales_pipeline.cli.simulate", "fashionup", "--token", token, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.strip():
            _, complaint = process.communicate(timeout=STOP_SECONDS)
            raise InputError(f"The simulator did not start: {complaint.strip()[-500:]}")
        url = line.split()[-1]
        yield RunningProcess(url, url.removesuffix("/v1"), token, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=STOP_SECONDS)


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which lets a fault reach the connection and says no in problem documents."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[TRANSPORT] = self.transport

    def send_400_response(self, msg: str) -> None:
        body = problem_body(400, msg)
        head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[400] + head.encode() + body)
        self.transport.close()


def _prepare(
    state: State, listener: socket.socket, faults: Level, seed: int, token: str, latency_ms: float
) -> tuple[uvicorn.Server, RunningServer]:
    origin = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    state.bind(origin)
    if faults != "none":
        state.faults.level(faults, seed)
    config = _config(create_app(state, token, latency_ms / 1000))
    return uvicorn.Server(config), RunningServer(f"{origin}/v1", origin, token, state)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=1,
    )


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise InputError(f"Port {port} can't be used: {error.strerror}.", next_step="choose another --port") from None
        yield listener


def _wait_for(ready: Callable[[], bool], alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if not alive() or time.monotonic() > deadline:
            raise InputError("The simulator's server did not start.")
        time.sleep(0.005)
