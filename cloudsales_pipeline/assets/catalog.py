"""Group `catalog`: a plan of what a listing does to the catalogue, and its apply. The checks stand between (checks.catalog).

What belongs here: calling the stage and telling what came of it. What does not: how codes decide (`catalog.plan`).
"""

import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.listing import marketplace_categories, marketplace_listing
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import CHANNELS
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.plans import plan_of_run
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SAMPLE = 5
OUTCOMES = ("linked", "created", "suggested", "conflict", "invalid", "duplicate")
PICTURED_IMPORTS = 20


@dg.asset(
    partitions_def=CHANNELS,
    group_name="catalog",
    deps=[marketplace_listing],
    description="What importing the channel's listing would do, row by row, with the reason for each. Nothing of the catalogue is"
    " touched; the checks judge the plan, and only an audited plan is applied.",
    kinds={"postgres"},
    owners=["team:operations", "team:data"],
    tags={"stage": "catalog"},
)
def catalog_plan(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Decide every listing of the run's channel that needs a decision."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.catalog.plan import make_plan

        started = time.monotonic()
        plan = make_plan(engine, name, project.settings().catalog, run_id=context.run.run_id)
        seconds = time.monotonic() - started
        context.log.info("plan %d: %d rows decided in %.1f s", plan.plan_id, plan.rows, seconds)
        with engine.connect() as connection:
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": plan.rows,
                    **metadata.described(connection, "plan_row"),
                    "plan": plan.plan_id,
                    "seconds": round(seconds, 3),
                    "rows_per_second": round(plan.rows / seconds) if seconds > 0 else 0,
                    "outcomes": metadata.table([{"outcome": key, "rows": rows} for key, rows in plan.outcomes.items()]),
                    "sample": metadata.table(_sample_plan(connection, plan.plan_id)),
                    "over_time": _picture(connection, name),
                    "look_next": dg.MetadataValue.text(
                        f"the checks of this asset; row by row: the table analytics.plan_row, plan_id {plan.plan_id}"
                    ),
                }
            )


@dg.asset(
    partitions_def=CHANNELS,
    group_name="catalog",
    deps=[catalog_plan, marketplace_categories],
    description="The retailer's catalogue after the import: listings linked to products by their codes, products made for those"
    " that nobody knew. In one transaction, exactly what the audited plan says, or nothing.",
    kinds={"postgres"},
    owners=["team:operations", "team:data"],
    tags={"stage": "catalog"},
)
def catalog(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Apply the audited plan of the run's channel."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.catalog.apply import apply_plan

        with engine.connect() as connection:
            plan_id = plan_of_run(connection, name, context.run.run_id)
        if plan_id is None:
            raise RefusedError(f"There is no plan of the channel {name} to apply.", next_step="materialize catalog_plan first")
        started = time.monotonic()
        result = apply_plan(engine, plan_id, run_id=context.run.run_id)
        seconds = time.monotonic() - started
        with engine.connect() as connection:
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": _products(connection),
                    **metadata.described(connection, "product"),
                    **metadata.counts(result, seconds),
                    "plan": plan_id,
                    "products_created": result.products_created,
                    "links_made": result.links_made,
                    "outcomes": metadata.table(_outcomes(connection, name)),
                    "sample": metadata.table(_sample_links(connection, name)),
                    "quarantine_open": metadata.table(_quarantine(connection, name)),
                    "over_time": _picture(connection, name),
                    "look_next": dg.MetadataValue.text(
                        "cloudsales quarantine list --stage match: listings still on sale whose stock nobody manages;"
                        " why a link was made: select evidence from analytics.match_outcome where variant_id = …"
                    ),
                }
            )


def _picture(connection: "Connection", channel: str) -> dg.MarkdownMetadataValue | dg.TextMetadataValue:
    from cloudsales_pipeline.assets.picture import outcomes_over_time

    rows = metadata.select(
        connection,
        "select plan_id, linked, created, suggested, conflict, invalid, duplicate from cloudsales.plan"
        " where channel = :channel and rows > 0 and (state = 'applied' or plan_id = (select max(plan_id) from cloudsales.plan"
        " where channel = :channel)) order by plan_id desc limit :limit",
        channel=channel,
        limit=PICTURED_IMPORTS,
    )
    if not rows:
        return dg.MetadataValue.text("no import with rows yet")
    return dg.MetadataValue.md(outcomes_over_time(OUTCOMES, list(reversed(rows))))


def _products(connection: "Connection") -> int:
    import sqlalchemy as sa

    return int(connection.scalar(sa.text("select count(*) from cloudsales.product")) or 0)


def _outcomes(connection: "Connection", channel: str) -> list[dict[str, Any]]:
    return metadata.select(
        connection,
        "select outcome, coalesce(matched_by, reason, '') as by, count(*) as listings from cloudsales.match_outcome"
        " where channel = :channel group by 1, 2 order by 3 desc limit :limit",
        channel=channel,
        limit=4 * SAMPLE,
    )


def _quarantine(connection: "Connection", channel: str) -> list[dict[str, Any]]:
    return metadata.select(
        connection,
        "select stage, reason, count(*) as rows from cloudsales.quarantine"
        " where channel = :channel and resolved_at is null group by 1, 2 order by 3 desc limit :limit",
        channel=channel,
        limit=4 * SAMPLE,
    )


def _sample_plan(connection: "Connection", plan_id: int) -> list[dict[str, Any]]:
    return metadata.select(
        connection,
        "select variant_id, code, ean, outcome, reason, sku, matched_by from analytics.plan_row"
        " where plan_id = :plan limit :limit",
        plan=plan_id,
        limit=SAMPLE,
    )


def _sample_links(connection: "Connection", channel: str) -> list[dict[str, Any]]:
    return metadata.select(
        connection,
        "select l.variant_id, p.sku, k.matched_by, k.code, k.ean"
        " from (select * from cloudsales.link where channel = :channel order by linked_at desc limit :limit) k"
        " join cloudsales.listing l using (listing_id) join cloudsales.product p on p.product_id = k.product_id",
        channel=channel,
        limit=SAMPLE,
    )
