"""The daily snapshot: stock at the end of a business date, for analysts.

What belongs here: writing cloudsales.stock_snapshot. What does not: how a past balance is computed, which is stock.balances.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.database.engine import statement
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.stock.days import day_end

PACKAGE = "cloudsales_pipeline.stock"
RESOLUTION = timedelta(microseconds=1)
"""The database's: the last moment of a day is this much before its end."""


@dataclass(frozen=True)
class SnapshotResult:
    """Rows of a snapshot: rows_in = loaded + unchanged + quarantined, and none can be quarantined."""

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int = 0


def take_snapshot(engine: Engine, business_date: date, timezone: str) -> SnapshotResult:
    """Write the stock at the end of a local business date; taken again, it writes only what has become known since.

    Raises:
        InputError: the date has not ended there yet.
    """
    end = day_end(business_date, timezone)
    facts = {"date": business_date, "at": end - RESOLUTION, "known_at": None, "warehouse": None, "sku": None}
    with engine.begin() as connection:
        if not connection.scalar(sa.text("select now() >= :end"), {"end": end}):
            raise InputError(
                f"{business_date.isoformat()} has not ended yet in {timezone}.", next_step="take its snapshot after midnight"
            )
        row = connection.execute(sa.text(_STATEMENT.format(balances=statement(PACKAGE, "balances"))), facts).one()
    return SnapshotResult(rows_in=row.rows_in, loaded=row.loaded, unchanged=row.rows_in - row.loaded)


_STATEMENT = """
with balance as ({balances}), written as (
    insert into cloudsales.stock_snapshot (business_date, warehouse, product_id, on_hand, reserved, taken_at)
    select :date, warehouse, product_id, on_hand, reserved, now() from balance
    on conflict (business_date, warehouse, product_id) do update
    set on_hand = excluded.on_hand, reserved = excluded.reserved, taken_at = excluded.taken_at
    where (stock_snapshot.on_hand, stock_snapshot.reserved) is distinct from (excluded.on_hand, excluded.reserved)
    returning 1
)
select (select count(*) from balance) as rows_in, (select count(*) from written) as loaded
"""
