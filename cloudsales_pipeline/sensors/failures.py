"""The record of failed runs: one line of JSON each, for whatever collects logs. Classes and names, never a message's text."""

import json
import logging
from typing import Any

import dagster as dg

from cloudsales_pipeline.resources.channels import PARTITION_TAG
from cloudsales_pipeline.resources.failures import error_class

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
        "steps": [{"step": event.step_key, "error": error_class(event)} for event in context.get_step_failure_events()],
    }
