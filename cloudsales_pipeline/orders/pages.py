"""Asking a channel for the orders that changed, page by page: each page is stored as it came, with the cursor behind it (I-42).

A pass begins a little before the newest change that the last one saw, and ends on the channel's last page. Killed or refused in
between, the next call goes on behind the page that was stored last (F-12, F-24, F-25).

What belongs here: what is asked for, from where, and how far we are. What does not: how pages are walked (`channels.pages`), and
what a payload says (`reading`).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.errors import AuthenticationError, ChannelRefusedError, CursorRepeatsError
from cloudsales_pipeline.channels.pages import read_pages
from cloudsales_pipeline.channels.port import OrderPage, Paging, SalesChannel
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders import payloads
from cloudsales_pipeline.orders.units import order_work

OPERATION = "listOrders"
OVERLAP = timedelta(minutes=10)
"""What a channel commits late is stamped earlier; what is asked for twice is known by its hash, and costs a look."""


class Stand(Struct, frozen=True):
    """How far a channel's orders were read; `pass_cursor` None: no pass is under way."""

    seen_until: datetime | None
    pass_since: datetime | None
    pass_cursor: str | None
    pass_pages: int


class StoredPage(Struct, frozen=True):
    """A page that is stored: its number in the pass, its payloads, how many were not there before; `last`: none follows."""

    number: int
    payloads: int
    new: int
    last: bool


def ask(engine: Engine, channel: SalesChannel, *, placed_since: datetime | None = None) -> Generator[StoredPage]:
    """Store the channel's changed orders, a transaction for each page; yields after each commit. Hold its intake lock.

    Args:
        placed_since: where the first pass of all begins; later ones begin where the last one ended.

    Raises:
        CursorRepeatsError: the paging would never end (F-14). The pass is given up; the next begins where this one began.
        ChannelError: no page, or not this one. The pages before are stored, and the next call goes on behind them.
        RefusedError: another process asked at the same time, after this one had lost its lock.
    """
    stand = standing(engine, channel.name)
    try:
        yield from _pass(engine, channel, stand, placed_since)
    except ChannelRefusedError as error:
        here = standing(engine, channel.name)
        if stand.pass_cursor is None or isinstance(error, AuthenticationError) or here != stand:
            raise
        # The stored cursor itself is what the channel no longer takes: the pass begins again from its beginning.
        give_up_pass(engine, channel.name)
        yield from _pass(engine, channel, standing(engine, channel.name), placed_since)
    except CursorRepeatsError:
        give_up_pass(engine, channel.name)
        raise


def standing(engine: Engine, channel: str) -> Stand:
    """How far the channel was read; makes its row."""
    return order_work(engine, lambda connection: _stand(connection, channel), doing="see how far orders were read")


def beginning(stand: Stand, placed_since: datetime | None = None) -> datetime | None:
    """From when on changes are asked for; None: from the first order that the channel has."""
    if stand.pass_cursor is not None:
        return stand.pass_since
    return placed_since if stand.seen_until is None else stand.seen_until - OVERLAP


def give_up_pass(engine: Engine, channel: str) -> None:
    """Forget where the pass stood: the next begins where this one began. What was stored stays."""
    order_work(engine, lambda connection: _run(connection, "give_up", channel=channel), doing="give a pass up")


def _pass(engine: Engine, channel: SalesChannel, stand: Stand, placed_since: datetime | None) -> Generator[StoredPage]:
    since = beginning(stand, placed_since)
    capabilities = channel.capabilities
    walk = read_pages(
        lambda cursor: channel.orders(cursor, since),
        start_cursor=stand.pass_cursor,
        first_page=stand.pass_pages + 1,
        in_flight=capabilities.pages_in_flight if capabilities.paging is Paging.NUMBERED else 1,
        channel=channel.name,
        operation=OPERATION,
    )
    cursor = stand.pass_cursor
    with closing(walk) as pages:
        for number, page in enumerate(pages, start=stand.pass_pages + 1):
            yield _store(engine, channel, page, number, since, cursor)
            cursor = page.next_cursor


def _store(
    engine: Engine, channel: SalesChannel, page: OrderPage, number: int, since: datetime | None, cursor: str | None
) -> StoredPage:
    """One page with the cursor behind it. Done again after a lost COMMIT, it finds itself done (F-22)."""

    def work(connection: Connection) -> StoredPage:
        if _stand(connection, channel.name).pass_cursor not in (cursor, page.next_cursor):
            raise RefusedError(
                f"{channel.name} was asked for orders by another process at the same time.",
                next_step="nothing is lost: the next one goes on",
            )
        stored = payloads.store(connection, channel.name, channel, page.payloads)
        step = "end" if page.next_cursor is None else "advance"
        facts: dict[str, Any] = {"newest": stored.newest}
        if page.next_cursor is not None:
            facts |= {"since": since, "cursor": page.next_cursor, "number": number}
        _run(connection, step, channel=channel.name, **facts)
        return StoredPage(number, len(page.payloads), stored.new, page.next_cursor is None)

    return order_work(engine, work, doing="store a page of orders")


def _stand(connection: Connection, channel: str) -> Stand:
    _run(connection, "begin", channel=channel)
    row = _run(connection, "stand", channel=channel).one()
    return Stand(row.seen_until, row.pass_since, row.pass_cursor, row.pass_pages)


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "pages")[step]), values)
