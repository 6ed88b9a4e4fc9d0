"""The asset `stock_snapshot`: stock at the end of each business date. How it is computed stands in `stock.snapshot`.

What belongs here: calling the stage for the run's dates and telling what came of each. What does not: when it runs (schedules).
"""

import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.catalog import catalog
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.days import BUSINESS_DATES
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from cloudsales_pipeline.stock.snapshot import SnapshotResult

# A night, the longest day, and some hours for a person to see it.
LATE = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=30))

BY_WAREHOUSE = """
    with day as (
        select business_date, warehouse, count(*) as products, sum(on_hand)::bigint as on_hand, sum(reserved)::bigint as reserved
        from cloudsales.stock_snapshot where business_date in (:date, :before) group by 1, 2
    )
    select warehouse, coalesce(t.products, 0) as products, coalesce(t.on_hand, 0) as on_hand, coalesce(t.reserved, 0) as reserved,
           y.on_hand as the_day_before, t.on_hand - y.on_hand as change
    from (select * from day where business_date = :date) t
    full join (select * from day where business_date = :before) y using (warehouse)
    order by warehouse
"""
MOST_CHANGED = """
    select p.sku, s.warehouse, y.on_hand as the_day_before, s.on_hand, s.on_hand - y.on_hand as change
    from cloudsales.stock_snapshot s
    join cloudsales.stock_snapshot y using (warehouse, product_id)
    join cloudsales.product p using (product_id)
    where s.business_date = :date and y.business_date = :before and s.on_hand <> y.on_hand
    order by abs(s.on_hand - y.on_hand) desc, p.sku limit 10
"""


@dg.asset(
    partitions_def=BUSINESS_DATES,
    group_name="stock",
    deps=[dg.AssetDep(catalog, partition_mapping=dg.AllPartitionMapping())],
    description="Stock at the end of each business date, by warehouse and product, for analysts: worked out from the ledger, so"
    " any past date can be taken, again too. Taken again, it writes only what was recorded since (a sale that came in late).",
    kinds={"postgres"},
    owners=["team:data"],
    tags={"stage": "stock"},
    freshness_policy=LATE,
)
def stock_snapshot(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Take the snapshot of the run's date, which is the partition's key, never counted back from now (F-32)."""
    business_date = date.fromisoformat(context.partition_key)
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.stock.snapshot import take_snapshot

        started = time.monotonic()
        result = take_snapshot(engine, business_date, project.settings().timezone)
        seconds = time.monotonic() - started
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata=snapshot_told(connection, business_date, result, seconds))


def snapshot_told(connection: "Connection", business_date: date, result: "SnapshotResult", seconds: float) -> dict[str, Any]:
    """What one date's snapshot holds, beside the one of the day before."""
    dates = {"date": business_date, "before": business_date - timedelta(days=1)}
    return {
        "dagster/row_count": result.rows_in,
        **metadata.described(connection, "stock_snapshot"),
        **metadata.counts(result, seconds),
        "by_warehouse": metadata.table(metadata.select(connection, BY_WAREHOUSE, **dates)),
        "most_changed": metadata.table(metadata.select(connection, MOST_CHANGED, **dates)),
        "look_next": dg.MetadataValue.text(
            f"analytics.stock_snapshot where business_date is {business_date}; any other moment: cloudsales stock balance --at …"
        ),
    }
