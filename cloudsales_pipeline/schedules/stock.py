"""When stock is looked at as a whole, each night: the snapshot of the day that ended, and what every channel really shows."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from cloudsales_pipeline.assets.jobs import reconcile_channels, take_stock_snapshot
from cloudsales_pipeline.resources.channels import register_partitions
from cloudsales_pipeline.resources.days import TIMEZONE, dates_to_do
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.stock.channels import publishing_channels

ASSET = dg.AssetKey("stock_snapshot")


@dg.schedule(
    job=take_stock_snapshot,
    cron_schedule="20 0 * * *",  # a till that posts its last sales a little late is in already
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each night at 00:20 local time: the snapshot of the day that ended, those of the last month that are missing"
    " since the first one, and the checks of all of stock.",
    tags={"stage": "stock"},
)
def daily_stock_snapshot(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """A run for each date to be done (F-26). A date that failed is asked for again the next night, not twice in one."""
    with clear_failures():
        today = context.scheduled_execution_time.astimezone(ZoneInfo(TIMEZONE)).date()
        ended = (today - timedelta(days=1)).isoformat()
        done = context.instance.get_materialized_partitions(ASSET)
        night = f"{datetime.now(ZoneInfo(TIMEZONE)):%Y-%m-%d}"  # ticks that are caught up together ask for a date once
        return [dg.RunRequest(run_key=f"{key}:{night}", partition_key=key) for key in dates_to_do(ended, done)]


@dg.schedule(
    job=reconcile_channels,
    cron_schedule="23 1 * * *",  # off the full hour; 03:23 or 04:23 in Bucharest, when shops sell least
    execution_timezone="UTC",  # definitions load without settings, so without their zone; UTC skips and repeats no hour (F-32)
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each night at 01:23 UTC, reads back what every channel really shows, in rotation, and corrects what differs.",
    tags={"stage": "stock"},
)
def nightly_reconciliation(context: dg.ScheduleEvaluationContext, project: Project) -> list[dg.RunRequest]:
    """A run for each channel that is told of stock; a tick that is repeated starts none twice."""
    with clear_failures():
        settings = project.settings()
        register_partitions(context.instance, settings)
        tick = context.scheduled_execution_time.strftime("%Y%m%d%H%M")
        return [dg.RunRequest(run_key=f"{channel}:{tick}", partition_key=channel) for channel in publishing_channels(settings)]
