"""`cloudsales suggestions list|accept|reject`."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def suggestions() -> None:
    """Listings that no code decides and that wait for a person's word."""


@app.command("list")
def list_held(
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    state: Annotated[str, typer.Option(help="open, accepted, rejected or expired.")] = "open",
    limit: Annotated[int, typer.Option(min=1, help="How many rows.")] = 100,
    as_json: Json = False,
) -> None:
    """What is held, best score first."""
    from cloudsales_pipeline.catalog.review import list_suggestions

    with project() as (_, engine):
        rows = list_suggestions(engine, channel=channel, state=state, limit=limit)
    print_rows(rows, as_json=as_json, title="Suggestions")


@app.command()
def accept(
    channel: Annotated[str, typer.Argument()],
    variant_id: Annotated[str, typer.Argument(help="The variant's id on the channel.")],
    sku: Annotated[str | None, typer.Option(help="Which product, where several are suggested or another one is right.")] = None,
) -> None:
    """It is that product: link them."""
    from cloudsales_pipeline.catalog.review import accept_suggestion

    with project() as (_, engine):
        chosen = accept_suggestion(engine, channel, variant_id, sku)
    typer.echo(f"{variant_id} of {channel} is linked to {chosen}.")


@app.command()
def reject(
    channel: Annotated[str, typer.Argument()],
    variant_id: Annotated[str, typer.Argument(help="The variant's id on the channel.")],
) -> None:
    """It is a product of its own: the next plan makes it."""
    from cloudsales_pipeline.catalog.review import reject_suggestion

    with project() as (_, engine):
        reject_suggestion(engine, channel, variant_id)
    typer.echo(f"The next plan makes a product for {variant_id}: cloudsales catalog plan {channel}")
