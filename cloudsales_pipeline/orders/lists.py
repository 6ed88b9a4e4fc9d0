"""Orders as lists for a person: those that wait for stock, for a look, or whose channel was not told.

What belongs here: reading. What does not: one order's whole story (`orders show`), and changing anything.
"""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import statement

Which = Literal["all", "waiting", "review", "unacknowledged"]


def list_orders(
    connection: Connection, *, which: Which = "all", channel: str | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """Orders with their pieces summed: the oldest first where something is due, else the newest. No personal data."""
    values = {"which": which, "channel": channel, "limit": limit}
    return [dict(row) for row in connection.execute(sa.text(statement(__package__, "lists")), values).mappings()]
