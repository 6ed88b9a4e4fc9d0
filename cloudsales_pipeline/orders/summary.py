"""What a channel's orders come to, for people who look: value, shortages, the last ones, by hour. No personal data."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps

DAYS = 7
HOURS = 48
MOST_ROWS = 10


def value_by_currency(connection: Connection, channel: str) -> list[dict[str, Any]]:
    """Orders and their totals, tax included, by currency; of the last DAYS days, without what was cancelled."""
    return _rows(connection, "value", channel=channel, days=DAYS)


def shortages(connection: Connection, channel: str) -> list[dict[str, Any]]:
    """The products that most pieces wait for: pieces, lines, and since when."""
    return _rows(connection, "shortages", channel=channel, limit=MOST_ROWS)


def last_orders(connection: Connection, channel: str) -> list[dict[str, Any]]:
    """The orders placed last, with what they hold and what waits."""
    return _rows(connection, "last", channel=channel, limit=MOST_ROWS)


def by_hour(connection: Connection, channel: str, timezone: str) -> list[dict[str, Any]]:
    """The last HOURS hours, oldest first: `hour` in that time zone, orders that hold all, that wait, that are closed."""
    return _rows(connection, "by_hour", channel=channel, hours=HOURS - 1, timezone=timezone)


def standing_of(connection: Connection, channel: str) -> dict[str, Any]:
    """How many orders there are, are in review, and are not told to the channel; for how many minutes the oldest is not."""
    return _rows(connection, "standing", channel=channel)[0]


def _rows(connection: Connection, step: str, **values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.text(steps(__package__, "summary")[step]), values).mappings()]
