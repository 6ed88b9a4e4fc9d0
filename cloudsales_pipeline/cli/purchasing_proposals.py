"""`cloudsales purchasing proposals|backtest`: what to buy before it is missing. Added to the group by `register`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cloudsales_pipeline.cli.output import Json, detail, print_rows
from cloudsales_pipeline.cli.stages import project
from cloudsales_pipeline.errors import InputError

BACKTEST = ("demand", "products", "demanded", "fill_rate", "real_fill_rate", "average_stock", "real_average_stock")


def register(app: typer.Typer) -> None:
    """Add these commands to the group."""
    app.command()(proposals)
    app.command()(backtest)


def proposals(
    day: Annotated[str | None, typer.Option("--date", help="Show what was proposed on a date before today (2026-11-23).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also products of which nothing is to be bought.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 200,
    as_json: Json = False,
) -> None:
    """What to buy before it is missing, by supplier; today's are worked out anew. Nothing is ordered."""
    from cloudsales_pipeline.purchasing.proposing import proposals as stored
    from cloudsales_pipeline.purchasing.proposing import propose

    with project() as (settings, engine):
        today = datetime.now(UTC).astimezone(ZoneInfo(settings.timezone)).date()
        on = today if day is None else _date(day)
        told = propose(engine, settings) if on == today else None
        with engine.connect() as connection:
            rows = stored(connection, on, every=every, limit=limit)
    print_rows(rows, as_json=as_json, title=f"Proposals of {on}")
    if told is not None and not as_json:
        detail(f"{told.proposed} of {told.rows_in} products with demand, {told.quantity} pieces, in {told.seconds:.1f} s")


def backtest(
    days: Annotated[int, typer.Option(help="How many of the last whole days are played again.")] = 60, as_json: Json = False
) -> None:
    """Play the ledger's last days again as if the proposals had been ordered: share served at once, and average stock."""
    from cloudsales_pipeline.purchasing.backtesting import backtest as played

    with project() as (settings, engine):
        found = played(engine, settings, days)
    whole = {"demand": "all", **{name: getattr(found, name) for name in BACKTEST[1:]}}
    print_rows([*found.classes, whole], as_json=as_json, title=f"{days} days until {found.last}", columns=BACKTEST)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a date.", next_step="write it as 2026-11-24") from None
