"""`cloudsales purchasing …`: what must be bought, the close of the day, supplier orders and their chain, prices, transfers.

What arrives and is sent (`receive`, `send`, `write-off`) is in purchasing_goods; what to buy before it is missing in
purchasing_proposals.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cloudsales_pipeline.cli import purchasing_goods, purchasing_proposals
from cloudsales_pipeline.cli.output import Json, detail, print_rows
from cloudsales_pipeline.cli.stages import project
from cloudsales_pipeline.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.purchasing.closing import Closed
    from cloudsales_pipeline.settings import Settings

CLOSED = (
    "supplier",
    "business_date",
    "cut_off_at",
    "outcome",
    "number",
    "lines",
    "quantity",
    "required",
    "surplus",
    "from_surplus",
    "note",
)
LINE = ("supplier", "business_date", "sku", "quantity", "required", "surplus", "pack", "price", "currency")

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
prices_app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
transfers_app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
purchasing_goods.register(app)
purchasing_proposals.register(app)
app.add_typer(prices_app, name="prices", help="Suppliers' price lists.")
app.add_typer(transfers_app, name="transfers", help="What other warehouses could give instead of buying it.")

Supplier = Annotated[str | None, typer.Option(help="A supplier of the settings, by its key; else all.")]
Day = Annotated[str | None, typer.Option("--date", help="A business date (2026-11-24).")]
Proposal = Annotated[int, typer.Argument(help="Its number in the list.")]


@app.callback()
def purchasing() -> None:
    """What orders lack is bought: one order for each supplier and business date."""


@app.command()
def close(
    day: Day = None,
    supplier: Supplier = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be ordered, and order nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Close a date; without --date all that are due, the oldest first. A date that was closed before stays as it is."""
    from cloudsales_pipeline.purchasing.closing import close_day
    from cloudsales_pipeline.purchasing.due import due
    from cloudsales_pipeline.purchasing.requirement import without_supplier

    chosen = None if supplier is None else [supplier]
    with _purchasing() as (settings, engine):
        if day is not None:
            work = {_date(day): chosen}
        else:
            every = due(engine, settings, datetime.now(UTC))
            work = {on: names if chosen is None else chosen for on, names in every.items() if not supplier or supplier in names}
        closed = [one for on, names in work.items() for one in close_day(engine, settings, on, suppliers=names, dry_run=dry_run)]
        with engine.connect() as connection:
            homeless = without_supplier(connection, _today(settings))
    rows = [{**{name: getattr(one, name) for name in CLOSED}, "dry_run": dry_run} for one in closed]
    if as_json:
        print_rows([{**row, "order_lines": _lines(one)} for row, one in zip(rows, closed, strict=True)], as_json=True)
        return
    print_rows(rows, as_json=False, title="What would be ordered" if dry_run else "Closed", columns=CLOSED)
    print_rows([line for one in closed for line in _lines(one)], as_json=False, title="Lines", columns=LINE)
    if not closed:
        detail("nothing is due; a date by name: cloudsales purchasing close --date 2026-11-24")
    if homeless:
        print_rows(homeless, as_json=False, title="To be bought, but of no known supplier")


@app.command()
def requirement(supplier: Supplier = None, as_json: Json = False) -> None:
    """What must be bought, by supplier; what has no supplier; and what waits without being bought, and why."""
    from cloudsales_pipeline.purchasing.requirement import open_requirement, waiting_unbought, without_supplier

    with _purchasing() as (settings, engine), engine.connect() as connection:
        if supplier is not None and supplier not in settings.suppliers:
            known = ", ".join(settings.suppliers) or "none"
            raise InputError(f"There is no supplier {supplier!r} in the settings; there are: {known}.")
        rows = open_requirement(connection, _today(settings), supplier=supplier)
        if as_json:
            print_rows(rows, as_json=True)
            return
        print_rows(rows, as_json=False, title="To be bought (a row without a supplier: a person must name one)")
        if supplier is None:
            homeless = without_supplier(connection, _today(settings))
            print_rows(homeless, as_json=False, title="Of no known supplier: load a price list, or name one in the catalogue")
            print_rows(waiting_unbought(connection), as_json=False, title="Waits, and is not to be bought")


@app.command()
def orders(supplier: Supplier = None, as_json: Json = False) -> None:
    """Supplier orders, the newest first, and what became of them."""
    from cloudsales_pipeline.purchasing.requirement import supplier_orders

    with _purchasing() as (_, engine), engine.connect() as connection:
        print_rows(supplier_orders(connection, supplier=supplier), as_json=as_json, title="Supplier orders")


@app.command()
def show(number: Annotated[str, typer.Argument(help="A supplier order's number.")], as_json: Json = False) -> None:
    """The lines of a supplier order: for which orders each was bought, and with which deliveries it came."""
    from cloudsales_pipeline.purchasing.requirement import order_lines

    with _purchasing() as (_, engine), engine.connect() as connection:
        print_rows(order_lines(connection, number), as_json=as_json, title=number)


@app.command()
def chain(
    name: Annotated[str, typer.Argument(metavar="SKU", help="A product's SKU or code, or an order's id.")], as_json: Json = False
) -> None:
    """Order line, requirement, supplier order, delivery: of one product or one order, the oldest line first."""
    from cloudsales_pipeline.purchasing.requirement import chain as chain_of

    with _purchasing() as (_, engine), engine.connect() as connection:
        print_rows(chain_of(connection, name), as_json=as_json, title=name)


@prices_app.callback()
def _prices() -> None:
    """Suppliers' price lists."""


@prices_app.command()
def load(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or XLSX: supplier, sku, valid_from[, price, currency, supplier_code, pack_size, minimum_quantity,"
            " lead_time_days, preferred, locked, valid_until]."
        ),
    ],
    encoding: Annotated[str | None, typer.Option(help="Of a CSV; default UTF-8.")] = None,
    as_json: Json = False,
) -> None:
    """Load a price list; the same again changes nothing. Rows that can't be used go to quarantine, and are shown."""
    from cloudsales_pipeline.purchasing.prices import load_prices

    with _purchasing() as (_, engine):
        result = load_prices(engine, file, encoding=encoding)
    told = {name: getattr(result, name) for name in ("rows_in", "loaded", "unchanged", "quarantined")}
    print_rows([{"file": file.name, **told}], as_json=as_json, title="Prices")
    if result.refused and not as_json:
        print_rows(
            [{"row": one.row, "reason": one.reason, **one.detail} for one in result.refused[:20]],
            as_json=False,
            title="In quarantine (at most 20 shown; all: cloudsales quarantine list --stage purchasing)",
            columns=("row", "reason", "supplier", "sku", "valid_from", "what", "found"),
        )


@transfers_app.command("list")
def list_transfers(as_json: Json = False) -> None:
    """Open proposals, the oldest first."""
    from cloudsales_pipeline.purchasing.transfers import open_proposals

    with _purchasing() as (_, engine), engine.connect() as connection:
        print_rows(open_proposals(connection), as_json=as_json, title="Transfer proposals")


@transfers_app.command("accept")
def accept_transfer(proposal: Proposal, as_json: Json = False) -> None:
    """The goods went over: both movements are posted, and who waits is served."""
    from cloudsales_pipeline.purchasing.transfers import accept

    with _purchasing() as (_, engine):
        moved = accept(engine, proposal)
    row = {name: getattr(moved, name) for name in ("proposal_id", "sku", "from_warehouse", "to_warehouse", "quantity")}
    print_rows([row], as_json=as_json, title="Moved")


@transfers_app.command("dismiss")
def dismiss_transfer(proposal: Proposal, as_json: Json = False) -> None:
    """The pieces stay where they are; what waits is bought at the next close."""
    from cloudsales_pipeline.purchasing.transfers import dismiss

    with _purchasing() as (_, engine):
        dismiss(engine, proposal)
    print_rows([{"proposal_id": proposal, "state": "dismissed"}], as_json=as_json, title="Transfer proposal")


@contextmanager
def _purchasing() -> Iterator[tuple[Settings, Engine]]:
    """The settings and the database, whose suppliers are as the settings say."""
    from cloudsales_pipeline.purchasing.suppliers import sync_suppliers

    with project() as (settings, engine):
        sync_suppliers(engine, settings)
        yield settings, engine


def _lines(closed: Closed) -> list[dict[str, Any]]:
    return [
        {
            "supplier": closed.supplier,
            "business_date": closed.business_date,
            **line._asdict(),
            "surplus": line.quantity - line.required,
        }
        for line in closed.order_lines
    ]


def _today(settings: Settings) -> date:
    return datetime.now(ZoneInfo(settings.timezone)).date()


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a date.", next_step="write it as 2026-11-24") from None
