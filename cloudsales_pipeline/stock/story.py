"""What a person asks about one product's stock. Reads alone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.errors import InputError

LAST = 20


def levels_of(connection: Connection, sku: str) -> list[dict[str, Any]]:
    """On hand, reserved and available by warehouse; empty where nothing was ever moved.

    Raises:
        InputError: there is no such product.
    """
    if connection.scalar(sa.text("select 1 from analytics.product where sku = :sku"), {"sku": sku}) is None:
        raise InputError(f"There is no product with the SKU {sku!r}.", next_step="look in analytics.product_code")
    return _rows(
        connection,
        "select warehouse, on_hand, reserved, available, version, changed_at from analytics.stock_level"
        " where sku = :sku order by warehouse",
        sku,
    )


def movements_of(connection: Connection, sku: str) -> list[dict[str, Any]]:
    """The last movements, newest first."""
    return _rows(
        connection,
        "select warehouse, reason, quantity, reference, occurred_at, recorded_at from analytics.stock_movement"
        " where sku = :sku order by occurred_at desc, movement_id desc limit :last",
        sku,
    )


def publications_of(connection: Connection, sku: str) -> list[dict[str, Any]]:
    """What each channel should show of it, and what it last acknowledged."""
    return _rows(
        connection,
        "select channel, variant_id, quantity, version, acknowledged_quantity, acknowledged_version, state, lag_seconds"
        " from analytics.publication where sku = :sku order by channel, variant_id",
        sku,
    )


def _rows(connection: Connection, sql: str, sku: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.text(sql), {"sku": sku, "last": LAST}).mappings()]
