"""`cloudsales verify`: every rule of the catalogue, stock, orders, purchasing and documents, over everything there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project

if TYPE_CHECKING:
    from cloudsales_pipeline.catalog.rules import RuleResult

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def verify(as_json: Json = False) -> None:
    """Recompute what must always hold, from the tables. Exit 1, with the rows, where something does not hold or could not run."""
    from cloudsales_pipeline.catalog.quality import check_catalogue
    from cloudsales_pipeline.documents.quality import check_documents
    from cloudsales_pipeline.orders.quality import check_orders
    from cloudsales_pipeline.purchasing.quality import check_purchasing
    from cloudsales_pipeline.stock.quality import check_stock

    with project() as (settings, engine):
        results = {name: check_catalogue(engine, name) for name in settings.channels}
        of_orders = check_orders(engine, settings.channels)
        of_documents = check_documents(engine, settings)
        results[""] = (
            *check_stock(engine),
            *of_orders,
            *check_purchasing(engine, settings),
            *of_documents,
        )  # of all channels together
    rows = [_row(channel, result) for channel, checked in results.items() for result in checked]
    broken = [
        {"rule": result.rule, "channel": channel, **row}
        for channel, checked in results.items()
        for result in checked
        if not result.passed
        for row in result.sample
    ]
    print_rows(rows, as_json=as_json, title="What must hold")
    if broken and not as_json:
        print_rows(broken, as_json=False, title="Rows that break it (at most 20 of each)")
    if not all(row["result"] == "holds" for row in rows):
        raise typer.Exit(1)


def _row(channel: str, result: RuleResult) -> dict[str, Any]:
    state = "holds" if result.passed else "broken" if result.ran else "could not run"
    return {
        "channel": channel,
        "rule": result.rule,
        "result": state,
        "rows": result.checked_rows,
        "broken_rows": result.offending_rows,
        "meaning": result.description,
        "what_to_do": "" if result.passed else result.what_to_do,
    }
