"""How fast a channel is told: when the next request may go, and how many listings it may carry. In memory, for one publisher.

What does not belong here: the shared limit of all processes (channels.limits), which every request passes as well.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from cloudsales_pipeline.settings import LimitSettings

SHARE_OF_LIMIT = 0.8
"""Of the channel's requests a minute; the rest is left to reading its listing and its orders."""

MINUTE = 60.0


class Pace:
    """The first request goes at once; the next after the interval, so that a burst of changes is coalesced meanwhile."""

    def __init__(
        self, limits: LimitSettings, sent: Sequence[tuple[float, int]] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`sent`: what was sent lately, as (seconds since that minute began, listings): as if all at that minute's end."""
        self._clock = clock
        self._interval = MINUTE / limits.requests_per_minute / SHARE_OF_LIMIT
        self._most = limits.stock_updates_per_minute
        self._next = clock()
        self._sent = deque((clock() - max(0.0, age - MINUTE), listings) for age, listings in sent)

    def wait(self) -> float:
        """Seconds until the next request may go; 0: now."""
        now = self._clock()
        wait = self._next - now
        if self._most is not None and self.room(1) <= 0:
            wait = max(wait, self._sent[0][0] + MINUTE - now)
        return max(0.0, wait)

    def room(self, batch: int) -> int:
        """How many listings the next request may carry, at most `batch`."""
        if self._most is None:
            return batch
        while self._sent and self._sent[0][0] <= self._clock() - MINUTE:
            self._sent.popleft()
        return min(batch, self._most - sum(listings for _, listings in self._sent))

    def note(self, listings: int) -> None:
        """A request with so many listings goes now."""
        now = self._clock()
        self._next = now + self._interval
        if self._most is not None:
            self._sent.append((now, listings))
