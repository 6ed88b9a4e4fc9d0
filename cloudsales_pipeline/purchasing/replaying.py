"""Days played again under the reorder point: what would have been served, from how much stock. Arithmetic alone.

What belongs here: the simulation, day by day, with what was known by then. What does not: reading the ledger
(purchasing.backtesting).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cloudsales_pipeline.purchasing.demand import Numbers, Whole, forecast, net_of_returns, reorder_point

InPacks = Callable[[Whole], Whole]


@dataclass(frozen=True)
class Past:
    """Daily figures of products: columns are days, oldest first; the last `days` are played, those before are history alone.

    Attributes:
        sold: pieces that buyers wanted and got, by product and day.
        returned: pieces that came back, by product and day.
        first: the column of each product's first day; before it nothing is known of it.
        opening: pieces on hand when the first played day begins.
        days: how many of the columns are played.
    """

    sold: Numbers
    returned: Numbers
    first: Whole
    opening: Whole
    days: int

    @property
    def history(self) -> int:
        """The days before the played ones, which is also how far back a forecast looks."""
        columns: int = self.sold.shape[1]
        return columns - self.days


@dataclass(frozen=True)
class Policy:
    """How it is ordered. `in_packs` gives what is ordered of what each product lacks (0: nothing)."""

    lead_days: Whole
    review_days: int
    service_level: float
    in_packs: InPacks


@dataclass(frozen=True)
class Replayed:
    """By product: pieces asked for, pieces served on their day, and the stock at the evenings of all days together."""

    demanded: Whole
    served: Whole
    stock_days: Whole


def replay(past: Past, policy: Policy) -> Replayed:
    """Play the last `past.days` days.

    A day: what arrives and what comes back is there in the morning; those who wait are served first, then the day's sales; what
    is short waits, and counts as not served. In the evening, each `review_days`, and on the evening before the first day, the
    position is filled up to the reorder point that the days until then give; it is there in the morning after lead_days days.
    No order is under way at the start.
    """
    products = len(past.opening)
    on_hand, waiting = past.opening.astype(np.int64), np.zeros(products, np.int64)
    demanded, served, stock_days = (np.zeros(products, np.int64) for _ in range(3))
    arriving = np.zeros((products, past.days + 1), np.int64)  # the last column: after the end
    on_order = np.zeros(products, np.int64)
    for day in range(-1, past.days):
        if day >= 0:
            column = past.history + day
            on_order -= arriving[:, day]
            on_hand += arriving[:, day] + past.returned[:, column].astype(np.int64)
            late = np.minimum(on_hand, waiting)
            wanted = past.sold[:, column].astype(np.int64)
            now = np.minimum(on_hand - late, wanted)
            on_hand, waiting = on_hand - late - now, waiting - late + wanted - now
            demanded, served, stock_days = demanded + wanted, served + now, stock_days + on_hand
        if (day + 1) % policy.review_days == 0:
            lacking = np.maximum(_wanted_position(past, policy, day) - (on_hand + on_order - waiting), 0)
            ordered = policy.in_packs(lacking)
            arrival = np.minimum(day + policy.lead_days + 1, past.days)
            arriving[np.arange(products), arrival] += ordered
            on_order += ordered
    return Replayed(demanded, served, stock_days)


def _wanted_position(past: Past, policy: Policy, day: int) -> Whole:
    """The reorder points in the evening of a played day (−1: before the first), from the history that ends with it."""
    end = past.history + day + 1
    seen = slice(end - past.history, end)
    demand = net_of_returns(past.sold[:, seen], past.returned[:, seen])
    known = np.clip(end - past.first, 1, past.history)
    return reorder_point(forecast(demand, known), policy.lead_days, policy.review_days, policy.service_level).point
