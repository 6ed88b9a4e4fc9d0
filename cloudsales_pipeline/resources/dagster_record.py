"""What operators should know and Dagster alone records: which jobs fail, which checks are red.

What belongs here: asking Dagster, and handing it to `operations.records`. What does not: telling anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from cloudsales_pipeline.resources.channels import PARTITION_TAG
from cloudsales_pipeline.resources.failures import error_class

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.operations.records import FailedRun, RedCheck

MOST_RUNS = 200
WILL_RETRY = "dagster/will_retry"


def note_dagster(
    engine: Engine,
    instance: dg.DagsterInstance,
    now: datetime,
    checks: Iterable[dg.AssetCheckKey] | None = None,
    *,
    by_daemon: bool = False,
) -> None:
    """Read Dagster's record of runs since the last look, and of checks, into our tables.

    Args:
        by_daemon: the daemon looks: it lives.
        checks: all there are; None where the caller does not know them, and what is red stays as it was noted.
    """
    from cloudsales_pipeline.operations import records

    with engine.connect() as connection:
        since, known = records.read_from(connection, now), records.open_failures(connection)
    failed = failed_runs(instance, since)
    done = [one for one in [*known, *failed] if _has_succeeded(instance, one, [*known, *failed])]
    red, undecided = red_checks(instance, checks) if checks is not None else ([], [])
    with engine.begin() as connection:
        records.note_failed(connection, failed)
        records.note_succeeded(connection, done)
        records.forget_old(connection, now)
        if checks is not None:
            records.note_checks(connection, red, now, undecided=undecided)
        records.note_read(connection, now)
        if by_daemon:
            records.note_alive(connection, now)


def failed_runs(instance: dg.DagsterInstance, since: datetime) -> list[FailedRun]:
    """Runs that failed since then, the newest 200; those that Dagster tries again by itself don't count, nor does a click."""
    from cloudsales_pipeline.operations.records import FailedRun

    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    return [
        FailedRun(run.job_name, run.tags.get(PARTITION_TAG, ""), run.run_id, _error(instance, run.run_id), _ended(record))
        for record in instance.get_run_records(failed, limit=MOST_RUNS)
        for run in [record.dagster_run]
        if run.tags.get(WILL_RETRY) != "true" and not run.job_name.startswith("__")
    ]


def red_checks(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> tuple[list[RedCheck], list[str]]:
    """Checks whose last evaluation did not pass; and those that are being evaluated just now, as asset.rule."""
    from cloudsales_pipeline.operations.records import RedCheck

    red, undecided = [], []
    for key, record in instance.event_log_storage.get_latest_asset_check_execution_by_key(list(checks)).items():
        asset, told = key.asset_key.to_user_string(), record.evaluation
        if told is None:
            undecided.append(f"{asset}.{key.name}")
        elif not told.passed:
            rows = told.metadata.get("rows_offending")
            count = rows.value if isinstance(rows, dg.IntMetadataValue) else None
            since = datetime.fromtimestamp(record.create_timestamp, UTC)
            red.append(RedCheck(asset, key.name, told.severity is dg.AssetCheckSeverity.WARN, count, since))
    return red, undecided


def _has_succeeded(instance: dg.DagsterInstance, one: FailedRun, failures: Iterable[FailedRun]) -> bool:
    """Whether the job has succeeded after its last failure."""
    last = max(other.failed_at for other in failures if (other.job, other.channel) == (one.job, one.channel))
    tags = {PARTITION_TAG: one.channel} if one.channel else {}
    succeeded = dg.RunsFilter(job_name=one.job, statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=last, tags=tags)
    return bool(instance.get_run_ids(succeeded, limit=1))


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp.astimezone(UTC)


def _error(instance: dg.DagsterInstance, run_id: str) -> str:
    """The class of the first error of a run; empty where it ended without one."""
    found = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    event = found[0].event_log_entry.dagster_event if found else None
    return error_class(event) if event is not None else ""
