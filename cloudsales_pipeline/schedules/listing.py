"""When listings are imported: each hour, a run for each channel. What follows from a changed listing, sensors start."""

import dagster as dg

from cloudsales_pipeline.assets.jobs import import_listing
from cloudsales_pipeline.resources.channels import importing_channels, register_partitions
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project


@dg.schedule(
    job=import_listing,
    cron_schedule="7 * * * *",  # off the full hour, when everybody else asks
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each hour, imports the listing of every channel: only what changed, and once in full_listing_every the whole.",
    tags={"stage": "listing"},
)
def listing_refresh(context: dg.ScheduleEvaluationContext, project: Project) -> list[dg.RunRequest]:
    """A run for each channel; a tick that is repeated starts none twice."""
    with clear_failures():
        settings = project.settings()
        register_partitions(context.instance, settings)
        tick = context.scheduled_execution_time.strftime("%Y%m%d%H%M")
        return [dg.RunRequest(run_key=f"{channel}:{tick}", partition_key=channel) for channel in importing_channels(settings)]
