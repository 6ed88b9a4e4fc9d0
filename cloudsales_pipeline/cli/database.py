"""`cloudsales database …`: the address for other tools, and the embedded server by hand."""

from __future__ import annotations

import typer

from cloudsales_pipeline.errors import RefusedError

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def database() -> None:
    """The database's address; start or stop the embedded one (commands start it when they need it)."""


@app.command()
def url() -> None:
    """Print the address for psql, a notebook or a BI tool. It holds the password, if there is one."""
    from cloudsales_pipeline.database.engine import psql_url
    from cloudsales_pipeline.settings import load_settings

    typer.echo(psql_url(load_settings()))


@app.command()
def start() -> None:
    """Start the embedded PostgreSQL."""
    from cloudsales_pipeline.database import server
    from cloudsales_pipeline.settings import load_settings

    settings = load_settings()
    if settings.database.url is not None:
        raise RefusedError("The settings name a PostgreSQL of your own.", next_step="start that one")
    server.start(settings.data_dir)
    typer.echo("The embedded PostgreSQL is up; its address: cloudsales database url")


@app.command()
def stop() -> None:
    """Stop the embedded PostgreSQL."""
    from cloudsales_pipeline.database import server
    from cloudsales_pipeline.settings import load_settings

    stopped = server.stop(load_settings().data_dir)
    typer.echo("The embedded PostgreSQL is stopped." if stopped else "No embedded PostgreSQL was running.")
