"""Group `orders`: what was bought on the channels. How orders are taken in stands in `cloudsales_pipeline.orders`.

What belongs here: calling the stage and telling what came of it, without a word of who bought. What does not: any rule.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.catalog import catalog
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import CHANNELS
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from cloudsales_pipeline.orders.importing import ImportResult
    from cloudsales_pipeline.settings import Settings


@dg.asset(
    partitions_def=CHANNELS,
    group_name="orders",
    deps=[catalog],
    description="The channel's orders, each with its stock reserved in the transaction that took it in. What is short waits, the"
    " oldest order first. The channel is told of each order that is held. The sensor new_orders starts this by itself.",
    kinds={"python", "postgres"},
    owners=["team:operations", "team:sales"],
    tags={"stage": "orders"},
)
def sales_orders(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Import the orders of the run's channel; an interrupted import goes on where it stood."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine, project.channel(name, engine) as channel:
        from cloudsales_pipeline.orders.importing import import_orders

        settings = project.settings()
        _listen(context, engine, settings)
        result = import_orders(
            engine,
            channel,
            settings.channel(name),
            progress=metadata.progress(context.log.info),
            run_id=context.run.run_id,
        )
        if result.failure is not None:
            raise result.failure  # what had come before it is taken in, reserved, and noted in run_summary
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata=told(connection, name, result, settings.timezone))


def _listen(context: dg.AssetExecutionContext, engine: "Engine", settings: "Settings") -> None:
    """Have what happens to these orders noted, for who is told of it. Rules that are not usable are no reason to take none in."""
    from cloudsales_pipeline.errors import SettingsError
    from cloudsales_pipeline.messages.telling import sync_rules

    try:
        sync_rules(engine, settings)
    except SettingsError as error:
        context.log.warning("Nobody is told of these orders by the rules of messages: %s", error)


def told(connection: "Connection", channel: str, result: "ImportResult", timezone: str) -> dict[str, Any]:
    """What the import did, and how the channel's orders stand now."""
    from cloudsales_pipeline.assets.orders_picture import orders_by_hour
    from cloudsales_pipeline.orders import summary

    standing = summary.standing_of(connection, channel)
    return {
        "dagster/row_count": standing["orders"],
        **metadata.described(connection, "sales_order"),
        **metadata.counts(result, result.seconds),
        **{name: getattr(result.batch, name) for name in ("new", "amended", "held", "reserved", "waiting", "unknown_lines")},
        "served": result.served,
        "expired": result.expired,
        "acknowledged": result.told.done,
        "acknowledge_again": result.told.locked + result.told.failed,
        "pages": result.pages,
        "asked_by_another": not result.asked,
        **{name: standing[name] for name in ("in_review", "unacknowledged", "oldest_unacknowledged_minutes")},
        "value_of_seven_days": metadata.table(summary.value_by_currency(connection, channel)),
        "shortages": metadata.table(summary.shortages(connection, channel)),
        "last_orders": metadata.table(summary.last_orders(connection, channel)),
        "orders_by_hour": dg.MetadataValue.md(orders_by_hour(summary.by_hour(connection, channel, timezone))),
        "look_next": dg.MetadataValue.text("cloudsales orders list --review; cloudsales quarantine list --stage orders"),
    }
