"""`cloudsales work`: publishes stock as it changes, in a process of its own, faster than the sensor does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cloudsales_pipeline.cli.processes import until_signal
from cloudsales_pipeline.settings import load_settings

if TYPE_CHECKING:
    import threading

ROUND_SECONDS = 300.0  # the settings are read anew that often
AWAY_SECONDS = 5.0  # between tries while the database is away

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def work() -> None:
    """Publish stock as it changes, until Ctrl-C or SIGTERM. It takes over from the sensor stock_deltas while it runs."""
    from cloudsales_pipeline.database.engine import engine_for
    from cloudsales_pipeline.stock.channels import publishing_channels
    from cloudsales_pipeline.stock.publishing import publish_all

    settings = load_settings()
    engine = engine_for(settings)
    names = ", ".join(publishing_channels(settings))
    try:
        with until_signal() as stopping:
            typer.echo(f"Publishing stock to {names or 'no channel yet: none has stock.warehouses'}. Ctrl-C ends it.")
            while not stopping.is_set():
                settings = load_settings()
                with _outlasting(stopping):
                    if not publish_all(settings, engine, seconds=ROUND_SECONDS, stop=stopping, wait_for_lease=ROUND_SECONDS):
                        stopping.wait(10)
    finally:
        engine.dispose()
    typer.echo("Ended.")


@contextmanager
def _outlasting(stopping: threading.Event) -> Iterator[None]:
    """Where the database goes away, say so and wait a little: it may be restarted, and nothing due is lost by that (F-23)."""
    import sqlalchemy as sa

    from cloudsales_pipeline.database.work import is_lost
    from cloudsales_pipeline.errors import DatabaseError

    try:
        yield
    except DatabaseError as error:
        reason = str(error)
    except sa.exc.DBAPIError as error:
        if not is_lost(error):
            raise
        reason = f"The database can't be reached ({type(error.orig).__name__})."
    else:
        return
    typer.echo(f"{reason.removesuffix('.')}. Trying again in {AWAY_SECONDS:.0f} s.", err=True)
    stopping.wait(AWAY_SECONDS)
