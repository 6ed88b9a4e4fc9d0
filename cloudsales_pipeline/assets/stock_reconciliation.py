"""Group `stock`: what the channels really show of it. How that is found stands in `cloudsales_pipeline.stock.reconcile`.

What belongs here: calling the stage and telling what came of it. What does not: what counts as drift, and the publishing of
corrections (assets.stock).
"""

import time
from typing import TYPE_CHECKING, Any

import dagster as dg
from msgspec.structs import asdict

from cloudsales_pipeline.assets.stock import stock_publication
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import PUBLISHING_CHANNELS
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.stock.channels import publishing_channels

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from cloudsales_pipeline.stock.reconcile import Reconciliation

RECONCILE_SECONDS = 3600.0
SAMPLE = 20


@dg.asset(
    partitions_def=PUBLISHING_CHANNELS,
    group_name="stock",
    deps=[stock_publication],
    description="What the channel really shows, read back in rotation. More than there is to sell is corrected at once, less when"
    " a later look still sees it. Lists what is sold there and unknown here, what is not shown, what was never acknowledged.",
    kinds={"postgres"},
    owners=["team:operations"],
    tags={"stage": "stock"},
)
def channel_offers(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Reconcile the run's channel, at most an hour; what is not reached has its turn next time."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.stock.reconcile import reconcile
        from cloudsales_pipeline.stock.rules import sync_rules

        settings = project.settings()
        if name not in publishing_channels(settings):
            raise RefusedError(f"The channel {name} is told of no stock.", next_step=f"set channels.{name}.stock.warehouses")
        sync_rules(engine, settings)
        with project.channel(name, engine) as channel:
            found = reconcile(
                engine,
                channel,
                settings.channel(name).limits,
                settings.stock,
                deadline=time.monotonic() + RECONCILE_SECONDS,
                progress=metadata.progress(context.log.info),
            )
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata=_told(connection, name, found))


def _told(connection: "Connection", name: str, found: "Reconciliation") -> dict[str, Any]:
    """What was read and what came of it, what is open now, and how far round the listings the rotation is."""
    from cloudsales_pipeline.stock.offers import open_offers, rotation, standing

    behind, listings = rotation(connection, name)
    now = standing(connection, [name])
    return {
        "dagster/row_count": sum(now[0][kind] for kind in ("ghost", "never_acknowledged", "not_shown", "drift", "corrected")),
        **metadata.described(connection, "channel_offer"),
        **asdict(found),
        "round": "whole" if found.came_round else f"{behind} of {listings} listings",
        "open_by_kind": metadata.table(now),
        "open": metadata.table(open_offers(connection, [name], limit=SAMPLE)),
        "look_next": dg.MetadataValue.text(
            f"cloudsales stock offers {name}; what was corrected and when: the event drift_found in analytics.event"
        ),
    }
