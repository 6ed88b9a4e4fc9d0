"""Publishing to all channels at once: a thread for each, which opens its channel only if something is due there.

What belongs here: which channels, their threads, the bounds of a call while publishing. What does not: the loop of one channel
(stock.publisher).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cloudsales_pipeline.channels.limits import TransportLimits
from cloudsales_pipeline.channels.port import SalesChannel
from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.channels import publishing_channels
from cloudsales_pipeline.stock.publisher import PublishResult, publish_opening

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

# A call ends well within a sensor's tick; what it did not get done is due in the next.
CALL = TransportLimits(
    attempts=2, total_seconds=8.0, attempt_seconds=5.0, read_seconds=4.0, connect_seconds=2.0, longest_pause=0.5
)


LEAST_SECONDS = 1.0
"""Is left for sending, whatever went before: where connecting takes a whole tick, stock must go out all the same."""


def publish_all(
    settings: Settings,
    engine: Engine,
    *,
    seconds: float,
    names: Sequence[str] | None = None,
    stop: threading.Event | None = None,
    keep_listening: bool = True,
    wait_for_lease: float = 0.0,
) -> dict[str, PublishResult]:
    """Publish for `seconds` to these channels (all of them by default), each in a thread of its own; results by channel.

    The settings' rules are brought into the database first. A channel that fails does not stop the others: its result says so.

    Raises:
        the first error that is not the channel's doing, after all have ended.
    """
    from cloudsales_pipeline.stock.rules import sync_rules

    deadline = time.monotonic() + seconds  # all that follows counts: a tick that overruns costs the sensor a whole loop
    sync_rules(engine, settings)
    wanted = [name for name in publishing_channels(settings) if names is None or name in names]
    if not wanted:
        return {}
    with ExitStack() as stack, ThreadPoolExecutor(len(wanted), "publish") as threads:
        deadline = max(deadline, time.monotonic() + min(seconds, LEAST_SECONDS))
        sized = _sized(engine, len(wanted), stack)
        running = {
            name: threads.submit(_publish_one, sized, name, settings, deadline, keep_listening, stop, wait_for_lease)
            for name in wanted
        }
        wait(running.values())
        return {name: future.result() for name, future in running.items()}


def _sized(engine: Engine, channels: int, stack: ExitStack) -> Engine:
    """An engine with a session for each channel's lease and one more for its work; the given one where it has so many."""
    from cloudsales_pipeline.database.engine import create_engine

    if channels <= 2:
        return engine
    sized = create_engine(engine.url, pool_size=2 * channels)
    stack.callback(sized.dispose)
    return sized


def _publish_one(
    engine: Engine,
    name: str,
    settings: Settings,
    deadline: float,
    keep_listening: bool,
    stop: threading.Event | None,
    wait_for_lease: float,
) -> PublishResult:
    channel = settings.channel(name)
    with ExitStack() as stack:

        def opened() -> SalesChannel:
            found = open_channel(name, channel, database=engine, limits=CALL)
            stack.callback(found.close)
            return found

        return publish_opening(
            engine,
            name,
            opened,
            channel.limits,
            deadline=deadline,
            keep_listening=keep_listening,
            stop=stop,
            wait_for_lease=wait_for_lease,
        )
