"""How many pieces are ordered for how many are required: packs, and minimums of a line and of an order. Pure (I-29).

What belongs here: the rule. What does not: where its figures come from, and what is done with the surplus.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from cloudsales_pipeline.settings.purchasing import SupplierSettings

Rounding = Literal["up", "nearest", "none"]


class Need(NamedTuple):
    """What is required of one product, and the supplier's terms for it; `pack` None: the settings say."""

    product_id: int
    sku: str
    required: int
    pack: int | None = None
    minimum: int = 0
    price: Decimal | None = None
    currency: str | None = None


class Choice(NamedTuple):
    """A line to be ordered: `quantity` = `required` + surplus; `required` is below the need's only where packs went down."""

    product_id: int
    sku: str
    pack: int
    required: int
    quantity: int
    price: Decimal | None
    currency: str | None


def to_packs(pieces: int, pack: int, rule: Rounding) -> int:
    """Pieces in whole packs: `up`; `nearest`, at least one pack, a half up; `none`: as they are."""
    if rule == "none" or pieces % pack == 0:
        return pieces
    packs = -(-pieces // pack) if rule == "up" else max(1, (2 * pieces + pack) // (2 * pack))
    return packs * pack


def choose(need: Need, terms: SupplierSettings) -> Choice | None:
    """The line for one product; None where it is below the product's own minimum, and that waits.

    Otherwise a minimum is filled up, in whole packs, and what is above the need is surplus.
    """
    pack = need.pack or terms.pack_sizes.get(need.sku, terms.pack_size)
    quantity = to_packs(need.required, pack, terms.pack_rounding)
    if quantity < need.minimum:
        if terms.below_minimum == "wait":
            return None
        quantity = to_packs(need.minimum, pack, "none" if terms.pack_rounding == "none" else "up")
    return Choice(need.product_id, need.sku, pack, min(need.required, quantity), quantity, need.price, need.currency)


def choose_order(needs: Sequence[Need], terms: SupplierSettings) -> list[Choice]:
    """The lines of one order by SKU; none where it is below the supplier's minimum, and that waits."""
    found = [choice for need in sorted(needs, key=lambda need: need.sku) if (choice := choose(need, terms))]
    return [] if terms.below_minimum == "wait" and is_below_minimum(found, terms) else found


def is_below_minimum(choices: Sequence[Choice], terms: SupplierSettings) -> bool:
    """Whether an order is below its minimum pieces or value; its value is known where all lines have a price in one currency."""
    if sum(choice.quantity for choice in choices) < terms.minimum_quantity:
        return True
    prices = [choice.quantity * choice.price for choice in choices if choice.price is not None]
    known = len(prices) == len(choices) and len({choice.currency for choice in choices}) == 1
    return known and sum(prices, Decimal(0)) < terms.minimum_value
