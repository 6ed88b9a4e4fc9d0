"""When the daily snapshot of stock is taken: after each local midnight, and for the dates that were missed."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from cloudsales_pipeline.assets.jobs import take_stock_snapshot
from cloudsales_pipeline.resources.days import TIMEZONE, dates_to_do
from cloudsales_pipeline.resources.failures import clear_failures

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
