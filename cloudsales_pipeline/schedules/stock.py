"""When stock is reconciled: each night, a run for each channel that is told of it. The next night goes on where one failed."""

import dagster as dg

from cloudsales_pipeline.assets.jobs import reconcile_channels
from cloudsales_pipeline.resources.channels import register_partitions
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.stock.channels import publishing_channels


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
