"""`cloudsales waybills …`: what couriers carry, and what a person does with it. Buyers are not printed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudsales_pipeline.cli.output import Json, clean, print_rows
from cloudsales_pipeline.cli.stages import project

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.documents.couriers.port import Courier
    from cloudsales_pipeline.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="Ours, such as fashionup/FO1/1.")]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The courier's number, or our reference.")]
Seconds = Annotated[float, typer.Option(min=1, help="Begin nothing more after so long.")]


@app.callback()
def waybills() -> None:
    """Waybills (AWB): what couriers carry. One for each parcel; what is unclear is looked up before it is made again."""


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="intended, created, unknown, failed, shipped, delivered, …")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
    as_json: Json = False,
) -> None:
    """Waybills: what needs a person first, then the newest."""
    from cloudsales_pipeline.documents.waybill_decisions import list_waybills

    with project() as (_, engine):
        print_rows(list_waybills(engine, state, limit), as_json=as_json, title="Waybills")


@app.command()
def show(reference: Reference, as_json: Json = False) -> None:
    """One waybill, the rule and the facts that it comes from, and what happened to its parcel."""
    from cloudsales_pipeline.documents.waybill_decisions import show_waybill

    with project() as (_, engine):
        found = show_waybill(engine, reference)
    rows = [found] if as_json else [{"what": name, "value": value} for name, value in found.items() if value is not None]
    print_rows(rows, as_json=as_json, title=f"Waybill {reference}")


@app.command()
def label(
    number: Number, to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where to; - is the standard output.")]
) -> None:
    """Write a waybill's label to a file; it is asked for at the courier where it has not come yet."""
    from cloudsales_pipeline.documents.waybill_decisions import label_of
    from cloudsales_pipeline.errors import InputError

    with project() as (settings, engine):
        file = label_of(engine, settings, _couriers(settings, engine), number)
    if to == Path("-"):
        sys.stdout.buffer.write(file.content)
        return
    try:
        to.write_bytes(file.content)
    except OSError as error:
        raise InputError(f"{to.name} can't be written: {error.strerror}.", next_step="give another file with --to") from None
    typer.echo(f"{clean(number)}: {clean(to)}, {len(file.content)} bytes")


@app.command()
def cancel(number: Number) -> None:
    """Take a waybill back, at the courier too. Rules make no other for the order; `documents issue --kind waybill` does."""
    from cloudsales_pipeline.documents.waybill_decisions import cancel as take_back

    with project() as (settings, engine):
        typer.echo(f"{clean(take_back(engine, settings, _couriers(settings, engine), number))}.")


@app.command()
def decide(
    reference: Reference,
    failed: Annotated[bool, typer.Option("--failed", help="The courier surely has none.")] = False,
    created: Annotated[str | None, typer.Option("--created", metavar="NUMBER", help="It has, under this number.")] = None,
) -> None:
    """Your word on an unknown waybill, after a look into the courier's own pages."""
    from cloudsales_pipeline.documents.waybill_decisions import decide_created, decide_failed

    if failed == (created is not None):
        raise typer.BadParameter("say either --failed or --created NUMBER", param_hint="--failed")
    with project() as (settings, engine):
        if created is not None:
            decide_created(engine, settings, reference, created)
            typer.echo(f"{clean(reference)} is created, as {clean(created)}.")
        else:
            decide_failed(engine, reference)
            typer.echo(f"{clean(reference)} has failed; cloudsales waybills retry asks for it again.")


@app.command()
def retry(reference: Reference) -> None:
    """Ask again for a failed waybill, with the order's buyer as it is now."""
    from cloudsales_pipeline.documents.waybill_decisions import retry as ask_again

    with project() as (_, engine):
        ask_again(engine, reference)
    typer.echo(f"{clean(reference)} is due again.")


@app.command()
def make(seconds: Seconds = 60.0, as_json: Json = False) -> None:
    """Make what is due now: waybills and their labels. Exit 1 where a courier can't be used."""
    from cloudsales_pipeline.documents.labels import fetch_due
    from cloudsales_pipeline.documents.waybills import make_due

    with project() as (settings, engine):
        couriers = _couriers(settings, engine)
        made = asdict(make_due(engine, settings, couriers, seconds=seconds))
        labels = asdict(fetch_due(engine, settings, couriers, seconds=seconds))
    row = {**made, "labelled": labels["labelled"], "labels_refused": labels["refused"], "labels_again": labels["again"]}
    _tell(row, made["complaints"] | labels["complaints"], as_json)


@app.command()
def track(seconds: Seconds = 60.0, as_json: Json = False) -> None:
    """Ask couriers where parcels are, each as often as the settings say. Exit 1 where one did not answer."""
    from cloudsales_pipeline.documents.tracking import track_due

    with project() as (settings, engine):
        tracked = asdict(track_due(engine, settings, _couriers(settings, engine), seconds=seconds))
    _tell(tracked, tracked.pop("away") | tracked["complaints"], as_json)


def _tell(row: dict[str, Any], complaints: dict[str, str], as_json: bool) -> None:
    print_rows([{name: value for name, value in row.items() if name != "complaints"}], as_json=as_json, title="Waybills")
    for courier, what in complaints.items():
        typer.echo(f"error: {clean(courier)}: {clean(what)}", err=True)
    if complaints:
        raise typer.Exit(1)


def _couriers(settings: Settings, engine: Engine) -> Callable[[str], Courier]:
    """Opens an account of the settings when it is needed: most of these commands call nobody."""

    def opening(name: str) -> Courier:
        from cloudsales_pipeline.documents.couriers.registry import open_courier

        return open_courier(name, settings.couriers[name], database=engine)

    return opening
