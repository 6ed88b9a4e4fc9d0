"""When suppliers' days are closed: at each one's cut-off in local time, missed dates afterwards. And the hourly requirement."""

from datetime import datetime, timedelta

import dagster as dg

from cloudsales_pipeline.assets.jobs import close_day, review_requirement
from cloudsales_pipeline.resources.channels import PARTITION_TAG
from cloudsales_pipeline.resources.days import CLOSING_DATES
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

JOB = "close_day"
PAUSE = timedelta(minutes=15)
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.schedule(
    job=close_day,
    # Cut-offs are local and each supplier's own: a look each five minutes, in UTC, which skips and repeats no hour (F-32).
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each five minutes, looks which suppliers' cut-off has passed and starts close_day for each date that is not"
    " closed yet, the oldest first: also those that were missed while nothing ran. A look that finds nothing costs little.",
    tags={"stage": "purchasing"},
)
def daily_replenishment(context: dg.ScheduleEvaluationContext, project: Project) -> list[dg.RunRequest] | dg.SkipReason:
    """A run for each date with something to close or to hand over (F-26). Two for one date would order nothing twice (I-28)."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.purchasing.due import due_dates
        from cloudsales_pipeline.purchasing.handing import dates_to_hand_over

        settings, tick = project.settings(), context.scheduled_execution_time
        if not settings.suppliers:
            return dg.SkipReason("the settings have no supplier")
        dates = set(due_dates(engine, settings, tick))
        with engine.connect() as connection:
            dates |= set(dates_to_hand_over(connection, settings))
    keys = [key for key in (one.isoformat() for one in sorted(dates)) if CLOSING_DATES.has_partition_key(key)]
    wanted = [key for key in keys if not _tried(context.instance, key, tick)]
    if not wanted:
        waits = "its run is under way, or has just failed" if keys else "no supplier's cut-off has passed that is not closed"
        return dg.SkipReason(waits)
    return [dg.RunRequest(run_key=f"{key}:{tick:%Y%m%d%H%M}", partition_key=key) for key in wanted]


def _tried(instance: dg.DagsterInstance, key: str, now: datetime) -> bool:
    """Whether a run for the date is under way, or failed a moment ago."""
    running = dg.RunsFilter(job_name=JOB, statuses=UNDER_WAY, tags={PARTITION_TAG: key})
    failed = dg.RunsFilter(
        job_name=JOB, statuses=[dg.DagsterRunStatus.FAILURE], tags={PARTITION_TAG: key}, updated_after=now - PAUSE
    )
    return any(instance.get_run_ids(runs, limit=1) for runs in (running, failed))


@dg.schedule(
    job=review_requirement,
    cron_schedule="37 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each hour, shows what must be bought and, where the settings ask for it, what to buy before it is missing.",
    tags={"stage": "purchasing"},
)
def hourly_requirement(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run; a tick that is repeated starts none twice."""
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y%m%d%H}")
