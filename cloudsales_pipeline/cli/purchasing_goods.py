"""`cloudsales purchasing receive|send|write-off`: orders to suppliers, and deliveries. Added to the group by `register`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project


def register(app: typer.Typer) -> None:
    """Add these commands to the group."""
    app.command()(receive)
    app.command()(send)
    app.command("write-off")(write_off)


def receive(
    file: Annotated[Path, typer.Argument(help="CSV, XLSX: supplier, reference, sku, quantity[, order, warehouse, occurred_at].")],
    encoding: Annotated[str | None, typer.Option(help="Of a CSV; default UTF-8.")] = None,
    as_json: Json = False,
) -> None:
    """Receive a supplier's delivery, once by its reference; orders that wait are served, the oldest first."""
    from cloudsales_pipeline.purchasing.receipts import receive_file
    from cloudsales_pipeline.purchasing.suppliers import sync_suppliers

    with project() as (settings, engine):
        sync_suppliers(engine, settings)
        result = receive_file(engine, settings, file, encoding=encoding)
    told = {name: value for name, value in vars(result).items() if name != "held"}
    print_rows([{"file": file.name, **told}], as_json=as_json, title="Received")
    if result.held and not as_json:
        held = [
            {"row": one.delivered.row, "sku": one.delivered.sku, "reason": one.reason, **one.detail} for one in result.held[:20]
        ]
        print_rows(held, as_json=False, title="In quarantine (at most 20; all: cloudsales quarantine list --stage purchasing)")


def send(
    numbers: Annotated[list[str] | None, typer.Argument(help="Orders; none: all that were not handed over yet.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where it was sent before: the same documents once more.")] = False,
    as_json: Json = False,
) -> None:
    """Make the documents of closed orders and queue them for their suppliers, each once."""
    from cloudsales_pipeline.purchasing.handing import hand_over
    from cloudsales_pipeline.purchasing.suppliers import sync_suppliers

    with project() as (settings, engine):
        sync_suppliers(engine, settings)
        result = hand_over(engine, settings, numbers=numbers or None, again=again, by_hand=True)
    rows = [{"order": number, "outcome": outcome} for outcome, found in vars(result).items() for number in found]
    print_rows(rows, as_json=as_json, title="Orders to suppliers")


def write_off(
    number: Annotated[str, typer.Argument(help="The supplier order's number.")],
    sku: Annotated[str | None, typer.Option(help="Only this product; default: all that the order still lacks.")] = None,
    as_json: Json = False,
) -> None:
    """What the order still lacks will not come: who waits for it has it required again."""
    from cloudsales_pipeline.purchasing.receipts import write_off as write

    with project() as (_, engine):
        result = write(engine, number, sku)
    print_rows([{"order": number, **vars(result)}], as_json=as_json, title="Written off")
