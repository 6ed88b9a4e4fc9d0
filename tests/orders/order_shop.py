"""A channel in memory that hands out orders in our own words, page by page, and is told which of them we hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from cloudsales_pipeline.channels.port import (
    Acknowledgement,
    AcknowledgeOutcome,
    Capabilities,
    ChannelOrder,
    OrderPage,
    Paging,
)
from tests.orders.market import OurWords, payload

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class OrderShop(OurWords):
    """A SalesChannel, as far as orders go.

    A cursor is the (time, id) of the last order of its page, as a channel that sorts by change does it: nothing is skipped where
    an order moves to the end while it is paged through.

    Args:
        orders: what it shows, in any order; one id at its last revision only.
        pages: instead of `orders`: exactly these payloads, page by page.
        failures: the number of a request (from 1, all of them counted) to the error that it raises.
        answers: order id to what its acknowledgements give, one after the other; then DONE. An error is raised.
        between: called before each page but the first is given.
    """

    def __init__(
        self,
        orders: Iterable[ChannelOrder] = (),
        *,
        page_size: int = 2,
        pages: Sequence[Sequence[bytes]] | None = None,
        failures: dict[int, Exception] | None = None,
        answers: dict[str, list[AcknowledgeOutcome | Exception]] | None = None,
        between: Callable[[], None] | None = None,
        name: str = "fashionup",
        acknowledgement: Acknowledgement = Acknowledgement.REQUIRED,
    ) -> None:
        self.shown = {one.order_id: one for one in orders}
        self.page_size = page_size
        self.pages = pages
        self.failures = failures or {}
        self.answers = answers or {}
        self.between = between
        self.channel_name = name
        self.acknowledgement = acknowledgement
        self.asked: list[tuple[str | None, datetime | None]] = []
        self.acknowledged: list[str] = []
        self.refused_cursors: set[str] = set()
        self.repeats: str | None = None
        self.closed = False

    @property
    def name(self) -> str:
        return self.channel_name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            paging=Paging.CURSOR,
            page_size=self.page_size,
            catalogue_delta=True,
            stock_batch=500,
            stock_versions=True,
            acknowledgement=self.acknowledgement,
        )

    def show(self, *orders: ChannelOrder) -> None:
        self.shown |= {one.order_id: one for one in orders}

    def orders(self, cursor: str | None = None, updated_since: datetime | None = None) -> OrderPage:
        self.asked.append((cursor, updated_since))
        if failure := self.failures.pop(len(self.asked), None):
            raise failure
        if cursor is not None and self.between is not None:
            self.between()
        if self.pages is not None:
            number = int(cursor or 1)
            more = str(number + 1) if number < len(self.pages) else None
            return OrderPage(tuple(self.pages[number - 1]) if self.pages else (), more)
        return self._page(cursor, updated_since)

    def _page(self, cursor: str | None, since: datetime | None) -> OrderPage:
        behind = _place(cursor)
        found = sorted((one.updated_at, one.order_id) for one in self.shown.values() if one.updated_at >= (since or LONG_AGO))
        ahead = [key for key in found if key > behind]
        page = ahead[: self.page_size]
        more = f"{page[-1][0].isoformat()} {page[-1][1]}" if len(ahead) > len(page) else None
        payloads = tuple(payload(self.shown[order_id]) for _, order_id in page)
        return OrderPage(payloads, self.repeats if more and self.repeats else more)

    def acknowledge(self, order_id: str) -> AcknowledgeOutcome:
        self.acknowledged.append(order_id)
        answer = self.answers[order_id].pop(0) if self.answers.get(order_id) else AcknowledgeOutcome.DONE
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> Any:  # the rest of the port, which orders don't use
        raise AttributeError(name)


def _place(cursor: str | None) -> tuple[datetime, str]:
    if cursor is None:
        return LONG_AGO, ""
    moment, order_id = cursor.split(" ", 1)
    return datetime.fromisoformat(moment), order_id
