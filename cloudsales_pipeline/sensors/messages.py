"""The sensor of messages: starts sending where something is due and there is a way out for it."""

from datetime import timedelta

import dagster as dg

from cloudsales_pipeline.assets.jobs import send_messages
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.sensors.runs import failed_lately, under_way

JOB = "send_messages"
PAUSE = timedelta(minutes=2)


@dg.sensor(
    job=send_messages,
    minimum_interval_seconds=4,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks whether a message is due or something happened that is to be told, and starts send_messages, one run at a"
    " time. Without a gateway in the settings messages wait: a check says so.",
    tags={"stage": "messages"},
)
def messages_due(context: dg.SensorEvaluationContext, project: Project) -> dg.RunRequest | dg.SkipReason:
    """A run where something can be sent, or is to be told."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.messages.telling import waits_to_be_told
        from cloudsales_pipeline.outbox.gateways import has_gateway
        from cloudsales_pipeline.outbox.summary import due_media

        settings = project.settings()
        with engine.connect() as connection:
            media, happened = due_media(connection), waits_to_be_told(connection, settings)
        ways = sorted(medium for medium in media if has_gateway(settings.messages, medium))
    if not media and not happened:
        return dg.SkipReason("nothing is due")
    if not ways and not happened:
        return dg.SkipReason(f"nothing is set up for {', '.join(sorted(media))}: see messages.email_url_env and sms_url_env")
    if under_way(context, JOB) or failed_lately(context, JOB, within=PAUSE):
        return dg.SkipReason("a run is under way, or has failed a moment ago")
    return dg.RunRequest()
