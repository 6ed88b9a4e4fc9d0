"""The sensor of stores' files: looks into each inbox, and starts a run where a file is complete.

What belongs here: looking, all inboxes side by side, and asking for runs. What does not: what is remembered between looks,
when a run is due (`stock.inbox_watch`), and taking files in (`stock.inbox`), where completeness is judged once more.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import dagster as dg
import msgspec

from cloudsales_pipeline.assets.jobs import load_store_files
from cloudsales_pipeline.errors import CloudSalesError, describe_unexpected
from cloudsales_pipeline.resources.channels import INBOX_CHANNELS, PARTITION_TAG
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.sensors.runs import UNDER_WAY
from cloudsales_pipeline.settings import ChannelSettings
from cloudsales_pipeline.stock.channels import inbox_channels

if TYPE_CHECKING:
    from cloudsales_pipeline.channels.folders import Entry
    from cloudsales_pipeline.stock.inbox_watch import Watch

LOGGER = logging.getLogger("cloudsales.inbox")
LOOK_AGAIN_SECONDS = 30.0  # after a folder could not be looked into; doubled each time
MOST_THREADS = 8


@dg.sensor(
    job=load_store_files,
    minimum_interval_seconds=4,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks into each store's inbox, and starts load_store_files where a file has stayed the same for settle_seconds."
    " Where a run left a file, the next is a minute later, then two, four, …; an inbox that can't be reached is left alone for a"
    " while, and the others go on.",
    tags={"stage": "stock"},
)
def store_files(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """One run for each inbox with something complete, unless one is under way."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.stock import inbox, inbox_watch

        settings = project.settings()
        names = inbox_channels(settings)
        if not names:
            return dg.SkipReason("no channel has an inbox: set channels.NAME.inbox")
        unarchived = inbox.to_archive(engine, names)
        watches = _remembered(context.cursor)
        now = time.time()
        looked = _look({n: settings.channel(n) for n in names if watches.get(n, inbox_watch.Watch()).look_again_at <= now})
        settle, pause = settings.stock.settle_seconds, inbox.patience(settings.stock.settle_seconds)
        after: dict[str, Watch] = {}
        asked: list[str] = []
        for name in names:
            watch = _after_look(name, watches.get(name, inbox_watch.Watch()), looked.get(name), unarchived.get(name), now)
            ready = inbox_watch.complete(watch, now, settle)
            if not watch.failure and inbox_watch.is_due(watch, ready, now, pause) and _may_run(context, name):
                watch = inbox_watch.asked(watch, ready, now)
                asked.append(name)
            after[name] = watch
    told = _told(after)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=name) for name in asked],
        skip_reason=None if asked else dg.SkipReason(told),
        cursor=msgspec.json.encode(after).decode(),
    )


def _remembered(cursor: str | None) -> "dict[str, Watch]":
    """What the cursor holds; nothing where it can't be read, which costs a look more."""
    from cloudsales_pipeline.stock.inbox_watch import Watch

    try:
        return msgspec.json.decode(cursor or "{}", type=dict[str, Watch])
    except msgspec.MsgspecError:
        return {}


def _look(channels: dict[str, ChannelSettings]) -> "dict[str, tuple[Entry, ...] | str]":
    """The files of each inbox, or why it can't be looked into; a slow one holds up no other."""
    if not channels:
        return {}
    with ThreadPoolExecutor(min(len(channels), MOST_THREADS), "inbox") as threads:
        return dict(zip(channels, threads.map(_entries, channels, channels.values()), strict=True))


def _entries(name: str, channel: ChannelSettings) -> "tuple[Entry, ...] | str":
    from cloudsales_pipeline.stock import inbox

    try:
        folder = inbox.open_inbox(name, channel)
        try:
            return inbox.offered(folder)
        finally:
            folder.close()
    except CloudSalesError as error:
        return str(error)  # these name the folder without its password
    except Exception as error:
        return describe_unexpected(error)


def _after_look(
    name: str, watch: "Watch", looked: "tuple[Entry, ...] | str | None", unarchived: int | None, now: float
) -> "Watch":
    from cloudsales_pipeline.stock import inbox_watch

    if looked is None:
        return watch
    if isinstance(looked, str):
        if not watch.failure:  # told once, not at each look
            LOGGER.warning("the inbox of %s could not be looked into: %s", name, looked)
        return inbox_watch.failed(watch, looked, now, LOOK_AGAIN_SECONDS)
    return inbox_watch.seen(watch, looked, unarchived, now)


def _may_run(context: dg.SensorEvaluationContext, name: str) -> bool:
    """Whether the channel has its partition yet, and no run under way."""
    if name not in context.instance.get_dynamic_partitions(str(INBOX_CHANNELS.name)):
        return False
    runs = dg.RunsFilter(job_name="load_store_files", statuses=UNDER_WAY, tags={PARTITION_TAG: name})
    return not context.instance.get_run_ids(runs, limit=1)


def _told(watches: "dict[str, Watch]") -> str:
    return "; ".join(f"{name}: {watch.failure or _files(watch)}" for name, watch in watches.items())


def _files(watch: "Watch") -> str:
    here = len([name for name in watch.files if name])
    return f"{here} {'file' if here == 1 else 'files'}" if here else "empty"
