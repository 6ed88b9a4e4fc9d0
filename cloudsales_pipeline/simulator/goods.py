"""What can be ordered: the variants of the listing that have a price.

What belongs here: reading them out of the listing, once, and keeping up with its changes. What does not: what is offered of them
(`state`), and making orders (`orders`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from cloudsales_pipeline.simulator.shelf import Entry, Key


class Sellable(NamedTuple):
    """What an order line needs to know of a variant."""

    variant_id: str
    code: str | None
    ean: str | None
    name: str
    amount: Decimal
    currency: str
    vat_rate: str


class Goods:
    """The variants that can be ordered, by the listing's order. Nothing is read before the first order asks."""

    def __init__(self, entries: Callable[[], Iterable[Entry]]) -> None:
        self._entries = entries
        self._by_key: dict[Key, list[Sellable]] | None = None
        self._all: list[Sellable] | None = None
        self._by_variant: dict[str, Sellable] = {}

    def put(self, entry: Entry) -> None:
        """A product was listed or replaced."""
        if self._by_key is not None:
            self._by_key[entry.key] = _sellables_of(entry.payload)
            self._all = None

    def remove(self, key: Key) -> None:
        """A product was taken out of the listing."""
        if self._by_key is not None:
            self._by_key.pop(key, None)
            self._all = None

    def all(self) -> Sequence[Sellable]:
        """All of them."""
        if self._by_key is None:
            self._by_key = {entry.key: _sellables_of(entry.payload) for entry in self._entries()}
        if self._all is None:
            self._all = [one for key in sorted(self._by_key) for one in self._by_key[key]]
            self._by_variant = {one.variant_id: one for one in self._all}
        return self._all

    def find(self, variant_id: str) -> Sellable | None:
        """The variant, where it is listed with a price."""
        self.all()
        return self._by_variant.get(variant_id)


def _sellables_of(payload: bytes) -> list[Sellable]:
    """The variants of a product that can be ordered; what is flawed is passed over."""
    try:
        product = json.loads(payload)
        found = [_sellable(variant, str(product["name"])) for variant in product["variants"]]
    except (ValueError, KeyError, TypeError, InvalidOperation, RecursionError):
        return []
    return [one for one in found if one.amount.is_finite() and one.amount >= 0]


def _sellable(variant: dict[str, Any], name: str) -> Sellable:
    price, vat_rate = variant["price"], variant.get("vat_rate", "21")
    amount, currency = Decimal(price["amount"]), price["currency"]
    return Sellable(variant["id"], variant.get("code"), variant.get("ean"), name, amount, currency, vat_rate)
