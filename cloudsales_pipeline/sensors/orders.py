"""The sensor of orders: looks at each channel with one cheap request, and starts an import where there is something to do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from cloudsales_pipeline.assets.jobs import import_orders
from cloudsales_pipeline.errors import CloudSalesError, describe_unexpected
from cloudsales_pipeline.resources.channels import importing_channels
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.sensors.runs import failed_lately, under_way

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.orders.polling import Poll
    from cloudsales_pipeline.settings import ChannelSettings

JOB = "import_orders"
PAUSE = timedelta(minutes=2)
AT_ONCE = 8


@dg.sensor(
    job=import_orders,
    minimum_interval_seconds=4,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks each channel, no more often than its orders.poll_seconds, whether orders are new or changed, and starts"
    " import_orders for it, one run at a time. A channel that does not answer is told once; the others go on.",
    tags={"stage": "orders"},
)
def new_orders(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """One run for each channel with something to do."""
    with clear_failures(), project.engine() as engine:
        settings = project.settings()
        there = context.instance.get_dynamic_partitions("channel")
        idle = [
            name
            for name in importing_channels(settings)
            if name in there  # else channel_partitions will see to it in a moment
            and not under_way(context, JOB, name)
            and not failed_lately(context, JOB, name, within=PAUSE)
        ]
        polls = _polled(engine, project, {name: settings.channel(name) for name in idle})
    for name, poll in polls.items():
        if poll.fresh_failure:
            context.log.warning("%s can't be asked for orders: %s", name, poll.failure)
    due = [name for name, poll in polls.items() if poll.why]
    if not due:
        return dg.SkipReason(_why_not(polls))
    return dg.SensorResult(run_requests=[dg.RunRequest(partition_key=name) for name in due])


def _polled(engine: "Engine", project: Project, channels: "dict[str, ChannelSettings]") -> "dict[str, Poll]":
    """What a look at each channel found, side by side: a slow one holds up no other."""
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="cloudsales-poll") as pool:
        looks = {name: pool.submit(_poll, engine, project, name, settings) for name, settings in channels.items()}
        found = {name: look.result() for name, look in looks.items()}
    return {name: poll for name, poll in found.items() if poll is not None}


def _poll(engine: "Engine", project: Project, name: str, settings: "ChannelSettings") -> "Poll | None":
    """A look at one channel; None where it is not time yet. What keeps it from being opened is its failure, and no other's."""
    from cloudsales_pipeline.channels.limits import TransportLimits
    from cloudsales_pipeline.orders.polling import Poll, poll, take_turn

    # A tick has a minute for all channels together; the next look is another attempt.
    limits = TransportLimits(read_seconds=10.0, attempt_seconds=15.0, total_seconds=20.0, attempts=2, longest_pause=1.0)
    try:
        if not take_turn(engine, name, timedelta(seconds=settings.orders.poll_seconds)):
            return None
        with project.channel(name, engine, limits=limits) as channel:
            return poll(engine, channel, settings.orders)
    except CloudSalesError as error:
        return Poll(failure=str(error))
    except Exception as error:  # a defect of one kind of channel must not keep the others from being asked
        return Poll(failure=describe_unexpected(error))


def _why_not(polls: "dict[str, Poll]") -> str:
    failing = [f"{name}: {poll.failure}" for name, poll in polls.items() if poll.failure]
    if failing:
        return "; ".join(failing)
    return "nothing is new" if polls else "not time to ask yet, or an import is under way or has just failed"
