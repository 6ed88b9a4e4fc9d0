"""Storing orders as they came, before anything is read of them but id, revision and time.

What belongs here: writing payloads. What does not: asking the channel (`pages`), and what a payload says (`reading`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.orders.reading import OrderParser, pack


class Stored(Struct, frozen=True):
    """Of a page: how many payloads were not there before, and the newest change in it by the channel's clock."""

    new: int
    newest: datetime | None


def store(connection: Connection, channel: str, parser: OrderParser, payloads: Sequence[bytes]) -> Stored:
    """Store these; what is there already, byte for byte, is left alone. One without an id that can be read is kept too (I-43)."""
    rows = [head_of(parser, payload) for payload in payloads]
    columns = {
        "ids": [row[0] for row in rows],
        "revisions": [row[1] for row in rows],
        "times": [row[2] for row in rows],
        "hashes": [hashlib.sha256(payload).digest() for payload in payloads],
        "payloads": [pack(payload) for payload in payloads],
    }
    new = connection.execute(sa.text(steps(__package__, "payloads")["store"]), {"channel": channel, **columns}).rowcount
    return Stored(new, max((row[2] for row in rows if row[2] is not None), default=None))


def head_of(parser: OrderParser, payload: bytes) -> tuple[str, int, datetime | None]:
    """Id, revision and time by which a payload is stored; "" and 0 where they can't be read."""
    try:
        head = parser.order_head(payload)
    except PayloadError:
        return "", 0, None
    return head.order_id, head.revision, head.updated_at
