"""Rates of Romanian VAT by the day of supply.

What belongs here: which rate holds where a channel names none. What does not: working VAT out (`building`). A correction takes no
rate from here: it repeats those of the invoice that it corrects (F-35).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from cloudsales_pipeline.errors import CloudSalesError


@dataclass(frozen=True)
class Rates:
    """The rates from a day on, per cent; `source` is the law in words."""

    since: date
    standard: Decimal
    reduced: tuple[Decimal, ...]
    source: str


RATES = (
    Rates(
        date(2017, 1, 1),
        Decimal(19),
        (Decimal(9), Decimal(5)),
        "Law 227/2015 (Fiscal Code), article 291: 19 % from 1 January 2017; reduced rates of 9 % and 5 %.",
    ),
    Rates(
        date(2025, 8, 1),
        Decimal(21),
        (Decimal(11),),
        "Law 141/2025, which changed article 291: 21 % and one reduced rate of 11 % from 1 August 2025."
        " Dwellings under way kept 9 % until 31 July 2026; no shop sells them by this pipeline.",
    ),
)


def rates_on(day: date) -> Rates:
    """The rates of a day of supply.

    Raises:
        CloudSalesError: the day is before the table begins.
    """
    found = [rates for rates in RATES if rates.since <= day]
    if not found:
        raise CloudSalesError(
            f"No rate of VAT is known for {day.isoformat()}: the table begins on {RATES[0].since.isoformat()}.",
            next_step="look at the order's day of supply; a channel may have sent a wrong year",
        )
    return found[-1]


def rate_of_line(said: Decimal | None, day: date) -> Decimal:
    """What the channel says of the line; where it says nothing, the standard rate of the day of supply. Per cent."""
    return rates_on(day).standard if said is None else said


def rate_of_delivery(goods: Mapping[Decimal, Decimal], day: date) -> Decimal:
    """Delivery is part of the price of the goods (Fiscal Code, article 286 (3) b), so it has their rate.

    With goods of several rates it has the highest: never too little VAT. `goods`: value by rate; empty → the standard rate.
    """
    return max(goods) if goods else rates_on(day).standard
