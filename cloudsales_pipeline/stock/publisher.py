"""Publishing one channel's stock: send what differs, most urgent first, until nothing does or the time is up.

What belongs here: the loop under the channel's lease, and the one call in it. What does not: SQL (stock.pushes), how fast
(stock.pace), which channels (stock.publishing). The sensor, the job and `cloudsales work` all call this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from cloudsales_pipeline.channels.errors import ChannelResponseError, RateLimitedError
from cloudsales_pipeline.channels.port import SalesChannel, StockOutcome, StockResult, StockUpdate
from cloudsales_pipeline.errors import CloudSalesError, DatabaseError
from cloudsales_pipeline.settings import LimitSettings
from cloudsales_pipeline.stock import pushes
from cloudsales_pipeline.stock.lease import Lease, channel_lease
from cloudsales_pipeline.stock.pace import Pace
from cloudsales_pipeline.stock.pushes import Answer

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

T = TypeVar("T")

LISTEN_SECONDS = 0.5
HEAL_EVERY_SECONDS = 1.0


class PublishResult(Struct, frozen=True, kw_only=True):
    """What one publisher did (publications, but `requests`), and in `due`, `pending` and `held` how the channel stands now.

    `failure` is the class of the last error of the channel, `led` whether the lease was ours: else nothing was done.
    """

    requests: int = 0
    pushed: int = 0
    acknowledged: int = 0
    stale: int = 0
    rejected: int = 0
    unknown_variant: int = 0
    pending: int = 0
    held: int = 0
    due: int = 0
    failure: str | None = None
    led: bool = True


def publish(
    engine: Engine,
    channel: SalesChannel,
    limits: LimitSettings,
    *,
    deadline: float,
    keep_listening: bool,
    stop: threading.Event | None = None,
    wait_for_lease: float = 0.0,
) -> PublishResult:
    """Send the channel what differs; see `publish_opening`, which opens it only if something is to be sent."""
    return publish_opening(
        engine,
        channel.name,
        lambda: channel,
        limits,
        deadline=deadline,
        keep_listening=keep_listening,
        stop=stop,
        wait_for_lease=wait_for_lease,
    )


def publish_opening(
    engine: Engine,
    name: str,
    open_channel: Callable[[], SalesChannel],
    limits: LimitSettings,
    *,
    deadline: float,
    keep_listening: bool,
    stop: threading.Event | None = None,
    wait_for_lease: float = 0.0,
) -> PublishResult:
    """Send the channel what differs until `deadline` (of time.monotonic) or `stop`; never beside another publisher of it.

    Args:
        open_channel: called at most once with success; closing is the caller's.
        keep_listening: go on when nothing is due, and send a change as soon as it is committed; else end there.
        wait_for_lease: seconds to wait for another publisher of the channel to end.

    Errors of the channel are noted and tried again later, here or by the next publisher: nothing due is lost by them.

    Raises:
        DatabaseError, sqlalchemy's errors: the database; what was not written down is sent again, which does no harm.
    """
    patience = min(wait_for_lease, deadline - time.monotonic())
    with channel_lease(engine, name, wait_seconds=patience, stop=stop) as lease:
        if lease is None:
            return PublishResult(led=False)
        publisher = _Publisher(engine, lease, open_channel, limits, deadline, stop or threading.Event())
        publisher.run(keep_listening=keep_listening)
        return publisher.result()


class _Publisher:
    """One pass under the lease: its clockwork and its counts."""

    def __init__(
        self,
        engine: Engine,
        lease: Lease,
        open_channel: Callable[[], SalesChannel],
        limits: LimitSettings,
        deadline: float,
        stop: threading.Event,
    ) -> None:
        self._engine, self._lease, self._name = engine, lease, lease.channel
        self._open, self._opened = open_channel, None
        self._limits, self._deadline, self._stop = limits, deadline, stop
        self._pace = Pace(limits, pushes.sent_lately(lease.connection, self._name))
        self._not_before = time.monotonic() + pushes.register(engine, self._name)
        self._healed_at = float("-inf")
        self._done = PublishResult()

    _opened: SalesChannel | None

    def run(self, *, keep_listening: bool) -> None:
        """Send until the time is up, or nothing is due and nobody wants to listen on."""
        while not self._stop.is_set() and self._left() > 0:
            self._lease.forget()
            sent = self._take_step()
            if self._heal() or sent:  # behind the sending: a change does not wait for it
                continue
            if not keep_listening:
                return
            self._lease.wait(min(LISTEN_SECONDS, self._left()))

    def _take_step(self) -> bool:
        """Send, or wait for the pace; False where nothing is due. Where the channel is open, the claim tells that too."""
        pause = self._pause()
        if (self._opened is None or pause > 0) and not pushes.anything_due(self._lease.connection, self._name):
            return False
        if pause > 0:
            self._stop.wait(min(pause, self._left()))
            return True
        return self._guarded(self._send_next) is not False

    def result(self) -> PublishResult:
        """What was done, and how the channel stands."""
        due, held, pending = pushes.standing(self._lease.connection, self._name)
        return replace(self._done, due=due, held=held, pending=pending)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _pause(self) -> float:
        return max(self._not_before - time.monotonic(), self._pace.wait())

    def _heal(self) -> bool:
        """Once a second: what may be tried again, and answers that were to come; whether it was time for it."""
        now = time.monotonic()
        if now - self._healed_at < HEAL_EVERY_SECONDS:
            return False
        self._healed_at = now
        pushes.revive(self._engine, self._name)
        if now >= self._not_before:
            self._guarded(self._ask_for_answers)
        return True

    def _guarded(self, work: Callable[[], T]) -> T | None:
        """Do it; an error of the channel ends it for now (None), and says when to try again."""
        try:
            return work()
        except DatabaseError:
            raise
        except CloudSalesError as error:
            name = type(error).__name__
            retry_at = error.retry_at if isinstance(error, RateLimitedError) else None
            self._not_before = time.monotonic() + pushes.failed(self._engine, self._name, name, retry_at)
            self._done = replace(self._done, failure=name)
            return None

    def _channel(self) -> SalesChannel:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _send_next(self) -> bool:
        """One request with what is most urgent; False where nothing is due."""
        channel = self._channel()
        claimed = pushes.claim(self._lease.connection, self._name, self._pace.room(channel.capabilities.stock_batch))
        if not claimed.due:
            return False
        if pushes.brake(self._engine, self._name, claimed, self._limits.hold_if_share_to_zero):
            return True  # what else is due is claimed anew
        self._pace.note(len(claimed.due))
        self._done = replace(self._done, requests=self._done.requests + 1, pushed=self._done.pushed + len(claimed.due))
        results = channel.push_stock([StockUpdate(due.variant_id, due.quantity, due.version) for due in claimed.due])
        answers = [Answer(due, result) for due, result in zip(claimed.due, results, strict=True)]
        self._settle(channel, answers, requests=1, pushed=len(answers))
        return True

    def _settle(self, channel: SalesChannel, answers: list[Answer], *, requests: int, pushed: int) -> None:
        """Write down what the channel said; what it calls stale is compared with what it really has."""
        stale = [answer.due for answer in answers if pushes.is_stale(answer)]
        self._note([answer for answer in answers if not pushes.is_stale(answer)], requests, pushed, len(stale))
        if not stale:
            return
        offered = {offer.variant_id: offer for offer in channel.read_stock([due.variant_id for due in stale])}
        shown, higher = [], []
        for due in stale:
            offer = offered.get(due.variant_id)
            if offer and offer.version == due.version and offer.quantity == due.quantity:
                shown.append(Answer(due, StockResult(due.variant_id, StockOutcome.SET)))  # an earlier push of it got there
            else:
                higher.append((due, offer.version or 0 if offer else 0))
        if shown:
            self._note(shown, 0, 0, 0)
        if higher:
            pushes.raise_stale(self._engine, higher)

    def _note(self, answers: list[Answer], requests: int, pushed: int, stale: int) -> None:
        ended = pushes.acknowledge(self._engine, self._name, answers, requests=requests, pushed=pushed, stale=stale)
        self._done = replace(
            self._done,
            acknowledged=self._done.acknowledged + ended.acknowledged,
            rejected=self._done.rejected + ended.rejected,
            unknown_variant=self._done.unknown_variant + ended.unknown_variant,
            stale=self._done.stale + stale,
        )

    def _ask_for_answers(self) -> None:
        for ticket in pushes.tickets(self._lease.connection, self._name):
            try:
                results = {result.variant_id: result for result in self._channel().stock_result(ticket.ticket)}
            except ChannelResponseError as error:  # one answer that can't be read: the others are asked for all the same
                self._done = replace(self._done, failure=type(error).__name__)
                results = {}
            answered = [Answer(due, results[due.variant_id]) for due in ticket.due if due.variant_id in results]
            final = [answer for answer in answered if answer.result.outcome is not StockOutcome.PENDING]
            if final:
                self._settle(self._channel(), final, requests=0, pushed=0)
            told = {answer.due.publication_id for answer in final}
            pushes.ask_later(self._engine, [due for due in ticket.due if due.publication_id not in told])
