"""`cloudsales privacy …`: give out or take away what is held of a person. Counts are printed, never the person."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project
from cloudsales_pipeline.errors import InputError

if TYPE_CHECKING:
    from cloudsales_pipeline.orders.people import Person

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

Who = Annotated[
    str, typer.Argument(metavar="EMAIL_OR_PHONE", help="The person's; - asks for it, so that it is in no shell's history.")
]


@app.callback()
def privacy() -> None:
    """What is held of a person: give it out, or erase it."""


@app.command()
def export(
    who: Who,
    out: Annotated[Path | None, typer.Option(help="A new file that its owner alone can read. Default: stdout.")] = None,
) -> None:
    """Everything held of a person, as JSON."""
    from cloudsales_pipeline.orders.privacy import export as export_person

    someone = _person(who)
    with project() as (_, engine):
        found = export_person(engine, someone)
    text = json.dumps(found, ensure_ascii=False, indent=1, default=lambda value: value.isoformat()) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    _write(out, text)
    counts = f"{len(found['orders'])} orders, {len(found['mentions'])} notes, {len(found['payloads'])} payloads"
    typer.echo(f"Written: {counts}, {len(found['messages'])} messages.")


@app.command()
def erase(
    who: Who,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count alone; erase nothing.")] = False,
    open_orders: Annotated[
        bool, typer.Option("--open-orders", help="Also of orders that are not finished; nobody can deliver them then.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take away everything held of a person; orders and their figures stay. Doing it twice is no harm."""
    from cloudsales_pipeline.orders.privacy import erase as erase_person

    someone = _person(who)
    with project() as (_, engine):
        erased = erase_person(engine, someone, open_orders=open_orders, dry_run=dry_run)
    row = {name: getattr(erased, name) for name in erased.__struct_fields__}
    print_rows([row], as_json=as_json, title="Would be erased (nothing was)" if dry_run else "Erased")
    if erased.unread and not dry_run:
        raise InputError(
            f"{erased.unread} payloads that name the person are not taken in yet.",
            next_step="import the orders, then erase again",
        )


def _person(word: str) -> Person:
    from cloudsales_pipeline.orders.people import person

    return person(typer.prompt("E-mail or phone", hide_input=True) if word == "-" else word)


def _write(file: Path, text: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(f"{file} can't be written: {error.strerror}.", next_step="name a file that is not there yet") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
