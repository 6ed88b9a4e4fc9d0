"""Sensors of the listing and of what follows from it: partitions, imports into the catalogue, images, freshness.

Each asks the tables what is due, with one cheap query; a cursor or a run key is a saving only.
"""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.jobs import fetch_images, import_catalog
from cloudsales_pipeline.checks.listing import ASSET, CHECK, freshness_metadata, import_ages, late
from cloudsales_pipeline.resources.channels import importing_channels, partition_changes, wanted_partitions
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.sensors.runs import failed_lately, under_way
from cloudsales_pipeline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

PAUSE = timedelta(minutes=10)


@dg.sensor(
    minimum_interval_seconds=14,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the partitions equal to the channels of the settings: those with a listing, those told of our"
    " stock, those that drop files.",
    tags={"stage": "channels"},
    asset_selection=dg.AssetSelection.assets("marketplace_listing"),
)
def channel_partitions(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """Add and delete partitions, and give a new channel its row."""
    from cloudsales_pipeline.database.migrate import register_channels

    with clear_failures():
        settings = project.settings()
        requests = _partition_requests(context.instance, settings)
        if not requests:
            return dg.SkipReason("the partitions are the channels of the settings")
        with project.engine() as engine, engine.begin() as connection:
            register_channels(connection, settings)
    return dg.SensorResult(dynamic_partitions_requests=requests)


def _partition_requests(
    instance: dg.DagsterInstance, settings: Settings
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    for definition, wanted in wanted_partitions(settings).items():
        added, gone = partition_changes(instance.get_dynamic_partitions(definition), wanted)
        requests += [dg.AddDynamicPartitionsRequest(definition, added)] if added else []
        requests += [dg.DeleteDynamicPartitionsRequest(definition, gone)] if gone else []
    return requests


@dg.sensor(
    job=import_catalog,
    minimum_interval_seconds=29,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts import_catalog for a channel with listings that need a decision: new, changed codes, or touched by a"
    " change of the catalogue. A plan that the checks rejected waits for a person; any other failure is tried again each hour.",
    tags={"stage": "catalog"},
)
def listing_changed(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """One run for each channel with pending listings, unless one is under way or the last plan of them was rejected."""
    with clear_failures(), project.engine() as engine, engine.connect() as connection:
        channels = importing_channels(project.settings())
        pending = _pending(connection, channels)
    free = [row for row in pending if not row["rejected"] and not under_way(context, "import_catalog", row["channel"])]
    if not free:
        return dg.SkipReason(_why_not(pending))
    requests = [
        dg.RunRequest(run_key=f"{row['channel']}:{row['revision']}:{row['hour']}", partition_key=row["channel"]) for row in free
    ]
    return dg.SensorResult(run_requests=requests)


@dg.sensor(
    job=fetch_images,
    minimum_interval_seconds=29,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts fetch_images for a channel with images that are due, while none of its runs is under way or failed"
    " within ten minutes.",
    tags={"stage": "listing"},
)
def images_due(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """One run for each channel with images due."""
    with clear_failures(), project.engine() as engine, engine.connect() as connection:
        due = _channels_with_images_due(connection, importing_channels(project.settings()))
    free = [
        channel
        for channel in due
        if not under_way(context, "fetch_images", channel) and not failed_lately(context, "fetch_images", channel, within=PAUSE)
    ]
    if not free:
        return dg.SkipReason("a run is under way, or failed a few minutes ago" if due else "no image is due")
    return dg.SensorResult(run_requests=[dg.RunRequest(partition_key=channel) for channel in free])


@dg.sensor(
    minimum_interval_seconds=59,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks whether every channel was imported within twice its interval, and turns the check of"
    " marketplace_listing red or green. Reports a change at once, and otherwise once an hour.",
    tags={"stage": "listing"},
    asset_selection=dg.AssetSelection.assets("marketplace_listing"),
)
def listing_freshness(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """Record an evaluation of the check without a run."""
    with clear_failures(), project.engine() as engine, engine.connect() as connection:
        ages = import_ages(connection, importing_channels(project.settings()))
        hour = _hour(connection)
    names = late(ages)
    cursor = json.dumps({"late": names, "hour": hour})
    if cursor == context.cursor:
        return dg.SkipReason(f"nothing new; late: {', '.join(names) or 'none'}")
    seen = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(ASSET),
        check_name=CHECK,
        passed=not names,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=freshness_metadata(ages),
    )
    return dg.SensorResult(asset_events=[seen], cursor=cursor)


def _why_not(pending: list[dict[str, Any]]) -> str:
    rejected = [row["channel"] for row in pending if row["rejected"]]
    if rejected:
        return f"the checks rejected the plan of {', '.join(rejected)}: look at the checks of catalog_plan, then run it again"
    return "an import is under way" if pending else "no listing needs a decision"


def _pending(connection: "Connection", channels: list[str]) -> list[dict[str, Any]]:
    """Channels with pending listings: their newest revision, the hour, and whether a plan of all of them was rejected."""
    import sqlalchemy as sa

    rows = connection.execute(
        sa.text(
            "with waiting as (select channel, max(revision) as revision from cloudsales.listing_pending"
            "                 where channel = any (:channels) group by channel)"
            " select w.channel, w.revision, to_char(now() at time zone 'UTC', 'YYYYMMDDHH24') as hour,"
            "        coalesce(p.state = 'rejected' and p.revision >= w.revision, false) as rejected"
            " from waiting w left join lateral (select state, revision from cloudsales.plan"
            "                                   where channel = w.channel order by plan_id desc limit 1) p on true"
            " order by w.channel"
        ),
        {"channels": channels},
    )
    return [dict(row) for row in rows.mappings()]


def _channels_with_images_due(connection: "Connection", channels: list[str]) -> list[str]:
    import sqlalchemy as sa

    rows = connection.scalars(
        sa.text(
            "select c.channel from unnest(cast(:channels as text[])) as c (channel)"
            " where exists (select from cloudsales.image i"
            "               where i.channel = c.channel and i.state = 'due' and i.due_at <= now())"
        ),
        {"channels": channels},
    )
    return list(rows)


def _hour(connection: "Connection") -> str:
    import sqlalchemy as sa

    return str(connection.scalar(sa.text("select to_char(now() at time zone 'UTC', 'YYYYMMDDHH24')")))
