"""What sensors ask of Dagster's own record before they start a run: whether one is under way, or failed a moment ago."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from cloudsales_pipeline.resources.channels import PARTITION_TAG

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def under_way(context: dg.SensorEvaluationContext, job: str, channel: str | None = None) -> bool:
    """Whether a run of this job (for this channel, where the job has one) is under way."""
    runs = dg.RunsFilter(job_name=job, statuses=UNDER_WAY, tags=_of(channel))
    return bool(context.instance.get_run_ids(runs, limit=1))


def failed_lately(context: dg.SensorEvaluationContext, job: str, channel: str | None = None, *, within: timedelta) -> bool:
    """Whether a run failed within that time: what fails at once would otherwise be started again at each tick, for ever."""
    failed = dg.RunsFilter(
        job_name=job, statuses=[dg.DagsterRunStatus.FAILURE], tags=_of(channel), updated_after=datetime.now(UTC) - within
    )
    return bool(context.instance.get_run_ids(failed, limit=1))


def _of(channel: str | None) -> dict[str, str]:
    return {} if channel is None else {PARTITION_TAG: channel}
