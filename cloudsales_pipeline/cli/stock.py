"""`cloudsales stock …`: movements by hand and by file, what is there, and what channels were told."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project
from cloudsales_pipeline.errors import InputError, RefusedError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.stock.movements import Movement, Refused

# what a person does about a refusal; the others are seen by looking at what is there
NEXT_STEPS = {
    "unknown_sku": "look in analytics.product_code; load the product (cloudsales catalog load FILE), or give it this code"
    " (cloudsales codes add SKU CODE)",
    "unknown_warehouse": "write it as in `warehouses:` of cloudsales.yaml, or add it there",
    "quantity_too_large": "correct the quantity",
    "negative_quantity": "write it without a sign; cloudsales stock adjust has one",
    "zero_quantity": "correct the quantity; only a count may be zero",
    "future_date": "correct --at: without a zone it is in the settings' time zone",
    "bad_reference": "give it a reference of 1 to 200 characters",
}
OFFER_COLUMNS = ("channel", "kind", "variant_id", "sku", "shown", "expected", "since", "what_to_do")

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

Warehouse = Annotated[str, typer.Argument(help="A warehouse of the settings.")]
Sku = Annotated[str, typer.Argument(help="The product's SKU, or another of its codes.")]
Quantity = Annotated[int, typer.Argument(help="Whole pieces.")]
Reference = Annotated[str, typer.Option(help="The business document; posted once, a repeat does nothing.")]
At = Annotated[str | None, typer.Option(help="When it happened (2026-11-24 18:30; the settings' time zone). Default: now.")]
PastMoment = Annotated[str | None, typer.Option(help="The moment (2026-11-24 18:30; the settings' time zone). Default: now.")]


@app.callback()
def stock() -> None:
    """The stock ledger: every movement has a reference, and is never changed afterwards."""


@app.command()
def receive(warehouse: Warehouse, sku: Sku, quantity: Quantity, reference: Reference, at: At = None) -> None:
    """Goods came in."""
    _post(at, ("receipt", warehouse, quantity), sku=sku, reference=reference)


@app.command()
def issue(warehouse: Warehouse, sku: Sku, quantity: Quantity, reference: Reference, at: At = None) -> None:
    """Goods were sold or left; refused where orders hold them."""
    _post(at, ("sale", warehouse, quantity), sku=sku, reference=reference)


@app.command()
def transfer(
    origin: Warehouse, destination: Warehouse, sku: Sku, quantity: Quantity, reference: Reference, at: At = None
) -> None:
    """Goods went from one warehouse to another: two movements that sum to nothing."""
    if origin == destination:
        raise typer.BadParameter("origin and destination are the same", param_hint="DESTINATION")
    _post(at, ("transfer_out", origin, quantity), ("transfer_in", destination, quantity), sku=sku, reference=reference)


@app.command()
def count(warehouse: Warehouse, sku: Sku, quantity: Quantity, reference: Reference, at: At = None) -> None:
    """What a count found. Below what orders hold, the newest reservations go back to waiting."""
    _post(at, ("count", warehouse, quantity), sku=sku, reference=reference)


@app.command(context_settings={"ignore_unknown_options": True})  # so that -2 is a number, not an option
def adjust(warehouse: Warehouse, sku: Sku, quantity: Quantity, reference: Reference, at: At = None) -> None:
    """Correct by so many pieces, up or down (-2)."""
    _post(at, ("adjustment", warehouse, quantity), sku=sku, reference=reference)


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: reference, warehouse, sku, reason, quantity[, occurred_at].")],
    encoding: Annotated[str | None, typer.Option(help="Of a CSV; default UTF-8.")] = None,
    as_json: Json = False,
) -> None:
    """Take in a file of movements, once by its content. Rows that can't be posted go to quarantine, and are shown."""
    from cloudsales_pipeline.orders.serving import serve
    from cloudsales_pipeline.stock.files import load_file

    with project() as (settings, engine):
        _know_settings(engine, settings)
        result = load_file(engine, file, timezone=settings.timezone, encoding=encoding, then=serve)
    told = {name: getattr(result, name) for name in ("rows_in", "loaded", "unchanged", "quarantined")}
    note = "this content was taken in before; nothing was done" if result.taken_before else ""
    print_rows([{"file": file.name, **told, "note": note}], as_json=as_json, title="Movements")
    if result.refused and not as_json:
        print_rows(
            [_refused_row(one) for one in result.refused[:20]],
            as_json=False,
            title="In quarantine (at most 20 shown; all: cloudsales quarantine list --stage stock)",
        )


@app.command()
def show(sku: Sku, as_json: Json = False) -> None:
    """A product's levels, its last movements, which orders hold it or wait for it, and what each channel shows of it."""
    from cloudsales_pipeline.orders.story import held_for, waiting_for
    from cloudsales_pipeline.stock.story import levels_of, movements_of, publications_of

    parts = {
        "levels": (levels_of, f"{sku}: what is there"),
        "movements": (movements_of, "Last movements, newest first"),
        "reservations": (held_for, "Held for orders, the oldest first (at most 100)"),
        "waiting": (waiting_for, "Orders that wait for it, in the order in which they are served (at most 100)"),
        "publications": (publications_of, "What channels should show, and were told"),
    }
    with project() as (_, engine), engine.connect() as connection:
        found = {name: ask(connection, sku) for name, (ask, _title) in parts.items()}
    if as_json:
        print_rows([found], as_json=True)
        return
    for name, (_ask, title) in parts.items():
        print_rows(found[name], as_json=False, title=title)


@app.command()
def balance(
    at: PastMoment = None,
    known_at: Annotated[str | None, typer.Option(help="As it was believed then: without what was recorded later.")] = None,
    warehouse: Annotated[str | None, typer.Option(help="Only this warehouse.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only this product.")] = None,
    as_json: Json = False,
) -> None:
    """What was on hand and reserved at a past moment."""
    from cloudsales_pipeline.stock.balances import balances

    with project() as (settings, engine), engine.connect() as connection:
        rows = balances(
            connection,
            at=_instant(at, settings.timezone),
            known_at=_instant(known_at, settings.timezone, "--known-at"),
            warehouse=warehouse,
            sku=sku,
        )
    print_rows(rows, as_json=as_json, title="Balances")


@app.command("try-rule")
def try_rule(
    channel: Annotated[str, typer.Argument()],
    warehouses: Annotated[list[str] | None, typer.Option("--warehouse", help="Again for each; default: as it is.")] = None,
    buffer: Annotated[int | None, typer.Option(min=0)] = None,
    cap: Annotated[int | None, typer.Option(min=0)] = None,
    share: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many past days.")] = 14,
    as_json: Json = False,
) -> None:
    """What another rule would have shown on the channel at each past day's end. Nothing is changed."""
    from cloudsales_pipeline.stock.rules import simulate_rule

    with project() as (settings, engine), engine.connect() as connection:
        for name in warehouses or ():
            if name not in settings.warehouses:
                known = ", ".join(settings.warehouses) or "none"
                raise typer.BadParameter(f"there is no warehouse {name}; known are: {known}", param_hint="--warehouse")
        named = {
            "warehouses": tuple(warehouses) if warehouses else None,
            "buffer": buffer,
            "cap": cap,
            "share": None if share is None else Decimal(str(share)),
        }
        other = {name: value for name, value in named.items() if value is not None}
        rule = settings.channel(channel).stock.model_copy(update=other)
        rows = simulate_rule(connection, channel, rule, days=days, until=datetime.now(UTC), timezone=settings.timezone)
    print_rows(rows, as_json=as_json, title=f"{channel}: the rule in force beside the other")


@app.command("release-hold")
def release_hold(channel: Annotated[str, typer.Argument()]) -> None:
    """Let the zeroes go that the brake held, after a look at them."""
    from cloudsales_pipeline.stock.pushes import release_hold as release

    with project() as (settings, engine):
        settings.channel(channel)
        count = release(engine, channel)
    typer.echo(f"{channel}: {count} listings will go to zero with the next push." if count else f"{channel}: nothing is held.")


@app.command()
def offers(
    channel: Annotated[str | None, typer.Argument(help="Only this channel.")] = None,
    as_json: Json = False,
) -> None:
    """What a channel shows that it should not, or does not show that it should, and what to do about each."""
    from cloudsales_pipeline.stock.offers import open_offers

    with project() as (settings, engine), engine.connect() as connection:
        if channel is not None:
            settings.channel(channel)
        rows = open_offers(connection, None if channel is None else [channel])
    print_rows(rows, as_json=as_json, title="Found by reconcile_channels, and still open", columns=OFFER_COLUMNS)


def _post(at: str | None, *legs: tuple[str, str, int], sku: str, reference: str) -> None:
    from cloudsales_pipeline.orders.serving import serve
    from cloudsales_pipeline.stock.movements import Movement, post

    with project() as (settings, engine):
        _know_settings(engine, settings)
        instant = _instant(at, settings.timezone)
        movements: list[Movement] = [
            Movement(reference, warehouse, sku, reason, quantity, instant) for reason, warehouse, quantity in legs
        ]
        result = post(engine, movements, then=serve)
    if result.refused:
        raise _refusal(result.refused[0])
    if result.unchanged:
        typer.echo(f"{reference} was posted before with the same content: nothing was done.")
        return
    taken = f" {result.displaced} pieces went from reservations back to waiting." if result.displaced else ""
    typer.echo(f"{reference}: posted, {result.posted} {'movement' if result.posted == 1 else 'movements'}.{taken}")


def _know_settings(engine: Engine, settings: Settings) -> None:
    """Warehouses and rules that the settings have only now."""
    from cloudsales_pipeline.database.migrate import register_channels
    from cloudsales_pipeline.stock.rules import sync_rules

    with engine.begin() as connection:
        register_channels(connection, settings)
    sync_rules(engine, settings)


def _instant(text: str | None, timezone: str, option: str = "--at") -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip().removesuffix(" UTC") + ("+00:00" if text.strip().endswith(" UTC") else ""))
    except ValueError:
        raise typer.BadParameter("write it as 2026-11-24 18:30", param_hint=option) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(timezone))


def _refusal(refused: Refused) -> Exception:
    evidence = "; ".join(f"{name}: {value}" for name, value in _evidence(refused).items() if name != "what")
    what = f"{refused.reason}: {refused.detail.get('what', '')}{f' ({evidence})' if evidence else ''}. Nothing was posted."
    kind = InputError if refused.reason in ("unknown_sku", "unknown_warehouse") else RefusedError
    look = f"cloudsales stock show {refused.movement.sku} says what is there"
    return kind(what, next_step=NEXT_STEPS.get(refused.reason, look))


def _refused_row(refused: Refused) -> dict[str, Any]:
    """The same columns for every reason, so that what only a later row has is shown as well."""
    moved, evidence = refused.movement, _evidence(refused)
    what = evidence.pop("what", "")
    more = "; ".join(f"{name}: {value}" for name, value in evidence.items())
    told = {
        "row": moved.row,
        "reason": refused.reason,
        "reference": moved.reference,
        "warehouse": moved.warehouse,
        "sku": moved.sku,
    }
    return {**told, "what": what, "evidence": more}


def _evidence(refused: Refused) -> dict[str, Any]:
    return {name: ", ".join(value) if isinstance(value, list) else value for name, value in refused.detail.items()}
