"""The ledger's daily sales as matrices of products and days, and what else a proposal has to know of each product.

What belongs here: reading. What does not: what follows from it (purchasing.proposing, purchasing.backtesting).
Import it inside functions: it needs numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import RefusedError, SettingsError
from cloudsales_pipeline.purchasing.demand import Numbers, Whole
from cloudsales_pipeline.settings.purchasing import ReplenishmentSettings, SupplierSettings
from cloudsales_pipeline.stock.days import day_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Row

    from cloudsales_pipeline.settings import Settings

UNKNOWN_SUPPLIER = SupplierSettings()
"""What is assumed of a product that nobody is known to sell."""


@dataclass(frozen=True)
class Sales:
    """Rows are products, in the order of `products`; columns are business dates, oldest first, the last one `last`.

    `sold` and `returned` are pieces ≥ 0, `moved` is the sum of all movements of the day, `first` the column of a product's first
    day.
    """

    last: date
    products: Sequence[Row[Any]]
    sold: Numbers
    returned: Numbers
    moved: Numbers
    first: Whole

    def column(self, name: str) -> Whole:
        """A figure of the products, as whole numbers."""
        return np.array([getattr(product, name) for product in self.products], np.int64)

    def lead_days(self) -> Whole:
        """From the order to the goods: the price list's, else the supplier's, else the settings' default."""
        return np.array(
            [_first(one.lead_time_days, one.usual_lead_time, UNKNOWN_SUPPLIER.lead_time_days) for one in self.products], np.int64
        )


def wanted(settings: Settings) -> ReplenishmentSettings:
    """The settings of the proposal.

    Raises:
        RefusedError: it is off.
        SettingsError: it names a warehouse that there is not.
    """
    asked = settings.purchasing.proposal
    if asked is None:
        raise RefusedError("No proposal is made: the setting is off.", next_step="write `proposal: {}` under `purchasing:`")
    unknown = [name for name in asked.warehouses if name not in settings.warehouses]
    if unknown:
        known = ", ".join(settings.warehouses) or "none"
        raise SettingsError(f"purchasing.proposal.warehouses names the warehouse {unknown[0]}; known are: {known}.")
    return asked


def sales_until(connection: Connection, settings: Settings, last: date, *, played: int = 0) -> Sales:
    """Sales of `purchasing.proposal.history` and of `played` more days, up to and including the business date `last`.

    Products are those that sold in this time. One pass over the ledger in SQL; what comes over is a row for each product and day
    on which it moved.
    """
    asked = wanted(settings)
    days = max(1, asked.history.days) + played
    first = last - timedelta(days=days - 1)
    facts: dict[str, Any] = {
        "start": day_end(first - timedelta(days=1), settings.timezone),
        "finish": day_end(last, settings.timezone),
        "opening": day_end(last - timedelta(days=played), settings.timezone),
        "timezone": settings.timezone,
        "warehouses": list(asked.warehouses) or None,
        "date": last,
        "first": first,
    }
    statements = steps("cloudsales_pipeline.purchasing", "proposing")
    products = connection.execute(sa.text(statements["products"]), facts).all()
    matrices = _matrices(_numbers(connection, statements["days"], facts), [one.product_id for one in products], days)
    since = np.array([(one.first_day - first).days for one in products], np.int64)
    return Sales(last, products, *matrices, np.maximum(since, 0))


def _numbers(connection: Connection, query: str, facts: dict[str, Any]) -> Whole:
    """A query's rows of five whole numbers. By COPY: five million rows as Python objects would take more than the query."""
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"copy ({query}) to stdout (delimiter ' ')", facts) as copy:
        text = b"".join(copy)
    return np.fromstring(text, np.int64, sep=" ").reshape(-1, 5)


def _matrices(rows: Whole, product_ids: Sequence[int], days: int) -> tuple[Numbers, Numbers, Numbers]:
    """Sold, returned, moved, by product and day; what is not of these products is left out."""
    ids = np.array(product_ids, np.int64)
    rows = rows[np.isin(rows[:, 0], ids)]
    places = np.searchsorted(ids, rows[:, 0]), rows[:, 1]
    found = [np.zeros((len(ids), days)) for _ in range(3)]
    for matrix, values in zip(found, rows[:, 2:].T, strict=True):
        matrix[places] = values
    return found[0], found[1], found[2]


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
