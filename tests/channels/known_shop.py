"""A shop whose data every conformance test knows, in FashionUp's shapes, and what any channel does with it in memory."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

TOKEN = "right-token"
EARLY, LATE, SINCE = "2026-11-01T08:00:00+02:00", "2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00+00:00"
PRODUCT_IDS = [f"P-{number:03}" for number in range(1, 24)]
CHANGED_IDS = PRODUCT_IDS[-5:]
UNREADABLE_ID = "P-011"  # it has no variants
HALF_READABLE_ID = "P-007"  # its second variant's price is "abc"
CATEGORY_IDS = [f"C-{number}" for number in range(1, 8)]
ORDER_IDS = [f"O-{number}" for number in range(1, 6)]
LOCKED_ORDER = "O-4"
PUZZLING_ORDER = "O-3"  # its status is a word that nobody knows
UNREADABLE_ORDER = "O-2"  # it is about no pieces


def _product(product_id: str) -> dict[str, Any]:
    prices = ["99.90", "abc" if product_id == HALF_READABLE_ID else "109.90"]
    variants = [
        {"id": f"{product_id}-{n}", "code": f"{product_id}/{n}", "price": {"amount": price, "currency": "RON"}, "stock": n}
        for n, price in enumerate(prices)
    ]
    return {
        "id": product_id,
        "name": f"Rochie {product_id} cu șnur",
        "status": "active",
        "category_ids": ["C-2"],
        "updated_at": LATE if product_id in CHANGED_IDS else EARLY,
        "variants": [] if product_id == UNREADABLE_ID else variants,
    }


def _order(order_id: str) -> dict[str, Any]:
    money = {"amount": "99.90", "currency": "RON"}
    address = {"name": "Ana", "street": "Str. Lungă 1", "city": "Cluj", "country": "RO"}
    return {
        "id": order_id,
        "revision": 1,
        "status": "on_the_moon" if order_id == PUZZLING_ORDER else "new",
        "created_at": EARLY,
        "updated_at": LATE if order_id == ORDER_IDS[-1] else EARLY,
        "customer": {"name": "Ana", "email": "ana@example.com"},
        "delivery_address": address,
        "payment": {"method": "card"},
        "delivery": {"method": "courier"},
        "lines": [{"id": "1", "variant_id": "P-001-0", "quantity": int(order_id != UNREADABLE_ORDER), "unit_price": money}],
        "total": money,
    }


@dataclass
class KnownShop:
    """The data, and what has been done to it."""

    products: list[dict[str, Any]] = field(default_factory=lambda: [_product(one) for one in PRODUCT_IDS])
    categories: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": one, "name": f"Categoria {one}", "parent_id": "C-1" if one != "C-1" else None} for one in CATEGORY_IDS
        ]
    )
    orders: list[dict[str, Any]] = field(default_factory=lambda: [_order(one) for one in ORDER_IDS])
    stock: dict[str, tuple[int, int]] = field(default_factory=dict)  # variant → quantity, version
    acknowledged: list[str] = field(default_factory=list)
    documents: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for product in self.products:
            self.stock |= {variant["id"]: (variant["stock"], 0) for variant in product["variants"]}

    def set_stock(self, variant_id: str, quantity: int, version: int | None) -> str:
        """FashionUp's word on one update; without a version the last one wins."""
        with self.lock:
            if variant_id not in self.stock:
                return "unknown_variant"
            if version is not None and version < self.stock[variant_id][1]:
                return "stale"
            self.stock[variant_id] = (quantity, version or 0)
            return "set"

    def acknowledge(self, order_id: str) -> int:
        """The status of the answer."""
        if order_id not in ORDER_IDS:
            return 404
        if order_id == LOCKED_ORDER:
            return 423
        self.acknowledged.append(order_id)
        return 204

    def keep_document(self, order_id: str, kind: str, number: str, content: bytes) -> int:
        """The status of the answer."""
        if order_id not in ORDER_IDS:
            return 404
        with self.lock:
            known = (order_id, kind, number) in self.documents
            self.documents.setdefault((order_id, kind, number), content)
        return 200 if known else 201


class Serve(Protocol):
    """Serves a shop for the time of the context, which gives the URL."""

    def __call__(self, shop: KnownShop) -> AbstractContextManager[str]: ...
