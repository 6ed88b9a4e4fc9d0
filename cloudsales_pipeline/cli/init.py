"""`cloudsales init`."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init() -> None:
    """Make or upgrade the database: schema, channels, and Dagster's own storage. Twice is no harm."""
    from cloudsales_pipeline.cli.instance import open_instance
    from cloudsales_pipeline.database.migrate import newest_revision
    from cloudsales_pipeline.settings import load_settings

    settings = load_settings()
    with open_instance(settings):
        pass
    typer.echo(f"The database is at version {newest_revision()}; channels: {', '.join(settings.channels) or 'none yet'}.")
