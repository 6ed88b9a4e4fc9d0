"""Whether the proposal would have been any good: the ledger's last days played again, beside what really happened.

What belongs here: what is read, and the summary. What does not: the simulation (purchasing.replaying).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.purchasing.proposing import order_sizes
from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.stock.days import day_end

if TYPE_CHECKING:
    from cloudsales_pipeline.purchasing.demand import Numbers, Whole
    from cloudsales_pipeline.purchasing.replaying import Replayed
    from cloudsales_pipeline.purchasing.sales import Sales
    from cloudsales_pipeline.settings import Settings

MOST_DAYS = 366


@dataclass(frozen=True)
class Backtest:
    """The last `days` days until `last`, of products that sold: the proposal's figures beside the real ones.

    Attributes:
        fill_rate: share of the pieces sold that the simulated stock would have had on their day; None: nothing was sold.
        average_stock: pieces at the end of a day, on average, over all products together.
        real_fill_rate: share of the pieces sold that did not wait first, as far as orders say; a sale that was never made for
            want of stock is in no ledger, so the real figure is the best case.
        classes: the same by class of demand.
    """

    last: date
    days: int
    products: int
    demanded: int
    fill_rate: float | None
    average_stock: float
    real_fill_rate: float | None
    real_average_stock: float
    classes: list[dict[str, Any]]
    seconds: float


def backtest(engine: Engine, settings: Settings, days: int, *, now: datetime | None = None) -> Backtest:
    """Play the last whole `days` days with what was known on each: sales until then, the stock the first day began with.

    Lead times, packs and suppliers are those of today, and no order is under way on the first day.

    Raises:
        InputError: days below 1 or above MOST_DAYS.
        RefusedError: the setting purchasing.proposal is off.
    """
    from cloudsales_pipeline.purchasing.replaying import Past, Policy, replay
    from cloudsales_pipeline.purchasing.sales import sales_until, wanted

    if not 1 <= days <= MOST_DAYS:
        raise InputError(f"{days} days can't be played again: 1 to {MOST_DAYS} can.")
    started, asked = time.monotonic(), wanted(settings)
    sync_suppliers(engine, settings)
    last = (now or datetime.now(UTC)).astimezone(ZoneInfo(settings.timezone)).date() - timedelta(days=1)
    with engine.connect() as connection:
        sales = sales_until(connection, settings, last, played=days)
        waited = _waited(connection, settings, last, days)
    past = Past(sales.sold, sales.returned, sales.first, sales.column("opening"), days)
    lead = sales.lead_days()
    policy = Policy(lead, asked.review_days, asked.service_level, lambda lacking: order_sizes(settings, sales, lacking))
    return _summary(sales, past.history, days, replay(past, policy), waited, started)


def _summary(sales: Sales, history: int, days: int, played: Replayed, waited: int, started: float) -> Backtest:
    stock = _real_stock(sales, history)
    demanded = int(played.demanded.sum())
    return Backtest(
        last=sales.last,
        days=days,
        products=len(sales.products),
        demanded=demanded,
        fill_rate=_share(int(played.served.sum()), demanded),
        average_stock=round(float(played.stock_days.sum()) / days, 1),
        real_fill_rate=_share(max(0, demanded - waited), demanded),
        real_average_stock=round(float(stock.sum()) / days, 1),
        classes=_by_class(sales, days, played, stock),
        seconds=round(time.monotonic() - started, 3),
    )


def _by_class(sales: Sales, days: int, played: Replayed, stock: Numbers) -> list[dict[str, Any]]:
    """A row for each class of demand that occurs, by the demand of the whole time."""
    import numpy as np

    from cloudsales_pipeline.purchasing.demand import CLASSES, forecast, net_of_returns

    classes = np.array(forecast(net_of_returns(sales.sold, sales.returned), sales.sold.shape[1] - sales.first).classes())

    def row(name: str, chosen: Whole) -> dict[str, Any]:
        demanded = int(played.demanded[chosen].sum())
        return {
            "demand": name,
            "products": len(chosen),
            "demanded": demanded,
            "fill_rate": _share(int(played.served[chosen].sum()), demanded),
            "average_stock": round(float(played.stock_days[chosen].sum()) / days, 1),
            "real_average_stock": round(float(stock[chosen].sum()) / days, 1),
        }

    places = {name: np.flatnonzero(classes == name) for name in CLASSES}
    return [row(name, chosen) for name, chosen in places.items() if len(chosen)]


def _real_stock(sales: Sales, history: int) -> Numbers:
    """Pieces on hand at the end of each played day, added up, by product."""
    moved = sales.moved[:, history:]
    total: Numbers = (sales.column("opening")[:, None] + moved.cumsum(axis=1)).sum(axis=1)
    return total


def _waited(connection: Connection, settings: Settings, last: date, days: int) -> int:
    """Pieces of orders taken in on these days that did not find their stock at once."""
    facts = {
        "start": day_end(last - timedelta(days=days), settings.timezone),
        "finish": day_end(last, settings.timezone),
    }
    pieces = connection.scalar(sa.text(steps("cloudsales_pipeline.purchasing", "proposing")["waited"]), facts)
    return int(pieces or 0)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
