"""The record of failed runs: one line of JSON each, for whatever collects logs. Classes and names, never a message's text."""

import json
import logging
from typing import Any

import dagster as dg

from cloudsales_pipeline.resources.channels import PARTITION_TAG

LOGGER = logging.getLogger("cloudsales.run_failures")


@dg.run_failure_sensor(
    name="run_failures",
    minimum_interval_seconds=29,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes a line of JSON for each failed run: job, channel, run, and each failed step with the class of its error.",
)
def run_failures(context: dg.RunFailureSensorContext) -> None:
    """Log the failure, in the tick's log and to the process's logger."""
    line = json.dumps(describe(context), sort_keys=True)
    context.log.error(line)
    LOGGER.error("%s", line)


def describe(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """The failure as data."""
    run = context.dagster_run
    return {
        "event": "run_failed",
        "job": run.job_name,
        "channel": run.tags.get(PARTITION_TAG, ""),
        "run_id": run.run_id,
        "steps": [{"step": event.step_key, "error": _error_class(event)} for event in context.get_step_failure_events()],
    }


def _error_class(event: dg.DagsterEvent) -> str:
    """The class of what was raised: that of the error behind a Failure of ours."""
    failure = event.step_failure_data
    told = failure.user_failure_data.metadata.get("error_class") if failure.user_failure_data else None
    if isinstance(told, dg.TextMetadataValue):
        return told.text or ""
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name if error else None) or "unknown"
