"""`cloudsales up`: Dagster's webserver and daemon, started and ended together.

What belongs here: two processes, their readiness and their end. What they run stands in `definitions`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudsales_pipeline.errors import CloudSalesError, RefusedError, SettingsError
from cloudsales_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from types import FrameType

READY_SECONDS = 90.0
END_SECONDS = 20.0
LOCATIONS = (
    "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus"
    " locationOrLoadError { __typename ... on PythonError { message } } } } } }"
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class EndedError(CloudSalesError):
    """One of the two processes ended by itself."""


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web pages.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on. There is no sign-in: leave it on this machine.")] = "127.0.0.1",
) -> None:
    """Start the database if it is ours, then Dagster's webserver and daemon; Ctrl-C or SIGTERM ends both."""
    from cloudsales_pipeline.cli.instance import open_instance

    settings = load_settings()
    require_free(host, port)
    with _until_signal() as stopping:
        open_instance(settings).dispose()
        with _processes(_commands(host, port)) as processes:
            _wait_until_ready(f"http://{host}:{port}", processes, stopping)
            if not stopping.is_set():
                _greet(settings, host, port)
            while not stopping.wait(0.5):
                _require_alive(processes)
    typer.echo("Ended.")


def require_free(host: str, port: int) -> None:
    """Raise RefusedError where something already listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RefusedError(
                f"Port {port} on {host} can't be used: {error.strerror}.",
                next_step=f"end what listens there, or cloudsales up --port {port + 1}",
            ) from None


def _commands(host: str, port: int) -> dict[str, list[str]]:
    folder = Path(os.environ["DAGSTER_HOME"])
    workspace = ["-w", str(folder / "workspace.yaml")]
    quiet = ["--log-level", "warning"]
    return {
        "webserver": [sys.executable, "-m", "dagster_webserver", "-h", host, "-p", str(port), *workspace, *quiet],
        "daemon": [sys.executable, "-m", "dagster._daemon", "run", *workspace, *quiet],
    }


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
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
def _processes(commands: dict[str, list[str]]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The processes, each a group of its own so that Ctrl-C reaches them through us alone; ended in any case."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            processes[name] = subprocess.Popen(command, start_new_session=True)  # noqa: S603 (our own interpreter and modules)
        yield processes
    finally:
        _end(list(processes.values()))


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM to each, time to finish, then SIGKILL to what is left of their groups, code servers too."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + END_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _kill_group(process.pid)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nothing is left of it


def _require_alive(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        code = process.poll()
        if code is not None:
            raise EndedError(f"Dagster's {name} ended by itself (exit {code}).", next_step="read its lines above")


def _wait_until_ready(address: str, processes: dict[str, subprocess.Popen[bytes]], stopping: threading.Event) -> None:
    """Wait until the webserver answers and has loaded our definitions.

    Raises:
        EndedError: a process ended, or the time passed.
        SettingsError: the definitions can't be loaded; with Dagster's first line on why.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not stopping.wait(0.3):
        _require_alive(processes)
        if _loaded(address):
            return
        if time.monotonic() > deadline:
            raise EndedError(f"Dagster was not ready within {READY_SECONDS:.0f} s.", next_step="read its lines above")


def _loaded(address: str) -> bool:
    try:
        entries = _ask(address, LOCATIONS)["data"]["workspaceOrError"]["locationEntries"]
    except (OSError, ValueError, KeyError, TypeError):
        return False  # not listening yet, or only half up
    found = [entry["locationOrLoadError"] for entry in entries if entry["loadStatus"] == "LOADED"]
    for location in found:
        if location and location["__typename"] == "PythonError":
            first = str(location["message"]).strip().splitlines()[0]
            raise SettingsError(f"Dagster can't load the definitions: {first}", next_step="read its lines above")
    return bool(found) and len(found) == len(entries)


def _ask(address: str, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 (our own webserver)
        return json.load(answer)


def _greet(settings: Settings, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"Dagster is up:  http://{shown}:{port}/asset-groups  (the flow), /runs, /automation")
    typer.echo('Tables:         psql "$(cloudsales database url)"  then: select * from analytics.run_summary')
    typer.echo("Now:            cloudsales run import_listing --channel …  or wait for the schedule listing_refresh")
    for name, channel in settings.channels.items():
        if channel.token_env and not os.environ.get(channel.token_env):
            typer.echo(f"warning: {channel.token_env} is not set: runs of the channel {name} will fail.", err=True)
    typer.echo("Ctrl-C ends it.")
    sys.stdout.flush()
