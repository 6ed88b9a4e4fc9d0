"""Beyond today's orders: what to buy before it is missing. Shown beside the requirement, and never ordered unasked.

What belongs here: working out a day's proposals and storing them. What does not: the arithmetic (purchasing.demand), and what is
bought because somebody waits for it (purchasing.closing).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import copy_rows, steps
from cloudsales_pipeline.purchasing.rounding import Need, choose
from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.settings.purchasing import SupplierSettings

if TYPE_CHECKING:
    from cloudsales_pipeline.purchasing.demand import Forecast, Whole
    from cloudsales_pipeline.purchasing.sales import Sales
    from cloudsales_pipeline.settings import Settings

COPY = (
    "COPY cloudsales.replenishment_proposal (business_date, product_id, supplier, method, demand_per_day, deviation,"
    " lead_time_days, safety_stock, reorder_point, position, quantity, detail) FROM STDIN"
)


@dataclass(frozen=True)
class Proposed:
    """Products with demand, and what is proposed of how many of them. rows_in = loaded + unchanged + quarantined."""

    business_date: date
    rows_in: int
    loaded: int
    proposed: int
    quantity: int
    without_supplier: int
    seconds: float
    unchanged: int = 0
    quarantined: int = 0


def propose(engine: Engine, settings: Settings, *, now: datetime | None = None) -> Proposed:
    """Work out what to buy, of every product with sales, and store it as of today's business date, in place of what was there.

    Demand is read from the whole days before today; what lies there, is on order and waits, as it stands. Pieces that wait and
    are not bought yet are in the requirement and so not in the proposal.

    Raises:
        RefusedError: the setting purchasing.proposal is off.
        SettingsError: it names a warehouse that there is not.
    """
    from cloudsales_pipeline.purchasing.sales import sales_until, wanted

    started = time.monotonic()
    wanted(settings)
    sync_suppliers(engine, settings)
    today = (now or datetime.now(UTC)).astimezone(ZoneInfo(settings.timezone)).date()
    with engine.connect() as connection:
        rows = list(_rows(settings, sales_until(connection, settings, today - timedelta(days=1)), today))
    with engine.begin() as connection:
        # Two at once would both delete, and then insert the same rows.
        connection.execute(sa.text("lock table cloudsales.replenishment_proposal in share row exclusive mode"))
        connection.execute(sa.text(_statement("forget")), {"date": today})
        copy_rows(connection, COPY, rows)
    asked = [row for row in rows if row[10]]
    return Proposed(
        business_date=today,
        rows_in=len(rows),
        loaded=len(rows),
        proposed=len(asked),
        quantity=sum(row[10] for row in asked),
        without_supplier=sum(row[2] is None for row in asked),
        seconds=time.monotonic() - started,
    )


def proposals(connection: Connection, business_date: date, *, every: bool = False, limit: int = 1000) -> list[dict[str, Any]]:
    """What was proposed for a date, by supplier and pieces; with `every`, also products of which nothing is to be bought.

    Those are kept for the newest date alone.
    """
    rows = connection.execute(sa.text(_statement("stored")), {"date": business_date, "all": every, "limit": limit})
    return [dict(row) for row in rows.mappings()]


def order_sizes(settings: Settings, sales: Sales, lacking: Whole) -> Whole:
    """Of each product how many pieces to order for those that it lacks, by the rule that the close of a day uses."""
    import numpy as np

    sizes = np.zeros(len(lacking), np.int64)
    for place in np.flatnonzero(lacking > 0).tolist():
        one = sales.products[place]
        terms = settings.suppliers.get(one.supplier or "") or SupplierSettings()
        need = Need(one.product_id, one.sku, int(lacking[place]), one.pack_size, one.minimum_quantity or 0)
        choice = choose(need, terms)
        sizes[place] = choice.quantity if choice else 0
    return sizes


def _rows(settings: Settings, sales: Sales, today: date) -> Iterator[tuple[Any, ...]]:
    """The rows of COPY, of products whose demand is above nothing."""
    import numpy as np

    from cloudsales_pipeline.purchasing.demand import forecast, net_of_returns, reorder_point

    if not sales.products or settings.purchasing.proposal is None:
        return
    asked = settings.purchasing.proposal
    days = sales.sold.shape[1]
    found = forecast(net_of_returns(sales.sold, sales.returned), days - sales.first)
    points = reorder_point(found, sales.lead_days(), asked.review_days, asked.service_level)
    position = sales.column("available") + sales.column("on_order") - sales.column("waiting")
    lacking = np.maximum(points.point - position - sales.column("required"), 0)
    quantities = order_sizes(settings, sales, lacking)
    lead, methods, classes = sales.lead_days(), found.methods(), found.classes()
    for place, one in enumerate(sales.products):
        if found.per_day[place] > 0:
            yield (
                *(today, one.product_id, one.supplier, methods[place]),
                *(round(float(found.per_day[place]), 4), round(float(found.deviation[place]), 4), int(lead[place])),
                *(int(points.safety[place]), int(points.point[place]), int(position[place]), int(quantities[place])),
                json.dumps(_detail(one, found, place, classes[place], days - int(sales.first[place]))),
            )


def _detail(one: sa.Row[Any], found: Forecast, place: int, demand_class: str, days: int) -> dict[str, Any]:
    """What the figures follow from, for whoever asks why."""
    return {
        "class": demand_class,
        "days": days,
        "interval": round(float(found.interval[place]), 3),
        "variation": round(float(found.variation[place]), 3),
        **{name: int(getattr(one, name)) for name in ("available", "on_order", "waiting", "required")},
    }


def _statement(name: str) -> str:
    return steps("cloudsales_pipeline.purchasing", "proposing")[name]
