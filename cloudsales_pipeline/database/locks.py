"""Every advisory lock of the pipeline, in one place, so that nobody takes the same number for something else.

Taken in this order where several are held: an import's lock (for as long as it runs), then the catalogue's (inside one
transaction). The migrations' own lock (7301000) is taken alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

MIGRATION_LOCK = 7_301_000

CATALOGUE_LOCK = 7_301_002
"""Whoever writes listings, codes, products or links holds it for that transaction: `cloudsales.revision` is taken under
it, so that what a plan has seen and what came after it can be told apart."""

LISTING_IMPORT_LOCK = 7_301_003
"""With the channel's hash as second number: one import of a channel's listing at a time."""

STOCK_PUSH_LOCK = 7_301_004
"""With the channel's hash as second number: one publisher of a channel's stock at a time. Its holder waits for no other
advisory lock (stock.lease)."""

STOCK_RULES_LOCK = 7_301_005
"""One transaction at a time brings the settings' stock rules into the database; taken before any other lock of its own."""

STOCK_INBOX_LOCK = 7_301_006
"""With the channel's hash as second number: one at a time takes files out of a channel's inbox."""

ORDER_INTAKE_LOCK = 7_301_008
"""With the channel's hash as second number: one process at a time asks a channel for orders and tells it of those we hold."""


PURCHASING_LOCK = 7_301_009
"""One transaction at a time buys or receives: every close and every receipt takes it before anything else, so that no two
tie, or count, the same pieces on order. Orders that stream in don't take it."""

OPERATORS_LOCK = 7_301_021
"""One transaction at a time tells operators, so that two tell once; it waits for no other advisory lock."""

OUTBOX_SENDER_LOCK = 7_301_010
"""With the hash of a sender's key as second number, shared: held for as long as the sender is there to say what became of the
messages that it claimed."""

SUPPLIER_PAPERS_LOCK = 7_301_012
"""One transaction at a time makes documents of supplier orders and queues them; taken alone."""

WAYBILL_MAKER_LOCK = 7_301_013
"""With the hash of a maker's key as second number, shared: held for as long as the maker is there to say what became of the
waybills that it claimed."""

WAYBILL_TRACKING_LOCK = 7_301_014
"""With the courier's hash as second number: one at a time asks a courier where its parcels are."""

TELLING_LOCK = 7_301_020
"""One transaction at a time makes messages of what happened: caps are counted, and what is pointless is found, under it. Taken
alone, before the orders' rows."""


def lock_telling(connection: Connection) -> None:
    """Wait until no other transaction makes messages of what happened; held until this one ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": TELLING_LOCK})


def lock_supplier_papers(connection: Connection) -> None:
    """Wait until no other transaction makes documents of supplier orders; held until this one ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": SUPPLIER_PAPERS_LOCK})


def lock_purchasing(connection: Connection) -> None:
    """Wait until no other transaction closes or receives; held until this one ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": PURCHASING_LOCK})


def lock_catalogue(connection: Connection) -> None:
    """Wait until no other transaction writes to the catalogue; held until this one ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": CATALOGUE_LOCK})


def next_revision(connection: Connection) -> int:
    """A new revision; call it with the catalogue locked, so that revisions become visible in their order."""
    revision = connection.scalar(sa.text("select nextval('cloudsales.revision')"))
    assert isinstance(revision, int)
    return revision


@contextmanager
def listing_import_lock(engine: Engine, channel: str) -> Iterator[bool]:
    """Hold the channel's import lock; yields False where another process holds it."""
    with _channel_lock(engine, LISTING_IMPORT_LOCK, channel) as held:
        yield held


@contextmanager
def stock_inbox_lock(engine: Engine, channel: str) -> Iterator[bool]:
    """Hold the lock of the channel's inbox; yields False where another process holds it."""
    with _channel_lock(engine, STOCK_INBOX_LOCK, channel) as held:
        yield held


@contextmanager
def order_intake_lock(engine: Engine, channel: str) -> Iterator[bool]:
    """Hold the channel's turn to be asked for orders and told of them; yields False where another process holds it."""
    with _channel_lock(engine, ORDER_INTAKE_LOCK, channel) as held:
        yield held


@contextmanager
def waybill_tracking_lock(engine: Engine, courier: str) -> Iterator[bool]:
    """Hold the courier's turn to be asked where parcels are; yields False where another process holds it."""
    with _channel_lock(engine, WAYBILL_TRACKING_LOCK, courier) as held:
        yield held


@contextmanager
def _channel_lock(engine: Engine, lock: int, channel: str) -> Iterator[bool]:
    """A lock on a connection of its own.

    It belongs to the session: a killed process loses it with its connection, and nothing has to be cleaned up.
    """
    keys = {"lock": lock, "channel": channel}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(sa.text("select pg_try_advisory_lock(:lock, hashtext(:channel))"), keys):
            yield False
            return
        try:
            yield True
        finally:
            connection.execute(sa.text("select pg_advisory_unlock(:lock, hashtext(:channel))"), keys)
