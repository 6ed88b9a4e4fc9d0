"""Walking a channel's pages: ahead of the consumer, in order, bounded, and never for ever (F-14).

What belongs here: which page is asked for when. What does not: what is in a page, and where its cursor is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from cloudsales_pipeline.channels.errors import ChannelError, CursorRepeatsError

LET_GO_SECONDS = 2.0


class HasNext(Protocol):
    """A page that names the next."""

    @property
    def next_cursor(self) -> str | None:
        """None on the last page."""


P = TypeVar("P", bound=HasNext)


def read_pages(
    fetch: Callable[[str | None], P],
    *,
    start_cursor: str | None = None,
    first_page: int = 1,
    in_flight: int = 1,
    channel: str = "",
    operation: str = "",
) -> Generator[P, None, None]:
    """All pages from `start_cursor` on, in order, fetched while the consumer works on the one before.

    Args:
        fetch: from a cursor to its page, for example `channel.products`; it is called in another thread.
        start_cursor: None for the beginning, else the `next_cursor` of the page that was stored last.
        first_page: the number, from 1, of the page behind `start_cursor`: errors name it, numbered paging counts from it.
        in_flight: 1 for paging by cursor, one page ahead. More only where the capability says NUMBERED: a page's cursor is
            then its number as text, so many requests are kept in the air, and what lies behind the last page is dropped.
        channel, operation: for the error about a cursor that repeats.

    At most `in_flight` + 1 pages are in memory. Closing the generator drops what is in the air.

    Raises:
        CursorRepeatsError: after the last good page.
        ChannelError: what `fetch` raised, with the page's number in it; the pages before have been yielded.
    """
    if in_flight < 1:
        raise ValueError("in_flight is at least 1")
    executor = ThreadPoolExecutor(max_workers=in_flight, thread_name_prefix="cloudsales-pages")
    ahead: deque[Future[P]] = deque()
    try:
        if in_flight == 1:
            yield from _by_cursor(fetch, start_cursor, first_page, executor, ahead, channel, operation)
        else:
            yield from _by_number(fetch, int(start_cursor or first_page), in_flight, executor, ahead)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        wait([future for future in ahead if not future.cancelled()], timeout=LET_GO_SECONDS)


def _by_cursor(
    fetch: Callable[[str | None], P],
    start: str | None,
    first_page: int,
    executor: ThreadPoolExecutor,
    ahead: deque[Future[P]],
    channel: str,
    operation: str,
) -> Iterator[P]:
    seen = {start}
    number = first_page
    ahead.append(executor.submit(fetch, start))
    while ahead:
        page = _result(ahead.popleft(), number)
        following = page.next_cursor
        repeats = following in seen
        if following is not None and not repeats:
            seen.add(following)
            ahead.append(executor.submit(fetch, following))
        yield page
        if following is not None and repeats:
            raise CursorRepeatsError(
                "the next cursor was there before: the paging would never end",
                channel=channel,
                operation=operation,
                page=number,
                next_step="tell the channel's support; the pages so far are good",
            )
        number += 1


def _by_number(
    fetch: Callable[[str | None], P], first: int, in_flight: int, executor: ThreadPoolExecutor, ahead: deque[Future[P]]
) -> Iterator[P]:
    asked = first
    number = first
    while True:
        while len(ahead) < in_flight:
            ahead.append(executor.submit(fetch, str(asked)))
            asked += 1
        page = _result(ahead[0], number)
        ahead.popleft()
        if page.next_cursor is not None:
            ahead.append(executor.submit(fetch, str(asked)))  # before the consumer works, so that none of its time is lost
            asked += 1
        yield page
        if page.next_cursor is None:
            return
        number += 1


def _result(future: Future[P], page: int) -> P:
    try:
        return future.result()
    except ChannelError as error:
        raise error.at_page(page)  # noqa: B904 - the same error, told where
