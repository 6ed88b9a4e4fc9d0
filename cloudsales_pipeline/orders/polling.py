"""Whether a channel has something for us, at the price of one request; and how asking it goes.

What belongs here: the look, and the note of a channel that fails. What does not: storing anything that it shows (`pages`).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.errors import ChannelError
from cloudsales_pipeline.channels.port import SalesChannel
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.orders.pages import Stand, beginning, standing
from cloudsales_pipeline.orders.payloads import head_of
from cloudsales_pipeline.orders.serving import unknown_lines
from cloudsales_pipeline.settings import OrderSettings

MOST_PAGES = 5
"""Pages of orders that are all known, after which a look goes straight to the newest."""


class Poll(Struct, frozen=True):
    """What a look found.

    Args:
        why: what is to do, in words; empty: nothing.
        failure: why the channel could not be asked; empty: it answered, or was not asked.
        fresh_failure: the look before this one still had an answer.
    """

    why: tuple[str, ...] = ()
    failure: str = ""
    fresh_failure: bool = False


def take_turn(engine: Engine, channel: str, every: timedelta) -> bool:
    """Whether it is time to look at this channel again; who is told so is the only one until `every` has passed (F-27)."""
    standing(engine, channel)
    with engine.begin() as connection:
        return _run(connection, "turn", channel=channel, every=every).first() is not None


def poll(engine: Engine, channel: SalesChannel, settings: OrderSettings) -> Poll:
    """Look whether there is something to do for the channel; asks it unless it is needed for nothing of what there is.

    What needs the channel is no reason while the channel does not answer: nothing is started that could only fail.
    """
    stand = standing(engine, channel.name)
    here, there = left_over(engine, channel.name, settings)
    if here:
        return Poll(here)
    try:
        changed = _changed(engine, channel, stand, settings.placed_since)
    except ChannelError as error:
        return Poll((), error.message, note_failure(engine, channel.name, error))
    if stand.pass_cursor is not None:
        there = ("a pass that was interrupted", *there)
    elif changed:
        there = ("orders that changed", *there)
    if not there:
        note_success(engine, channel.name)
    return Poll(there)


def left_over(engine: Engine, channel: str, settings: OrderSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an import would find to do here, and what it needs the channel for; in words."""
    ages, now = settings.expire_unpaid_after, datetime.now(UTC)
    with engine.connect() as connection:
        row = _run(connection, "waiting", channel=channel, methods=list(ages), before=[now - age for age in ages.values()]).one()
        named = any(known for _, known in unknown_lines(connection, channel))
    here = {"payloads to be read": row.payloads, "lines that can be served": row.lines, "lines whose product is known": named}
    there = {"orders to be acknowledged": row.acknowledgements, "orders not paid in time": row.unpaid}
    return tuple(what for what, found in here.items() if found), tuple(what for what, found in there.items() if found)


def note_failure(engine: Engine, channel: str, error: ChannelError) -> bool:
    """Note that the channel could not be asked; whether that is new. A channel's errors carry no personal data."""
    standing(engine, channel)
    with engine.begin() as connection:
        return bool(_run(connection, "failing", channel=channel, failure=error.message).scalar())


def note_success(engine: Engine, channel: str) -> None:
    """Note that the channel answered."""
    with engine.begin() as connection:
        _run(connection, "well", channel=channel)


def _changed(engine: Engine, channel: SalesChannel, stand: Stand, placed_since: datetime | None) -> bool:
    """Whether the channel shows what is not stored; mostly one request.

    What the overlap shows again may be many pages after a burst. Then what counts is behind the newest that was seen: what is
    stamped before it and came late is found by the next import, whatever starts it.
    """
    since, cursor = beginning(stand, placed_since), None
    for _ in range(MOST_PAGES):
        page = channel.orders(cursor, since)
        if stand.pass_cursor is not None or _unknown(engine, channel, page.payloads):
            return True
        cursor = page.next_cursor
        if cursor is None:
            return False
    newest = channel.orders(None, stand.seen_until)
    return newest.next_cursor is not None or _unknown(engine, channel, newest.payloads)


def _unknown(engine: Engine, channel: SalesChannel, payloads: tuple[bytes, ...]) -> bool:
    heads = [head_of(channel, payload) for payload in payloads]
    facts = {
        "ids": [head[0] for head in heads],
        "revisions": [head[1] for head in heads],
        "hashes": [hashlib.sha256(payload).digest() for payload in payloads],
    }
    with engine.connect() as connection:
        known = _run(connection, "stored", channel=channel.name, **facts).scalar_one()
    return int(known) < len(payloads)


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "pages")[step]), values)
