"""A channel in memory that implements the port: its products are JSON in the contract's shape.

It can fail at a page, refuse a cursor, cut its listing into given pages (so that items move, repeat or come in any order),
and counts what it was asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cloudsales_pipeline.channels import fashionup_orders
from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.port import (
    Acknowledgement,
    AcknowledgeOutcome,
    Capabilities,
    Category,
    CategoryPage,
    ChannelOrder,
    Image,
    ListedProduct,
    ListedVariant,
    OfferedStock,
    OrderDocument,
    OrderHead,
    OrderPage,
    OrderStatus,
    Paging,
    ProductPage,
    Rejected,
    StockResult,
    StockUpdate,
)

UPDATED = "2026-11-20T10:00:00+02:00"


def variant(variant_id: str, **fields: Any) -> dict[str, Any]:
    """A variant in the contract's shape."""
    body: dict[str, Any] = {
        "id": variant_id,
        "code": f"C-{variant_id}",
        "ean": None,
        "size": "M",
        "colour": "Roșu",
        "price": {"amount": "129.90", "currency": "RON"},
        "vat_rate": "21",
        "stock": 3,
    }
    return body | fields


def product(product_id: str, variants: Sequence[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A product in the contract's shape; one variant named after it unless others are given."""
    body: dict[str, Any] = {
        "id": product_id,
        "code": f"S-{product_id}",
        "name": f"Rochie {product_id}",
        "brand": "Ița",
        "description": "<p>Rochie de vară</p>",
        "category_ids": ["1"],
        "images": [{"url": f"http://images.example/{product_id}.jpg", "position": 1}],
        "characteristics": [{"name": "Material", "value": "in"}],
        "status": "active",
        "updated_at": UPDATED,
        "variants": [variant(f"{product_id}-1")] if variants is None else list(variants),
    }
    return body | fields


def raw(body: dict[str, Any] | bytes) -> bytes:
    """A product as it goes over the wire."""
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


class FakeChannel:
    """A SalesChannel in memory.

    Args:
        products: the listing, in any order; served by id. Bytes are served as they are, at the end.
        page_size: products a page.
        pages: instead of `products`: exactly these pages, for repeats and moves.
        failures: page number (from 1) to the error that its first fetch raises.
    """

    def __init__(
        self,
        products: Iterable[dict[str, Any] | bytes] = (),
        *,
        page_size: int = 2,
        pages: Sequence[Sequence[dict[str, Any] | bytes]] | None = None,
        failures: dict[int, Exception] | None = None,
        name: str = "fashionup",
        categories: Sequence[Category] = (),
        delta: bool = True,
    ) -> None:
        self.products_now = list(products)
        self.page_size = page_size
        self.pages = pages
        self.failures = failures or {}
        self.channel_name = name
        self.categories_now = tuple(categories)
        self.delta = delta
        self.asked: list[tuple[str | None, datetime | None]] = []
        self.parsed = 0
        self.cursor_prefix = "page-"

    @property
    def name(self) -> str:
        return self.channel_name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            paging=Paging.CURSOR,
            page_size=self.page_size,
            catalogue_delta=self.delta,
            stock_batch=500,
            stock_versions=True,
            acknowledgement=Acknowledgement.REQUIRED,
        )

    def categories(self, cursor: str | None = None) -> CategoryPage:
        place = int(cursor or 0)
        following = place + self.page_size
        more = str(following) if following < len(self.categories_now) else None
        return CategoryPage(self.categories_now[place:following], more)

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        self.asked.append((cursor, updated_since))
        number = int(cursor.removeprefix(self.cursor_prefix)) if cursor else 1
        if failure := self.failures.pop(number, None):
            raise failure
        pages = self.pages if self.pages is not None else self._cut(updated_since)
        more = f"{self.cursor_prefix}{number + 1}" if number < len(pages) else None
        content = pages[number - 1] if pages else ()
        return ProductPage(tuple(raw(body) for body in content), more)

    def _cut(self, updated_since: datetime | None) -> list[list[dict[str, Any] | bytes]]:
        shown = [p for p in self.products_now if updated_since is None or isinstance(p, bytes) or _updated(p) >= updated_since]
        shown.sort(key=lambda p: (isinstance(p, bytes), "" if isinstance(p, bytes) else str(p.get("id"))))
        return [shown[n : n + self.page_size] for n in range(0, len(shown), self.page_size)]

    def product_id(self, payload: bytes) -> str:
        found = _object(payload).get("id")
        if not isinstance(found, str):
            raise PayloadError("missing_id", "no id")
        return found

    def parse_product(self, payload: bytes) -> ListedProduct:
        self.parsed += 1
        body = _object(payload)
        good: list[ListedVariant] = []
        rejected: list[Rejected] = []
        for position, one in enumerate(body.get("variants") or []):
            try:
                good.append(_variant(one, position))
            except PayloadError as error:
                rejected.append(Rejected(one.get("id") or f"#{position}", error.reason, error.detail))
        return ListedProduct(
            body["id"],
            body.get("code"),
            body["name"],
            body.get("brand"),
            body.get("description"),
            tuple(body.get("category_ids") or ()),
            tuple(Image(image["url"], image["position"]) for image in body.get("images") or ()),
            tuple((pair["name"], pair["value"]) for pair in body.get("characteristics") or ()),
            body.get("status", "active"),
            _updated(body),
            tuple(good),
            tuple(rejected),
        )

    def push_stock(self, updates: Sequence[StockUpdate]) -> tuple[StockResult, ...]:
        raise NotImplementedError

    def stock_result(self, ticket: str) -> tuple[StockResult, ...]:
        raise NotImplementedError

    def read_stock(self, variant_ids: Sequence[str]) -> tuple[OfferedStock, ...]:
        raise NotImplementedError

    def orders(self, cursor: str | None = None, updated_since: datetime | None = None) -> OrderPage:
        raise NotImplementedError

    def order_head(self, payload: bytes) -> OrderHead:
        return fashionup_orders.order_head(payload)  # its orders are in the contract's shape, as its products are

    def parse_order(self, payload: bytes) -> ChannelOrder:
        return fashionup_orders.parse_order(payload)

    def acknowledge(self, order_id: str) -> AcknowledgeOutcome:
        raise NotImplementedError

    def advance(self, order_id: str, status: OrderStatus, reason: str | None = None) -> None:
        raise NotImplementedError

    def attach_document(self, order_id: str, document: OrderDocument) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        pass


def _object(payload: bytes) -> dict[str, Any]:
    try:
        body = json.loads(payload)
    except ValueError:
        raise PayloadError("unreadable", "not JSON") from None
    if not isinstance(body, dict):
        raise PayloadError("unreadable", "not an object")
    return body


def _updated(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body.get("updated_at", UPDATED))


def _variant(body: dict[str, Any], position: int) -> ListedVariant:
    if not isinstance(body.get("id"), str):
        raise PayloadError("missing_id", "a variant without an id")
    price = body.get("price")
    try:
        amount = None if price is None else Decimal(price["amount"])
    except InvalidOperation:
        raise PayloadError("bad_price", "not a number", body["id"]) from None
    return ListedVariant(
        body["id"],
        position,
        body.get("code"),
        body.get("ean"),
        body.get("size"),
        body.get("colour"),
        amount,
        None if price is None else price["currency"],
        None if body.get("vat_rate") is None else Decimal(body["vat_rate"]),
        body.get("stock"),
    )
