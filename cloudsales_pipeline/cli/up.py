"""`cloudsales up`: Dagster's webserver and daemon, and one code server for both, started and ended together.

What belongs here: which processes, and when they are ready. What they run stands in `definitions`. Left to themselves the
webserver and the daemon start a code server each, and the daemon a new one every minute: seconds of CPU for nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cloudsales_pipeline.cli.processes import EndedError, Processes, require_alive, start, together, until_signal
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.settings import Settings, load_settings

LOCATION = "cloudsales"
READY_SECONDS = 90.0
QUIET = ("--log-level", "warning")
LOCATIONS = (
    "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus"
    " locationOrLoadError { __typename ... on PythonError { message } } } } } }"
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web pages.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on. There is no sign-in: leave it on this machine.")] = "127.0.0.1",
) -> None:
    """Start the database if it is ours, then Dagster's webserver and daemon; Ctrl-C or SIGTERM ends both."""
    from cloudsales_pipeline.cli.instance import end_dead_runs, open_instance

    settings = load_settings()
    require_free(host, port)
    with until_signal() as stopping, _folder() as folder:
        with open_instance(settings) as instance:
            end_dead_runs(instance)
        with _documents(settings, host, port + 1) as documents, together() as processes:
            if _start(folder, host, port, processes, stopping):
                _greet(settings, host, port, documents)
            while not stopping.wait(0.5):
                require_alive(processes)
    typer.echo("Ended.")


def require_free(host: str, port: int, command: str = "cloudsales up --port") -> None:
    """Raise RefusedError where something already listens on the port, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RefusedError(
                f"Port {port} on {host} can't be used: {error.strerror}.",
                next_step=f"end what listens there, or {command} {port % 65535 + 1}",
            ) from None


@contextmanager
def _documents(settings: Settings, host: str, port: int) -> Iterator[str]:
    """The page of documents, which Dagster's pages link to; its address; empty where it can't be shown."""
    from cloudsales_pipeline.cli.documents_page import shown
    from cloudsales_pipeline.database.engine import engine_for
    from cloudsales_pipeline.resources.document_links import URL_VARIABLE

    engine = engine_for(settings)
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        try:
            address = stack.enter_context(shown(engine, host, port))
        except RefusedError:
            address = ""
        os.environ[URL_VARIABLE] = address  # the code server's, and so of each run
        yield address


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for the code server's socket; short, for a socket's path may have 107 bytes and data_dir may be deep."""
    folder = Path(tempfile.mkdtemp(prefix="cloudsales-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, host: str, port: int, processes: Processes, stopping: threading.Event) -> bool:
    """Start the code server, then the two that ask it at once; False where a signal came before all were ready."""
    from cloudsales_pipeline.cli.instance import DEFINITIONS, socket_name

    code, workspace = folder / socket_name(), folder / "workspace.yaml"
    server = {"socket": str(code), "location_name": LOCATION}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    module = [sys.executable, "-m"]
    named = ["-m", DEFINITIONS, "--socket", str(code), "--location-name", LOCATION]
    start(processes, "code server", [*module, "dagster", "api", "grpc", *named, *QUIET])
    if not _wait(lambda: (code.exists(), ""), processes, stopping):
        return False
    web = ["-h", host, "-p", str(port), "-w", str(workspace)]
    start(processes, "webserver", [*module, "dagster_webserver", *web, *QUIET])
    start(processes, "daemon", [*module, "dagster._daemon", "run", "-w", str(workspace), *QUIET])
    return _wait(lambda: _loaded(f"http://{_in_url(host)}:{port}"), processes, stopping)


def _wait(ready: Callable[[], tuple[bool, str]], processes: Processes, stopping: threading.Event) -> bool:
    """Wait until `ready`, which else says why not; False where a signal came first.

    Raises:
        EndedError: a process ended (the code server does where the definitions can't be loaded), or the time passed.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not stopping.wait(0.2):
        require_alive(processes)
        done, why = ready()
        if done:
            return True
        if time.monotonic() > deadline:
            raise EndedError(f"Dagster was not ready in {READY_SECONDS:.0f} s. {why}".strip(), next_step="read its lines above")
    return False


def _loaded(address: str) -> tuple[bool, str]:
    """Whether our definitions are loaded, and else what the webserver says of them so far."""
    try:
        entries = _ask(address, LOCATIONS)["data"]["workspaceOrError"]["locationEntries"]
    except (OSError, ValueError, KeyError, TypeError):
        return False, ""  # not listening yet, or only half up
    found = [entry["locationOrLoadError"] for entry in entries if entry["loadStatus"] == "LOADED"]
    errors = [str(location["message"]) for location in found if location and location["__typename"] == "PythonError"]
    return bool(found) and len(found) == len(entries) and not errors, " ".join(errors).strip().partition("\n")[0]


def _ask(address: str, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 (our own webserver)
        return json.load(answer)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _greet(settings: Settings, host: str, port: int, documents: str) -> None:
    for name, channel in settings.channels.items():
        if channel.token_env and not os.environ.get(channel.token_env):
            typer.echo(f"warning: {channel.token_env} is not set: runs of the channel {name} will fail.", err=True)
    channel_name = next(iter(settings.channels), "NAME")
    typer.echo(f"Dagster is up:  http://{_in_url(host)}:{port}/asset-groups (the flow), also /runs and /automation")
    if documents:
        typer.echo(f"Documents:      {documents}/documents, for this machine alone")
    typer.echo('Tables:         psql "$(cloudsales database url)", then: select * from analytics.run_summary')
    typer.echo(f"An import now:  cloudsales run import_listing --channel {channel_name}; else listing_refresh does it each hour")
    typer.echo("Ctrl-C ends it.")
    sys.stdout.flush()
