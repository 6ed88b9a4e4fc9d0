"""The sensor of documents: starts issuing where an order's facts changed, or something is still to be made or handed over."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from cloudsales_pipeline.assets.documents import BY_AGE_TAG
from cloudsales_pipeline.assets.jobs import issue_documents
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.sensors.runs import failed_lately, under_way

JOB = "issue_documents"
PAUSE = timedelta(minutes=2)


@dg.sensor(
    job=issue_documents,
    minimum_interval_seconds=4,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks whether orders changed, a file is to be made, a waybill to be asked for, or a channel to be given"
    " something, and starts issue_documents, one run at a time. Each hour also where a rule looks at an order's age.",
    tags={"stage": "documents"},
)
def orders_to_judge(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """A run where there is something to do; the cursor is the hour in which ages were judged last."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.documents.issuing import check_settings
        from cloudsales_pipeline.documents.summary import due_now

        settings = project.settings()
        by_age = check_settings(settings, every_channel=False).mention("age_hours")
        with engine.connect() as connection:
            due = [name for name, there in due_now(connection, settings).items() if there]
    hour = f"{datetime.now(UTC):%Y%m%d%H}"
    ages = by_age and context.cursor != hour
    if not due and not ages:
        return dg.SkipReason("nothing is due")
    if under_way(context, JOB) or failed_lately(context, JOB, within=PAUSE):
        return dg.SkipReason("a run is under way, or has failed a moment ago")
    request = dg.RunRequest(tags={BY_AGE_TAG: "yes"} if ages else {})
    return dg.SensorResult(run_requests=[request], cursor=hour if ages else context.cursor)
