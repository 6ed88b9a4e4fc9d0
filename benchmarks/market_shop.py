"""A simulated channel that notes when its offers change and what was sold under which revision, and the buyers who use it.

What belongs here: the channel's side of the market. What does not: our side (`market_world`), and judging (`market_exposure`).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.simulator.shop import Offer, StockWrite
from cloudsales_pipeline.simulator.state import FinalOrderError, State

RECENT = 40
"""A buyer changes one of so many last orders."""


class Offered(NamedTuple):
    """From `at` (seconds since 1970) on the channel would sell so many pieces of the SKU."""

    at: float
    sku: str
    quantity: int


class Sold(NamedTuple):
    """A buyer took pieces, by this revision of the order."""

    at: float
    order_id: str
    revision: int
    sku: str
    quantity: int


class WatchedShop(State):
    """A channel whose variants are named after our SKUs, `V-` before them.

    Attributes:
        put_back: pieces that came on offer again since a push of the same version was repeated after a sale.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offered: list[Offered] = []
        self.sold: list[Sold] = []
        self.put_back = 0
        self._ahead = 0

    @classmethod
    def with_products(cls, skus: list[str]) -> WatchedShop:
        """It lists a variant of each SKU, and offers none."""
        shop = cls()
        for sku in skus:
            variant = {"id": f"V-{sku}", "code": sku, "stock": 0, "price": {"amount": "10.05", "currency": "RON"}}
            shop.put_product(
                {"id": f"P-{sku}", "name": f"Rochie {sku}", "updated_at": "2026-11-01T10:00:00Z", "variants": [variant]}
            )
        return shop

    def amend_order(self, order_id: str, lines: Sequence[tuple[str, int]], *, only_offered: bool = False) -> dict[str, Any]:
        """As the simulator does it; what is taken meanwhile is of the revision to come."""
        with self.lock:
            self._ahead = 1
            try:
                return super().amend_order(order_id, lines, only_offered=only_offered)
            finally:
                self._ahead = 0

    def _set_one(self, variant_id: str, quantity: int, version: int) -> StockWrite:
        before = self._offers.get(variant_id, Offer(0, -1))
        write = super()._set_one(variant_id, quantity, version)
        if write.result == "set":
            self.offered.append(Offered(time.time(), variant_id[2:], quantity))
            if version == before.version:
                self.put_back += max(0, quantity - before.quantity)
        return write

    def _take(self, order_id: str, variant_id: str, quantity: int) -> None:
        super()._take(order_id, variant_id, quantity)
        at, revision = time.time(), self._orders[order_id]["revision"] + self._ahead
        self.sold.append(Sold(at, order_id, revision, variant_id[2:], quantity))
        self.offered.append(Offered(at, variant_id[2:], self._offers[variant_id].quantity))


class Buyer(threading.Thread):
    """Orders what is offered until so many orders are placed; changes, pays, cancels and sends back some of them."""

    def __init__(self, shop: WatchedShop, orders: int, a_second: float, over: threading.Event, seed: int) -> None:
        super().__init__(name=f"buyer-{seed}", daemon=True)
        self._shop, self._orders, self._pause, self._over = shop, orders, 1 / a_second, over
        self._chance = random.Random(seed)
        self.placed: list[str] = []
        self.changes = 0

    def run(self) -> None:
        """Until all are placed, or the market is over."""
        while len(self.placed) < self._orders and not self._over.is_set():
            with suppress(InputError):  # nothing is offered just now
                self.placed.append(self._shop.place_order(only_offered=True)["id"])
                if self._chance.random() < 0.3:
                    self._change(self._chance.choice(self.placed[-RECENT:]))
            time.sleep(self._pause)

    def _change(self, order_id: str) -> None:
        order = self._shop.order(order_id)
        change = self._chance.choice((self._amend, self._amend, self._cancel, self._pay, self._send_back))
        with suppress(InputError, FinalOrderError, ValueError):
            change(order)
            self.changes += 1

    def _amend(self, order: dict[str, Any]) -> None:
        """One line more or less of, also of what is not offered: so there are orders that wait."""
        lines = {line["variant_id"]: line["quantity"] for line in order["lines"]}
        chosen = self._chance.choice(list(lines))
        lines[chosen] = max(1, lines[chosen] + self._chance.choice((-1, 1, 2)))
        self._shop.amend_order(order["id"], list(lines.items()), only_offered=self._chance.random() < 0.5)

    def _cancel(self, order: dict[str, Any]) -> None:
        self._shop.cancel_order(order["id"])

    def _pay(self, order: dict[str, Any]) -> None:
        self._shop.pay_order(order["id"])

    def _send_back(self, order: dict[str, Any]) -> None:
        self._shop.return_lines(order["id"], {self._chance.choice(order["lines"])["id"]: 1})


def as_it_stands(shop: WatchedShop) -> dict[str, dict[str, Any]]:
    """Every order of the channel at its last revision, by id."""
    return {order["id"]: order for order in shop.orders()}
