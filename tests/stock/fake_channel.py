"""A channel in memory that takes stock: keeps the highest version it has seen, and all that it was told.

It can refuse, not know, be ahead of us, answer later, fail before or after the work; and it notes two calls at the same time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from cloudsales_pipeline.channels.errors import WrongShapeError
from cloudsales_pipeline.channels.port import Capabilities, OfferedStock, StockOutcome, StockResult, StockUpdate
from tests.listing.fake_channel import FakeChannel

Known = dict[str, tuple[int, int | None]]


class FakeStock(FakeChannel):
    """`shows`: variant → (quantity, version). `history`: what was set, in order. `calls`: each push as it came."""

    def __init__(
        self, variants: Sequence[str], *, name: str = "fashionup", batch: int = 500, asynchronous: bool = False, slow: float = 0.0
    ) -> None:
        super().__init__(name=name)
        self.shows: Known = dict.fromkeys(variants, (0, None))
        self.history: list[StockUpdate] = []
        self.calls: list[list[StockUpdate]] = []
        self.refuses: set[str] = set()
        self.fails_before: list[Exception] = []
        self.fails_after: list[Exception] = []
        self.during: Callable[[], object] | None = None
        self.overlaps = 0
        self.waiting: dict[str, list[StockUpdate]] = {}
        self.answers = False
        self.garbles: set[str] = set()
        self._batch, self._asynchronous, self._slow = batch, asynchronous, slow
        self._busy = threading.Lock()

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, stock_batch=self._batch, stock_asynchronous=self._asynchronous)

    def push_stock(self, updates: Sequence[StockUpdate]) -> tuple[StockResult, ...]:
        assert 0 < len(updates) <= self._batch
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            self._busy.acquire()
        try:
            return self._take(list(updates))
        finally:
            self._busy.release()

    def _take(self, updates: list[StockUpdate]) -> tuple[StockResult, ...]:
        self.calls.append(updates)
        if self.fails_before:
            raise self.fails_before.pop(0)
        time.sleep(self._slow)
        if self.during is not None:
            once, self.during = self.during, None
            once()
        if self._asynchronous:
            ticket = f"ticket-{len(self.calls)}"
            self.waiting[ticket] = updates
            return tuple(StockResult(update.variant_id, StockOutcome.PENDING, ticket=ticket) for update in updates)
        results = tuple(map(self._set, updates))
        if self.fails_after:
            raise self.fails_after.pop(0)
        return results

    def _set(self, update: StockUpdate) -> StockResult:
        name = update.variant_id
        if name not in self.shows:
            return StockResult(name, StockOutcome.UNKNOWN_VARIANT)
        if name in self.refuses:
            return StockResult(name, StockOutcome.REJECTED, "not today")
        seen = self.shows[name][1]
        if seen is not None and seen >= update.version:
            return StockResult(name, StockOutcome.STALE)
        self.shows[name] = (update.quantity, update.version)
        self.history.append(update)
        return StockResult(name, StockOutcome.SET)

    def stock_result(self, ticket: str) -> tuple[StockResult, ...]:
        if ticket in self.garbles:
            raise WrongShapeError("line 3 is no answer", channel=self.name)
        return tuple(map(self._set, self.waiting.pop(ticket))) if self.answers else ()

    def read_stock(self, variant_ids: Sequence[str]) -> tuple[OfferedStock, ...]:
        return tuple(OfferedStock(name, *self.shows[name]) for name in variant_ids if name in self.shows)

    def versions_never_went_back(self) -> bool:
        """I-21, by all that was ever set."""
        seen: dict[str, int] = {}
        for update in self.history:
            if update.version <= seen.get(update.variant_id, -1):
                return False
            seen[update.variant_id] = update.version
        return True
