"""`cloudsales init`."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init() -> None:
    """Make or upgrade the database: schema, channels, and Dagster's own storage. Twice is no harm."""
    from cloudsales_pipeline.database.migrate import initialise
    from cloudsales_pipeline.settings import load_settings

    settings = load_settings()
    version = initialise(settings)
    typer.echo(f"The database is at version {version}; channels: {', '.join(settings.channels) or 'none yet'}.")
