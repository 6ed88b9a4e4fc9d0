"""What a person asks about one order, or about who wants one product. Reads alone.

What belongs here: one timeline out of all that was written of an order, and who holds or awaits a product. What does not:
changing anything, and lists of many orders. A later stage that writes of orders adds its query to `SOURCES`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.orders.reading import reference_of

MOST = 100

ALL_THAT_LEFT = ("handed_over", "states_told", "messages")
SOURCES = ("payloads", "events", "reserved", "reservations_ended", "movements", "acknowledged", *ALL_THAT_LEFT, "erased")
"""Queries whose rows (at, what, owner, sku, warehouse, pieces, detail) make the timeline; of one moment, in this order."""

Row = dict[str, Any]


class Story(Struct, frozen=True):
    """An order as it stands, what led there (oldest first), what it waits for, and what channels show of its products now."""

    order: Row
    lines: list[Row]
    timeline: list[Row]
    waiting: list[Row]
    publications: list[Row]


def story_of(connection: Connection, channel: str, external_id: str) -> Story:
    """One order's story, without personal data.

    Pushes of stock are not kept one by one: `publications` are the figures in force, and when the channel last acknowledged one.

    Raises:
        InputError: there is no such order.
    """
    order, order_id = _order(connection, channel, external_id)
    lines = _rows(connection, "lines", order_id=order_id)
    owners = {line.pop("owner"): line["line"] for line in lines}
    facts = {
        "order_id": order_id,
        "channel": channel,
        "id": external_id,
        "references": [reference_of(channel, external_id), *owners],
    }
    found = [row for source in SOURCES for row in _rows(connection, source, **facts)]
    timeline = sorted(found, key=lambda row: row["at"])  # stable: of one moment, in the order of the sources
    for row in timeline:
        row["line"] = owners.get(row.pop("owner"))
    return Story(
        order,
        lines,
        timeline,
        _rows(connection, "queue", order_id=order_id),
        _rows(connection, "publications", order_id=order_id),
    )


def person_of(connection: Connection, channel: str, external_id: str) -> Row:
    """Who bought and where it goes: personal data, for a person's eyes and nothing that is kept.

    Raises:
        InputError: there is no such order.
    """
    _, order_id = _order(connection, channel, external_id)
    return next(iter(_rows(connection, "person", order_id=order_id)), {})


def held_for(connection: Connection, sku: str) -> list[Row]:
    """Open reservations of a product with their orders, the oldest order first; at most `MOST`."""
    return _rows(connection, "held_for", sku=sku, most=MOST)


def waiting_for(connection: Connection, sku: str) -> list[Row]:
    """Lines that wait for a product, in the order in which they will be served; at most `MOST`."""
    return _rows(connection, "waiting_for", sku=sku, most=MOST)


def _order(connection: Connection, channel: str, external_id: str) -> tuple[Row, int]:
    rows = _rows(connection, "order", channel=channel, id=external_id)
    if not rows:
        raise InputError(
            f"There is no order {external_id!r} of {channel!r}.",
            next_step="look in analytics.sales_order; what could not be read is in: cloudsales quarantine list --stage orders",
        )
    return rows[0], rows[0].pop("order_id")


def _rows(connection: Connection, step: str, **values: object) -> list[Row]:
    text = sa.text(steps(__package__, "story")[step])
    wanted = {name: value for name, value in values.items() if name in text.compile().params}
    return [dict(row) for row in connection.execute(text, wanted).mappings()]
