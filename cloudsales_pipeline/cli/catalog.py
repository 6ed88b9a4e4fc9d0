"""`cloudsales catalog load|plan|apply|link`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.cli.stages import project

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.catalog.plan import PlanSummary
    from cloudsales_pipeline.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

ROWS_SHOWN = 50


@app.callback()
def catalog() -> None:
    """The retailer's catalogue: load it, see what an import would do, and do it."""


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX with a column sku; ean, additional_codes (by |), name, price …")],
    encoding: Annotated[str | None, typer.Option(help="Of a CSV that is not UTF-8, for example cp1250.")] = None,
    as_json: Json = False,
) -> None:
    """Load the retailer's own catalogue. Clashing codes are kept and reported; bad rows go to quarantine."""
    from cloudsales_pipeline.catalog.load import load_catalog

    with project() as (_, engine):
        result = load_catalog(engine, file, encoding=encoding, progress=lambda rows: typer.echo(f"{rows} rows read", err=True))
    print_rows([asdict(result)], as_json=as_json, title=f"{file.name} loaded")
    if result.quarantined or result.noted or result.clashes:
        typer.echo("What was held back, and why: cloudsales quarantine list --stage catalog", err=True)


@app.command()
def plan(
    channel: Annotated[str, typer.Argument(help="A channel of the settings.")],
    limit: Annotated[int, typer.Option(min=1, help="How many rows to show; all are in analytics.plan_row.")] = ROWS_SHOWN,
    outcome: Annotated[str | None, typer.Option(help="Only rows of this outcome, for example conflict.")] = None,
    as_json: Json = False,
) -> None:
    """What an import would do, row by row, with reasons. Nothing is written but the plan. The checks judge it at once."""
    from cloudsales_pipeline.catalog.plan import make_plan

    with project() as (settings, engine):
        settings.channel(channel)
        made = make_plan(engine, channel, settings.catalog)
        passed = _audit(engine, made.plan_id, settings)
        rows = _plan_rows(engine, made.plan_id, outcome, limit)
    if as_json:
        print_rows([{**asdict(made), "state": "audited" if passed else "rejected", "shown": rows}], as_json=True)
        return
    print_rows(_outcome_rows(made), as_json=False, title=f"Plan {made.plan_id} of {channel}: {made.rows} rows")
    print_rows(rows, as_json=False, title=f"The first {len(rows)} rows" if rows else "Rows")
    if passed and not made.rows:
        typer.echo(_nothing_waits(channel))
    elif passed:
        typer.echo(f"Plan {made.plan_id}. To do exactly that: cloudsales catalog apply {channel} --plan {made.plan_id}")
    else:
        typer.echo(f"error: Plan {made.plan_id} did not pass its checks (above) and can't be applied.", err=True)
        raise typer.Exit(1)


@app.command()
def apply(
    channel: Annotated[str, typer.Argument(help="A channel of the settings.")],
    plan_id: Annotated[int | None, typer.Option("--plan", help="The plan to apply; else a new one is made and applied.")] = None,
    as_json: Json = False,
) -> None:
    """Do exactly what a plan says, or refuse: a plan that the catalogue has outdated, or that did not pass its checks."""
    from cloudsales_pipeline.catalog.apply import apply_plan
    from cloudsales_pipeline.catalog.plan import make_plan, read_plan

    with project() as (settings, engine):
        settings.channel(channel)
        if plan_id is None:
            plan_id = make_plan(engine, channel, settings.catalog).plan_id
        with engine.connect() as connection:
            state = read_plan(connection, channel, plan_id).state
        if state in ("planned", "rejected"):  # a rejected plan may pass once its cause or the bounds have changed
            _audit(engine, plan_id, settings)
        result = apply_plan(engine, plan_id)
    print_rows([asdict(result)], as_json=as_json, title=f"Plan {plan_id} of {channel} applied")
    if not result.rows_in:
        typer.echo(_nothing_waits(channel), err=True)


@app.command()
def link(
    channel: Annotated[str, typer.Argument()],
    variant_id: Annotated[str, typer.Argument(help="The variant's id on the channel.")],
    sku: Annotated[str, typer.Argument(help="The product it is.")],
) -> None:
    """Tie a listing to a product by hand, for example one that was held as a duplicate: both then get its stock."""
    from cloudsales_pipeline.catalog.review import link_by_hand

    with project() as (_, engine):
        link_by_hand(engine, channel, variant_id, sku)
    typer.echo(f"{variant_id} of {channel} is linked to {sku}.")


def _nothing_waits(channel: str) -> str:
    return f"Nothing waits for a decision. New listings come with: cloudsales run import_listing --channel {channel}"


def _audit(engine: Engine, plan_id: int, settings: Settings) -> bool:
    """Judge the plan; what failed is told on stderr."""
    from cloudsales_pipeline.catalog.quality import audit_plan

    report = audit_plan(engine, plan_id, settings.quality)
    for result in report.results:
        if not (result.ran and result.passed):
            what = f"{result.offending_rows} rows" if result.ran else "could not run"
            typer.echo(f"check {result.rule}: {what}. {result.description} {result.what_to_do}", err=True)
    return report.passed


def _outcome_rows(made: PlanSummary) -> list[dict[str, Any]]:
    return [{"outcome": name, "listings": rows} for name, rows in made.outcomes.items()]


def _plan_rows(engine: Engine, plan_id: int, outcome: str | None, limit: int) -> list[dict[str, Any]]:
    import sqlalchemy as sa

    sql = (
        "select variant_id, code, ean, name, outcome, reason, coalesce(sku, array_to_string(candidates, ' or ')) as product,"
        " matched_by, earlier_variant from analytics.plan_row where plan_id = :plan_id and outcome = coalesce(:outcome, outcome)"
        " order by outcome, variant_id limit :limit"
    )
    with engine.connect() as connection:
        rows = connection.execute(sa.text(sql), {"plan_id": plan_id, "outcome": outcome, "limit": limit})
        return [dict(row._mapping) for row in rows]
