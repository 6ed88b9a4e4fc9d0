"""How the outbox stands: counts and ages by event, medium and state, for Dagster's pages. No address and no text.

What belongs here: reading the standing. What does not: what is due to whom, and sending.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps

Rows = list[dict[str, Any]]


def standing_of(connection: Connection) -> dict[str, int]:
    """How many messages are in each state, and how long the oldest due one has waited, in seconds (0: none is due)."""
    row = connection.execute(sa.text(steps(__package__, "summary")["standing"])).mappings().one()
    return {name: int(value) for name, value in row.items()}


def by_event(connection: Connection, *, since: timedelta = timedelta(days=1)) -> Rows:
    """What was written or decided within that time, and whatever is still open: by event, medium and state."""
    return _rows(connection, "by_event", since=since)


def for_a_person(connection: Connection, *, limit: int = 50) -> Rows:
    """Messages that are unknown or dead, the newest first."""
    return _rows(connection, "for_a_person", limit=limit)


def due_media(connection: Connection) -> set[str]:
    """The media that something is due for now, or that a sender that is no more may have left something of."""
    return set(connection.scalars(sa.text(steps(__package__, "summary")["due_media"])))


def _rows(connection: Connection, step: str, **values: object) -> Rows:
    return [dict(row) for row in connection.execute(sa.text(steps(__package__, "summary")[step]), values).mappings()]
