"""`cloudsales quarantine list|retry|dismiss`."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def quarantine() -> None:
    """What could not be decided or read, with the reason; docs/matching.md says what to do about each."""


@app.command("list")
def list_open(
    stage: Annotated[str | None, typer.Option(help="listing, catalog, match, stock or orders.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows.")] = 100,
    as_json: Json = False,
) -> None:
    """What is open, oldest first."""
    from cloudsales_pipeline.catalog.review import list_quarantine

    with project() as (_, engine):
        rows = list_quarantine(engine, stage=stage, channel=channel, limit=limit)
    print_rows(rows, as_json=as_json, title="Quarantine")


@app.command()
def retry(
    channel: Annotated[str, typer.Argument()],
    variant_id: Annotated[str | None, typer.Argument(help="One listing; else all that are held.")] = None,
) -> None:
    """Have held listings decided again by the next plan."""
    from cloudsales_pipeline.catalog.review import retry_quarantine

    with project() as (settings, engine):
        settings.channel(channel)
        count = retry_quarantine(engine, channel=channel, reference=variant_id)
    typer.echo(f"{count} listings will be decided again: cloudsales catalog plan {channel}")


@app.command()
def dismiss(quarantine_id: Annotated[int, typer.Argument(help="The id that `quarantine list` shows.")]) -> None:
    """Leave a row as it is; it comes back only if its evidence changes."""
    from cloudsales_pipeline.catalog.review import dismiss_quarantine

    with project() as (_, engine):
        dismiss_quarantine(engine, quarantine_id)
    typer.echo(f"Row {quarantine_id} is dismissed.")
