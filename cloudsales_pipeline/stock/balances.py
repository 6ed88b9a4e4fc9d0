"""Stock at any past moment: what was, and what was believed then.

What belongs here: reading balances back from the levels. What does not: writing anything; the daily snapshot is
stock.snapshot.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import statement
from cloudsales_pipeline.errors import InputError

PACKAGE = "cloudsales_pipeline.stock"


def balances(
    connection: Connection, *, at: datetime | None, known_at: datetime | None, warehouse: str | None, sku: str | None
) -> list[dict[str, Any]]:
    """What was on hand and reserved at `at`, as far as it was known at `known_at`.

    Computed back from today's levels, so that the cost grows with what came after, not with the ledger. A pair that nothing
    had moved yet has no row: its stock was unknown, which is not zero (I-22).

    Args:
        at: movements that happened until then count (occurred_at ≤ at); None for all.
        known_at: movements that were recorded until then count; None for what is known now.
        warehouse, sku: only these; None for all.

    Returns:
        By warehouse and SKU: `warehouse`, `sku`, `on_hand`, `reserved`, in pieces. A reservation is known as soon as it is
        made: it counts from created_at until ended_at, at the earlier of the two moments.

    Raises:
        InputError: no such warehouse or SKU, or a moment without its zone.
    """
    for name, moment in (("at", at), ("known_at", known_at)):
        if moment is not None and moment.tzinfo is None:
            raise InputError(f"{name} {moment.isoformat()} has no time zone.", next_step="write it as 2026-11-24T18:00+02:00")
    _require(connection, "warehouse", warehouse)
    _require(connection, "sku", sku)
    facts = {"at": at, "known_at": known_at, "warehouse": warehouse, "sku": sku}
    rows = connection.execute(sa.text(_STATEMENT.format(balances=statement(PACKAGE, "balances"))), facts)
    return [dict(row) for row in rows.mappings()]


def _require(connection: Connection, what: str, value: str | None) -> None:
    if value is not None and not connection.scalar(sa.text(_KNOWN[what]), {"value": value}):
        raise InputError(f"There is no {what} {value!r}.", next_step=f"check the {what}")


_STATEMENT = "select warehouse, sku, on_hand, reserved from ({balances}) b order by warehouse, sku"
_KNOWN = {
    "warehouse": "select 1 from cloudsales.warehouse where warehouse = :value",
    "sku": "select 1 from cloudsales.product where sku = :value",
}
