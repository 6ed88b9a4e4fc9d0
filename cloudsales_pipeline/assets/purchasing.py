"""Group `purchasing`: what must be bought, and the orders to suppliers. How: `cloudsales_pipeline.purchasing`.

What belongs here: calling the stage and telling what came of it. What does not: any rule, and when it runs (schedules).
"""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg

from cloudsales_pipeline.assets import purchasing_tables as tables
from cloudsales_pipeline.assets.orders import sales_orders
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.days import CLOSING_DATES
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from cloudsales_pipeline.purchasing.closing import Closed
    from cloudsales_pipeline.purchasing.handing import HandedOver
    from cloudsales_pipeline.purchasing.proposing import Proposed
    from cloudsales_pipeline.settings import Settings

SHOWN = 100


@dg.asset(
    group_name="purchasing",
    deps=[dg.AssetDep(sales_orders, partition_mapping=dg.AllPartitionMapping())],
    description="What must be bought now: each piece that an order waits for and that is not on order yet, by supplier; what has"
    " no supplier; what other warehouses have of it. With purchasing.proposal set, beside it what to buy before it is missing."
    " Looking at it orders nothing.",
    kinds={"python", "postgres"},
    owners=["team:purchasing"],
    tags={"stage": "purchasing"},
)
def purchase_requirement(project: Project) -> dg.MaterializeResult[Any]:
    """Show the requirement as it stands, and make today's proposals where the settings ask for them."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.purchasing.proposing import propose
        from cloudsales_pipeline.purchasing.suppliers import sync_suppliers

        settings = project.settings()
        sync_suppliers(engine, settings)
        proposed = propose(engine, settings) if settings.purchasing.proposal else None
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata=requirement_told(connection, settings, proposed))


@dg.asset(
    partitions_def=CLOSING_DATES,
    group_name="purchasing",
    deps=[purchase_requirement],
    description="One order for each supplier and business date, closed at the supplier's cut-off: what its lines were bought for,"
    " rounded to packs, numbered and frozen; its documents made and queued for the supplier. A date that was closed stays as it"
    " is, whoever runs it again.",
    kinds={"python", "postgres"},
    owners=["team:purchasing"],
    tags={"stage": "purchasing"},
)
def supplier_orders(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Close the run's date for all whose cut-off has passed, and hand over what was not handed over yet."""
    business_date = date.fromisoformat(context.partition_key)
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.purchasing.closing import close_day
        from cloudsales_pipeline.purchasing.handing import hand_over

        settings = project.settings()
        closed = close_day(engine, settings, business_date)
        handed = hand_over(engine, settings)
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata=close_told(connection, settings, business_date, closed, handed))


def requirement_told(connection: "Connection", settings: "Settings", proposed: "Proposed | None") -> dict[str, Any]:
    """What must be bought, as of now."""
    from cloudsales_pipeline.purchasing.requirement import open_requirement, waiting_unbought, without_supplier

    today = datetime.now(UTC).astimezone(ZoneInfo(settings.timezone)).date()
    by_supplier = tables.by_supplier(connection, today)
    ages = tables.by_day_placed(connection, settings.timezone)
    return {
        "dagster/row_count": sum(row["products"] for row in by_supplier),
        **metadata.described(connection, "requirement"),
        "to_be_bought": sum(row["pieces"] for row in by_supplier),
        "products_without_supplier": sum(row["products"] for row in by_supplier if row["supplier"] is None),
        "by_supplier": metadata.table(by_supplier),
        "most_wanted": metadata.table(open_requirement(connection, today, limit=SHOWN)),
        "without_supplier": metadata.table(without_supplier(connection, today, limit=SHOWN)),
        "waits_and_is_not_bought": metadata.table(waiting_unbought(connection, limit=SHOWN)),
        **({"waiting_by_day": dg.MetadataValue.md(tables.waiting_picture(ages))} if ages else {}),
        **_proposals_told(connection, proposed),
        "look_next": dg.MetadataValue.text(
            "analytics.requirement where state = 'open'; cloudsales purchasing close --dry-run; cloudsales purchasing chain SKU"
        ),
    }


def _proposals_told(connection: "Connection", proposed: "Proposed | None") -> dict[str, Any]:
    """Beside the requirement, and apart from it: nothing of this is ordered."""
    from cloudsales_pipeline.purchasing.proposing import proposals

    if proposed is None:
        return {"proposals": dg.MetadataValue.text("off: `proposal: {}` under `purchasing:` asks for them")}
    return {
        "proposed": proposed.proposed,
        "proposed_pieces": proposed.quantity,
        "products_with_demand": proposed.rows_in,
        "proposals": metadata.table(proposals(connection, proposed.business_date, limit=SHOWN)),
    }


def close_told(
    connection: "Connection", settings: "Settings", business_date: date, closed: "Sequence[Closed]", handed: "HandedOver"
) -> dict[str, Any]:
    """The date as it stands in the tables, so that a run again tells the same; and what this run did."""
    orders = tables.closes(connection, business_date)
    dates = tables.by_date(connection)
    done = {one.supplier for one in closed}
    return {
        "dagster/row_count": sum(row["lines"] for row in orders),
        **metadata.described(connection, "supplier_order_line"),
        "suppliers_closed": sum(one.outcome != "closed_before" for one in closed),
        "closed_before": sum(one.outcome == "closed_before" for one in closed),
        "orders": sum(row["number"] is not None for row in orders),
        "order_lines": sum(row["lines"] for row in orders),
        "pieces": sum(row["quantity"] for row in orders),
        "surplus": sum(row["surplus"] for row in orders),
        "queued": len(handed.queued),
        "without_address": len(handed.without_address),
        "supplier_orders": metadata.table(orders),
        "lines": metadata.table(tables.lines(connection, business_date, SHOWN)),
        "value": metadata.table(tables.value(connection, business_date)),
        "not_yet_at_their_cut_off": dg.MetadataValue.text(", ".join(n for n in settings.suppliers if n not in done) or "none"),
        **({"pieces_by_date": dg.MetadataValue.md(tables.ordered_picture(dates))} if dates else {}),
        "look_next": dg.MetadataValue.text(
            f"analytics.supplier_order where business_date is {business_date}; cloudsales purchasing show NUMBER"
        ),
    }
