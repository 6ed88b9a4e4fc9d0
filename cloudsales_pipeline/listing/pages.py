"""A stand-in for channels/pages.py until that is merged: the same call, one page ahead, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cloudsales_pipeline.channels.errors import CursorRepeatsError
from cloudsales_pipeline.channels.port import ProductPage


def read_pages(
    fetch: Callable[[str | None], ProductPage],
    *,
    start_cursor: str | None = None,
    first_page: int = 1,
    in_flight: int = 1,
    channel: str = "",
    operation: str = "",
) -> Iterator[ProductPage]:
    """All pages from `start_cursor` on; the next one is fetched while the consumer works on this one."""
    seen = {start_cursor}
    with ThreadPoolExecutor(max_workers=in_flight, thread_name_prefix="cloudsales-pages") as executor:
        number, ahead = first_page, executor.submit(fetch, start_cursor)
        while True:
            page = ahead.result()
            following = page.next_cursor
            if following is not None and following not in seen:
                ahead = executor.submit(fetch, following)
            yield page
            if following is None:
                return
            if following in seen:
                raise CursorRepeatsError(
                    "the next cursor was there before: the paging would never end",
                    channel=channel,
                    operation=operation,
                    page=number,
                    next_step="tell the channel's support; the pages so far are good",
                )
            seen.add(following)
            number += 1
