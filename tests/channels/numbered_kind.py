"""A second kind of channel, made up: pages by number from 0, prices in bani, stock without versions, no delta.

It shows what a kind costs: this module and a line in the registry. Its server is below its adapter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from cloudsales_pipeline.channels.attempts import NotDecodableError, ShapeError
from cloudsales_pipeline.channels.errors import ChannelRefusedError, PayloadError
from cloudsales_pipeline.channels.port import (
    Acknowledgement,
    AcknowledgeOutcome,
    Address,
    Buyer,
    Capabilities,
    Category,
    CategoryPage,
    ChannelOrder,
    ChannelOrderStatus,
    DeliveryMethod,
    ListedProduct,
    ListedVariant,
    OfferedStock,
    OrderDocument,
    OrderHead,
    OrderLine,
    OrderPage,
    OrderStatus,
    Paging,
    PaymentMethod,
    PaymentStatus,
    ProductPage,
    Rejected,
    StockOutcome,
    StockResult,
    StockUpdate,
)
from cloudsales_pipeline.channels.transport import Transport
from cloudsales_pipeline.settings import ChannelSettings
from tests.channels.http_fake import Asked, serving
from tests.channels.known_shop import KnownShop

CAPABILITIES = Capabilities(
    paging=Paging.NUMBERED,
    page_size=100,
    pages_in_flight=4,
    catalogue_delta=False,
    stock_batch=50,
    stock_versions=False,
    acknowledgement=Acknowledgement.BY_STATUS,
)


def _any(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NotDecodableError from None


class Bazar:
    """The adapter."""

    def __init__(self, transport: Transport, page_size: int) -> None:
        self._transport = transport
        self._size = min(page_size, CAPABILITIES.page_size)

    @property
    def name(self) -> str:
        return self._transport.channel

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def _page(self, path: str, cursor: str | None, **more: str) -> tuple[list[Any], str | None]:
        """Our cursor is the page's number from 1; Bazar counts from 0 and names the last page."""
        number = int(cursor or 1)
        query = [("page", str(number - 1)), ("size", str(self._size)), *more.items()]
        found = self._transport.call("GET", path, operation=path[1:], query=query, decode=_any).value
        if not isinstance(found, dict) or "data" not in found:
            raise ShapeError("no data")
        return found["data"], str(number + 1) if number < found["pages"] else None

    def categories(self, cursor: str | None = None) -> CategoryPage:
        rows, following = self._page("/shelves", cursor)
        return CategoryPage(tuple(Category(row["ref"], row["title"], row["under"] or None) for row in rows), following)

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        rows, following = self._page("/goods", cursor)
        return ProductPage(tuple(json.dumps(row).encode() for row in rows), following)

    def product_id(self, payload: bytes) -> str:
        found = json.loads(payload).get("ref")
        if not isinstance(found, str):
            raise PayloadError("missing_id", "no ref")
        return found

    def parse_product(self, payload: bytes) -> ListedProduct:
        wire = json.loads(payload)
        if not wire["offers"]:
            raise PayloadError("no_variants", "no offers", wire["ref"])
        good, bad = [], []
        for position, offer in enumerate(wire["offers"]):
            if not isinstance(offer["bani"], int):
                bad.append(Rejected(offer["ref"], "bad_price", "bani is not a whole number"))
                continue
            price = Decimal(offer["bani"]).scaleb(-2)
            good.append(
                ListedVariant(offer["ref"], position, offer["code"], None, None, None, price, "RON", None, offer["stock"])
            )
        changed = datetime.fromtimestamp(wire["changed"], UTC)
        return ListedProduct(wire["ref"], None, wire["title"], None, None, (), (), (), "active", changed, tuple(good), tuple(bad))

    def push_stock(self, updates: Sequence[StockUpdate]) -> tuple[StockResult, ...]:
        if len(updates) > CAPABILITIES.stock_batch:
            raise ValueError(f"at most {CAPABILITIES.stock_batch} updates at once")
        if not updates:
            return ()
        body = json.dumps({update.variant_id: update.quantity for update in updates}).encode()
        taken = set(self._transport.call("PUT", "/offers", operation="offers", json=body, decode=_any).value["taken"])
        return tuple(
            StockResult(one.variant_id, StockOutcome.SET if one.variant_id in taken else StockOutcome.UNKNOWN_VARIANT)
            for one in updates
        )

    def stock_result(self, ticket: str) -> tuple[StockResult, ...]:
        raise ValueError("no tickets")

    def read_stock(self, variant_ids: Sequence[str]) -> tuple[OfferedStock, ...]:
        found: list[OfferedStock] = []
        for start in range(0, len(variant_ids), CAPABILITIES.stock_batch):
            query = [("ref", variant_id) for variant_id in variant_ids[start : start + CAPABILITIES.stock_batch]]
            answer = self._transport.call("GET", "/offers", operation="offers", query=query, decode=_any)
            found.extend(OfferedStock(ref, quantity, None) for ref, quantity in answer.value.items())
        return tuple(found)

    def orders(self, cursor: str | None = None, updated_since: datetime | None = None) -> OrderPage:
        since = {"since": str(updated_since.timestamp())} if updated_since else {}
        rows, following = self._page("/sales", cursor, **since)
        return OrderPage(tuple(json.dumps(row).encode() for row in rows), following)

    def order_head(self, payload: bytes) -> OrderHead:
        wire = json.loads(payload)
        if not isinstance(wire.get("sale"), str):
            raise PayloadError("missing_id", "no sale")
        return OrderHead(wire["sale"], wire["edition"], datetime.fromtimestamp(wire["changed"], UTC))

    def parse_order(self, payload: bytes) -> ChannelOrder:
        head, wire = self.order_head(payload), json.loads(payload)
        if any(basket["pieces"] < 1 for basket in wire["baskets"]):
            raise PayloadError("bad_quantity", f"line {wire['baskets'][0]['no']}: pieces", head.order_id)
        known = wire["state"] in ("new", "paid", "cancelled", "returned")
        to = wire["to"]
        return ChannelOrder(
            order_id=head.order_id,
            revision=head.revision,
            status=ChannelOrderStatus(wire["state"]) if known else ChannelOrderStatus.UNKNOWN,
            placed_at=datetime.fromtimestamp(wire["made"], UTC),
            updated_at=head.updated_at,
            buyer=Buyer(wire["who"], wire["mail"], None, None),
            billing=None,
            delivery=Address(to["name"], None, to["street"], to["city"], None, None, to["country"], None),
            payment_method=PaymentMethod.CARD,
            payment_status=PaymentStatus.PENDING,
            paid_at=None,
            delivery_method=DeliveryMethod.COURIER,
            courier=None,
            delivery_price=Decimal(0),
            currency="RON",
            lines=tuple(_bought(basket) for basket in wire["baskets"]),
            discounts=(),
            total=Decimal(wire["bani"]).scaleb(-2),
            note=None,
            unknown=() if known else ("status",),
        )

    def acknowledge(self, order_id: str) -> AcknowledgeOutcome:
        try:
            self._state(order_id, "picking")
        except ChannelRefusedError as error:
            outcomes = {404: AcknowledgeOutcome.UNKNOWN_ORDER, 423: AcknowledgeOutcome.LOCKED}
            if error.status not in outcomes:
                raise
            return outcomes[error.status]
        return AcknowledgeOutcome.DONE

    def advance(self, order_id: str, status: OrderStatus, reason: str | None = None) -> None:
        self._state(order_id, status.value)

    def _state(self, order_id: str, state: str) -> None:
        path = f"/sales/{quote(order_id, safe='').replace('.', '%2E')}/{state}"
        self._transport.call("PUT", path, operation="state", decode=lambda _: None, expected=frozenset({204}))

    def attach_document(self, order_id: str, document: OrderDocument) -> bool:
        path = "/".join(["/papers", *(quote(part, safe="") for part in (order_id, document.kind, document.number))])
        content = [("file", ("paper.pdf", document.content or b"", "application/pdf"))]
        answer = self._transport.call(
            "PUT", path, operation="papers", multipart=content, decode=lambda _: None, expected=frozenset({200, 201})
        )
        return answer.status == 201

    def close(self) -> None:
        self._transport.close()


def _bought(basket: dict[str, Any]) -> OrderLine:
    price = Decimal(basket["bani"]).scaleb(-2)
    return OrderLine(
        line_id=basket["no"],
        variant_id=basket["ref"],
        code=None,
        ean=None,
        name="",
        quantity=basket["pieces"],
        unit_price=price,
        vat_rate=None,
        returned=0,
    )


def open_channel(name: str, settings: ChannelSettings, connect: Callable[[], Transport]) -> Bazar:
    """What the registry names."""
    return Bazar(connect(), settings.page_size)


def capabilities(settings: ChannelSettings) -> Capabilities:
    """What it can do, before anything is opened."""
    return CAPABILITIES


# ---------------------------------------------------------------- its server


@contextmanager
def serve(shop: KnownShop) -> Iterator[str]:
    """The known shop in Bazar's words."""

    def answering(asked: Asked) -> tuple[int, Any]:
        match asked.method, asked.parts:
            case "GET", ["goods"]:
                return _numbered(asked, shop.products, _good)
            case "GET", ["shelves"]:
                shelf = {"ref": "id", "title": "name", "under": "parent_id"}
                return _numbered(asked, shop.categories, lambda row: {ours: row[theirs] for ours, theirs in shelf.items()})
            case "GET", ["sales"]:
                since = float(asked.first("since", "0"))
                return _numbered(asked, [one for one in shop.orders if _seconds(one) >= since], _sale)
            case "GET", ["offers"]:
                return 200, {ref: shop.stock[ref][0] for ref in asked.query.get("ref", []) if ref in shop.stock}
            case "PUT", ["offers"]:
                wanted = json.loads(asked.body)
                return 200, {"taken": [ref for ref, count in wanted.items() if shop.set_stock(ref, count, None) == "set"]}
            case "PUT", ["sales", order_id, "picking"]:
                return shop.acknowledge(order_id), {}
            case "PUT", ["sales", order_id, state]:
                shop.statuses[order_id] = state
                return 204, {}
            case "PUT", ["papers", order_id, kind, number]:
                content = asked.body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
                return shop.keep_document(order_id, kind, number, content), {}
        return 404, {}

    with serving(answering) as url:
        yield url


def _seconds(row: dict[str, Any]) -> float:
    return datetime.fromisoformat(row["updated_at"]).timestamp()


def _sale(order: dict[str, Any]) -> dict[str, Any]:
    lines = [
        {"no": one["id"], "ref": one["variant_id"], "pieces": one["quantity"], "bani": _bani(one["unit_price"])}
        for one in order["lines"]
    ]
    return {
        "sale": order["id"],
        "edition": order["revision"],
        "state": order["status"],
        "made": datetime.fromisoformat(order["created_at"]).timestamp(),
        "changed": _seconds(order),
        "who": order["customer"]["name"],
        "mail": order["customer"]["email"],
        "to": order["delivery_address"],
        "baskets": lines,
        "bani": _bani(order["total"]),
    }


def _bani(money: dict[str, str]) -> int:
    return int(Decimal(money["amount"]) * 100)


def _good(product: dict[str, Any]) -> dict[str, Any]:
    offers = [
        {
            "ref": one["id"],
            "code": one["code"],
            "bani": one["price"]["amount"] if one["price"]["amount"] == "abc" else int(Decimal(one["price"]["amount"]) * 100),
            "stock": one["stock"],
        }
        for one in product["variants"]
    ]
    return {"ref": product["id"], "title": product["name"], "changed": _seconds(product), "offers": offers}


def _numbered(asked: Asked, rows: list[dict[str, Any]], told: Callable[[dict[str, Any]], Any]) -> tuple[int, Any]:
    page, size = int(asked.first("page")), int(asked.first("size"))
    pages = -(-len(rows) // size)
    if page >= pages:
        return 404, {}  # behind the last page some channels answer with an error
    return 200, {"data": [told(row) for row in rows[page * size : (page + 1) * size]], "pages": pages}
