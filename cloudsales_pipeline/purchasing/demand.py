"""Demand per day and the stock that it asks for, from daily sales. Arithmetic alone, over all products at once.

What belongs here: forecast, class of demand, reorder point. What does not: reading the ledger (purchasing.proposing), and what
would have come of it (purchasing.replaying). Import it inside functions: it needs numpy.

Classes of demand: A. A. Syntetos, J. E. Boylan, J. D. Croston, "On the categorization of demand patterns", Journal of the
Operational Research Society 56 (2005) 495–503. Intermittent demand: J. D. Croston, "Forecasting and stock control for
intermittent demands", Operational Research Quarterly 23 (1972) 289–303, corrected for its bias by A. A. Syntetos and J. E.
Boylan, "The accuracy of intermittent demand estimates", International Journal of Forecasting 21 (2005) 303–314: the
approximation called SBA.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

INTERVAL_BOUND = 1.32
"""Days between demands, on average, from which demand is intermittent (Syntetos, Boylan and Croston 2005)."""
VARIATION_BOUND = 0.49
"""Squared coefficient of variation of the sizes from which they vary much (the same paper)."""
SMOOTHING = 0.1
"""Weight of the newest size and interval; the papers use 0.05 to 0.2."""
TINY = 1e-9
"""What floating point may be off before a figure is rounded up."""

CLASSES = ("smooth", "erratic", "intermittent", "lumpy")


@dataclass(frozen=True)
class Forecast:
    """Of each product: pieces a day, the daily deviation, and what the method was chosen by.

    `intermittent`: forecast by SBA, else by the mean. `interval`: days to a demand, infinite where there was none;
    `variation`: squared coefficient of variation of the sizes.
    """

    per_day: Numbers
    deviation: Numbers
    interval: Numbers
    variation: Numbers
    intermittent: NDArray[np.bool_]

    def methods(self) -> list[str]:
        """`sba` or `mean`, by product."""
        return ["sba" if one else "mean" for one in self.intermittent]

    def classes(self) -> list[str]:
        """One of CLASSES by product."""
        return [CLASSES[2 * bool(rare) + bool(wild)] for rare, wild in zip(self.intermittent, self.varied(), strict=True)]

    def varied(self) -> NDArray[np.bool_]:
        """Whether sizes vary much, by product."""
        return self.variation >= VARIATION_BOUND


def net_of_returns(sold: Numbers, returned: Numbers) -> Numbers:
    """Demand by product and day, oldest first: what was sold, less what came back. Never negative.

    A return takes back the newest sales that had been made by its day; what came back of sales before the first day is left out.
    """
    net = sold - returned
    owed = np.zeros(len(net))
    for day in reversed(range(net.shape[1])):
        left = net[:, day] + owed
        net[:, day] = np.maximum(left, 0)
        owed = np.minimum(left, 0)
    return net


def forecast(demand: Numbers, known: Whole) -> Forecast:
    """Demand of the days to come, from that of the days that were.

    Args:
        demand: pieces ≥ 0 by product and day, oldest first (`net_of_returns`).
        known: for how many of the last of these days each product was there at all; the days before say nothing about it.
    """
    days = np.clip(known, 1, max(1, demand.shape[1])).astype(np.float64)
    total, squares = demand.sum(axis=1), (demand**2).sum(axis=1)
    times = np.count_nonzero(demand, axis=1)
    spread = np.maximum(squares - total**2 / days, 0)
    size = total / np.maximum(times, 1)
    interval = np.where(times > 0, days / np.maximum(times, 1), np.inf)
    size_variance = np.maximum(squares / np.maximum(times, 1) - size**2, 0)
    intermittent = (interval >= INTERVAL_BOUND) & (times > 0)
    return Forecast(
        per_day=np.where(intermittent, _sba(demand, days, size, interval), total / days),
        deviation=np.sqrt(spread / np.maximum(days - 1, 1)),
        interval=interval,
        variation=size_variance / np.where(size > 0, size**2, 1),
        intermittent=intermittent,
    )


def _sba(demand: Numbers, days: Numbers, size: Numbers, interval: Numbers) -> Numbers:
    """Croston's size and interval, each smoothed at the days with demand, times 1 − α/2.

    Both start at their means over the history: starting at the first of each, a product that sold late and then often kept its
    first long interval for months.
    """
    size, interval = size.copy(), interval.copy()
    first = demand.shape[1] - days
    gap = np.zeros(len(demand))
    for day in range(demand.shape[1]):
        pieces = demand[:, day]
        gap += day >= first
        asked = pieces > 0
        size[asked] += SMOOTHING * (pieces - size)[asked]
        interval[asked] += SMOOTHING * (gap - interval)[asked]
        gap[asked] = 0
    return (1 - SMOOTHING / 2) * size / interval


@dataclass(frozen=True)
class ReorderPoint:
    """Whole pieces by product: the stock to go on from, and the part of it that is there for chance."""

    point: Whole
    safety: Whole


def reorder_point(of: Forecast, lead_days: Whole, review_days: int, service_level: float) -> ReorderPoint:
    """The position (available + on order − waiting) below which to order, and up to which.

    Demand over lead time + review period, and as safety stock the normal quantile of the service level times the deviation over
    that time. To the nearest piece, a half down, which is the normal approximation's continuity correction: always upwards, a
    piece would be kept of whatever sold once in a year.
    """
    time = lead_days + review_days
    safety = NormalDist().inv_cdf(service_level) * of.deviation * np.sqrt(time)
    return ReorderPoint(_nearest(of.per_day * time + safety), _nearest(safety))


def _nearest(pieces: Numbers) -> Whole:
    return np.maximum(np.ceil(pieces - 0.5 - TINY), 0).astype(np.int64)
