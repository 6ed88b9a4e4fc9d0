"""Group `stock`: what the channels are told of our stock. How that is done stands in `cloudsales_pipeline.stock`.

What belongs here: calling the stage and telling what came of it, for the job and for the sensor alike. What does not: any rule
of what is sent, or when.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.catalog import catalog
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import PUBLISHING_CHANNELS
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.lag_picture import lag_histogram
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from cloudsales_pipeline.stock.publisher import PublishResult

PUBLISH_SECONDS = 600.0
LEASE_SECONDS = 15.0
LAG_MINUTES = 60


@dg.asset(
    partitions_def=PUBLISHING_CHANNELS,
    group_name="stock",
    deps=[dg.AssetDep(catalog, partition_mapping=dg.AllPartitionMapping())],
    description="What each listing of the channel should show of our stock, sent to it: what differs, most urgent first. The"
    " sensor stock_deltas does this every few seconds; materialize it by hand to send now.",
    kinds={"postgres"},
    owners=["team:operations", "team:data"],
    tags={"stage": "stock"},
)
def stock_publication(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Publish the channel's stock until nothing is due, at most ten minutes."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.stock.publishing import publish_all

        results = publish_all(
            project.settings(),
            engine,
            seconds=PUBLISH_SECONDS,
            names=[name],
            keep_listening=False,
            wait_for_lease=LEASE_SECONDS,
        )
        result = results.get(name)
        if result is None:
            raise RefusedError(f"The channel {name} is told of no stock.", next_step=f"set channels.{name}.stock.warehouses")
        if result.failure and result.due:
            raise RefusedError(
                f"{result.due} figures for {name} are still to be sent: its last error was {result.failure}.",
                next_step="nothing is lost; the sensor stock_deltas goes on by itself",
            )
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata=published(connection, name, result, project.settings().lag_objective(name)))


def published(connection: "Connection", channel: str, result: "PublishResult", objective: timedelta) -> dict[str, Any]:
    """What was sent, and how long changes of the last hour had waited (seconds)."""
    from cloudsales_pipeline.stock.pushes import minutes

    hour = minutes(connection, channel, LAG_MINUTES)
    counts = hour.pop("lag_counts")
    lags = {name: hour[name] for name in ("lag_p50", "lag_p99") if hour[name] is not None}
    picture = lag_histogram(counts, hour["lag_p50"], hour["lag_p99"], objective.total_seconds())
    return {
        **metadata.described(connection, "publication"),
        **{name: getattr(result, name) for name in ("requests", "pushed", "acknowledged", "stale", "rejected")},
        "unknown_variant": result.unknown_variant,
        "due": result.due,
        "held": result.held,
        "pending": result.pending,
        "by_another_publisher": not result.led,
        "last_hour": metadata.table([hour]),
        **lags,
        **({"lag_of_the_last_hour": dg.MetadataValue.md(picture)} if lags else {}),
        "look_next": dg.MetadataValue.text(
            "select * from analytics.publication where state <> 'done'; minute by minute: analytics.stock_push"
        ),
    }
