"""A small world of stock: two warehouses, some products, and what a test asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.stock.movements import Movement

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def stock_world(engine: Engine, skus: Sequence[str] = ("R-1", "R-2")) -> None:
    """The warehouses CENTRAL and CLUJ, and these products, each also known by its SKU in small letters with -X behind."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.warehouse (warehouse) values ('CENTRAL'), ('CLUJ') on conflict do nothing"
        )
        connection.execute(
            sa.text(
                "insert into cloudsales.product (sku, name, created_at, changed_at) select s, s, now(), now() from unnest(cast(:skus as text[])) s"
            ),
            {"skus": list(skus)},
        )


def receipt(reference: str, sku: str, quantity: int, warehouse: str = "CENTRAL", at: datetime = NOON) -> Movement:
    return Movement(reference, warehouse, sku, "receipt", quantity, at)


def rows(engine: Engine, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql), values)]


def levels(engine: Engine) -> dict[tuple[str, str], tuple[int, int]]:
    """(warehouse, sku) → (on hand, reserved), of all that ever moved."""
    found = rows(engine, "select warehouse, sku, on_hand, reserved from analytics.stock_level")
    return {(warehouse, sku): (on_hand, reserved) for warehouse, sku, on_hand, reserved in found}


def ledger_sums(engine: Engine) -> dict[tuple[str, str], int]:
    """(warehouse, sku) → the sum of the ledger."""
    return {
        (w, s): q
        for w, s, q in rows(engine, "select warehouse, sku, sum(quantity)::integer from analytics.stock_movement group by 1, 2")
    }
