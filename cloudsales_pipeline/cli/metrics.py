"""`cloudsales metrics`: findings and what is open in Prometheus' text format, printed once or served."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def metrics(
    serve: Annotated[
        int | None, typer.Option("--serve", metavar="PORT", min=1, max=65535, help="Serve them there until Ctrl-C or SIGTERM.")
    ] = None,
    host: Annotated[str, typer.Option(help="With --serve: the address to listen on. There is no sign-in.")] = "127.0.0.1",
) -> None:
    """Print the metrics. Exit 1 where the database could not be read."""
    from cloudsales_pipeline.operations.metrics import registry
    from cloudsales_pipeline.settings import load_settings

    settings = load_settings()
    made = registry(_Database(settings).connect)
    if serve is not None:
        _serve(host, serve, made)
        return
    from prometheus_client import generate_latest

    text = generate_latest(made).decode()
    sys.stdout.write(text)
    if "\ncloudsales_up 0" in text:
        raise typer.Exit(1)


class _Database:
    """An engine that is made when it is first asked for, and again where the database was away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None

    def connect(self) -> tuple[Settings, Engine]:
        from cloudsales_pipeline.database.engine import engine_for

        if self._engine is None:
            self._engine = engine_for(self._settings)
        return self._settings, self._engine


def _serve(host: str, port: int, registry: object) -> None:
    from prometheus_client import start_http_server

    from cloudsales_pipeline.cli.processes import until_signal
    from cloudsales_pipeline.cli.up import require_free

    require_free(host, port, "cloudsales metrics --serve")
    with until_signal() as stopping:
        server, thread = start_http_server(port, addr=host, registry=registry)  # type: ignore[arg-type]
        typer.echo(f"Metrics: http://{host}:{port}/metrics; Ctrl-C ends it.")
        sys.stdout.flush()
        stopping.wait()
        server.shutdown()
        server.server_close()
        thread.join(5)
