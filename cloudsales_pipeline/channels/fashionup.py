"""FashionUp: the adapter that speaks its seller API (docs: the contract fashionup.openapi.yaml), in full.

What belongs here: paths, parameters, bodies, statuses, and what they mean in the port's words. What does not: the fields of
a product and an order (`fashionup_products`, `fashionup_orders`), HTTP's failures (`transport`), the walk over pages (`pages`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from cloudsales_pipeline.channels import fashionup_fields, fashionup_orders, fashionup_products
from cloudsales_pipeline.channels.attempts import NotDecodableError, ShapeError
from cloudsales_pipeline.channels.envelope import Page, decode_page
from cloudsales_pipeline.channels.errors import ChannelRefusedError, OutcomeUnknownError
from cloudsales_pipeline.channels.port import (
    Acknowledgement,
    AcknowledgeOutcome,
    Capabilities,
    Category,
    CategoryPage,
    ChannelOrder,
    ListedProduct,
    OfferedStock,
    OrderDocument,
    OrderHead,
    OrderPage,
    OrderStatus,
    Paging,
    ProductPage,
    Rejected,
    StockOutcome,
    StockResult,
    StockUpdate,
)
from cloudsales_pipeline.channels.transport import Part, Transport

if TYPE_CHECKING:
    from cloudsales_pipeline.settings import ChannelSettings

CAPABILITIES = Capabilities(
    paging=Paging.CURSOR,
    page_size=500,
    catalogue_delta=True,
    stock_batch=500,
    stock_versions=True,
    acknowledgement=Acknowledgement.REQUIRED,
)
DOCUMENT_KINDS = frozenset({"proforma_invoice", "fiscal_invoice", "credit_note", "waybill"})
QUERY_BYTES = 6_000  # of the ids in a stock read: common servers refuse a request line above 8 kB
OUTCOMES = {
    "set": StockOutcome.SET,
    "stale": StockOutcome.STALE,
    "unknown_variant": StockOutcome.UNKNOWN_VARIANT,
    "rejected": StockOutcome.REJECTED,
}
GONE = frozenset({404, 410})
LOCKED = frozenset({409, 423})

T = TypeVar("T")


class _WireCategory(Struct, frozen=True):
    id: str
    name: str
    parent_id: str | None = None


class _WireStock(Struct, frozen=True):
    variant_id: str
    quantity: int
    version: int | None = None


class _WireStockList(Struct, frozen=True):
    items: list[_WireStock]


class _WireUpdates(Struct, frozen=True):
    items: list[StockUpdate]


class _WireResult(Struct, frozen=True):
    variant_id: str
    result: str
    detail: str = ""


class _WireResults(Struct, frozen=True):
    results: list[_WireResult]


class FashionUp:
    """A FashionUp shop; see `SalesChannel` for what each method promises."""

    def __init__(self, transport: Transport, page_size: int) -> None:
        self._transport = transport
        self._limit = str(min(page_size, CAPABILITIES.page_size))

    @property
    def name(self) -> str:
        """The channel's name in the settings."""
        return self._transport.channel

    @property
    def capabilities(self) -> Capabilities:
        """What FashionUp can do."""
        return CAPABILITIES

    # ------------------------------------------------------------ listing

    def categories(self, cursor: str | None = None) -> CategoryPage:
        """One page of categories; those that can't be read are in `rejected`."""
        page = self._page("/categories", "listCategories", cursor, None)
        good: list[Category] = []
        rejected: list[Rejected] = []
        for position, raw in enumerate(page.items):
            found = _category(raw, position)
            (rejected if isinstance(found, Rejected) else good).append(found)  # type: ignore[arg-type]
        return CategoryPage(tuple(good), page.next_cursor, tuple(rejected))

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        """One page of the listing as raw payloads."""
        page = self._page("/products", "listProducts", cursor, updated_since)
        return ProductPage(page.items, page.next_cursor, page.total)

    def product_id(self, payload: bytes) -> str:
        """The id of a raw product."""
        return fashionup_products.product_id(payload)

    def parse_product(self, payload: bytes) -> ListedProduct:
        """A raw product as ours."""
        return fashionup_products.parse_product(payload)

    # ------------------------------------------------------------ stock

    def push_stock(self, updates: Sequence[StockUpdate]) -> tuple[StockResult, ...]:
        """Set absolute quantities; may be repeated, since a lower version never wins.

        An update without a result, or with two different ones, counts as rejected: what became of it is not known, and its
        version makes the next push right.

        Raises:
            ValueError: more than 500 updates, a variant twice, or a negative number.
        """
        if not updates:
            return ()
        _check_updates(updates)
        answer = self._transport.call(
            "PUT",
            "/stock",
            operation="putStock",
            json=msgspec.json.encode(_WireUpdates(list(updates))),
            decode=lambda body: _decoded(body, _WireResults),
        )
        results: dict[str, StockResult] = {}
        for wire in answer.value.results:
            result = _stock_result(wire)
            if results.setdefault(wire.variant_id, result) != result:
                results[wire.variant_id] = StockResult(wire.variant_id, StockOutcome.REJECTED, "two different results")
        missing = "the channel gave no result"
        return tuple(
            results.get(update.variant_id) or StockResult(update.variant_id, StockOutcome.REJECTED, missing) for update in updates
        )

    def stock_result(self, ticket: str) -> tuple[StockResult, ...]:
        """FashionUp answers a push at once, so there is no ticket to ask with.

        Raises:
            ValueError: always.
        """
        raise ValueError("FashionUp gives no tickets: push_stock answers at once")

    def read_stock(self, variant_ids: Sequence[str]) -> tuple[OfferedStock, ...]:
        """What the channel now offers, in as many calls as it takes."""
        found: list[OfferedStock] = []
        for batch in _batches(variant_ids):
            answer = self._transport.call(
                "GET",
                "/stock",
                operation="readStock",
                query=[("variant_id", variant_id) for variant_id in batch],
                decode=lambda body: _decoded(body, _WireStockList),
            )
            found.extend(OfferedStock(item.variant_id, item.quantity, item.version) for item in answer.value.items)
        return tuple(found)

    # ------------------------------------------------------------ orders

    def orders(self, cursor: str | None = None, updated_since: datetime | None = None) -> OrderPage:
        """One page of orders as raw payloads."""
        page = self._page("/orders", "listOrders", cursor, updated_since)
        return OrderPage(page.items, page.next_cursor)

    def order_head(self, payload: bytes) -> OrderHead:
        """Id, revision and time of a raw order."""
        return fashionup_orders.order_head(payload)

    def parse_order(self, payload: bytes) -> ChannelOrder:
        """A raw order as ours."""
        return fashionup_orders.parse_order(payload)

    def acknowledge(self, order_id: str) -> AcknowledgeOutcome:
        """Say that we hold the order."""
        try:
            self._write("PUT", f"/orders/{_segment(order_id)}/acknowledgement", "acknowledgeOrder", None)
        except ChannelRefusedError as error:
            if error.status in GONE:
                return AcknowledgeOutcome.UNKNOWN_ORDER
            if error.status in LOCKED:
                return AcknowledgeOutcome.LOCKED
            raise
        return AcknowledgeOutcome.DONE

    def advance(self, order_id: str, status: OrderStatus, reason: str | None = None) -> None:
        """Set an order's state."""
        body = {"status": status.value} if reason is None else {"status": status.value, "reason": reason}
        self._write("PUT", f"/orders/{_segment(order_id)}/status", "putOrderStatus", msgspec.json.encode(body))

    def attach_document(self, order_id: str, document: OrderDocument) -> bool:
        """Hand over a document; False where the channel had it already.

        POST is never repeated by the transport. Here one repeat is safe, because the contract says that the same (kind,
        number) again changes nothing; after it, False may also mean that the first try had arrived.

        Raises:
            ValueError: a kind that FashionUp does not know.
            OutcomeUnknownError: both tries ended without an answer.
        """
        if document.kind not in DOCUMENT_KINDS:
            raise ValueError(f"FashionUp has no documents of the kind {document.kind!r}")
        try:
            return self._add_document(order_id, document)
        except OutcomeUnknownError:
            return self._add_document(order_id, document)

    def close(self) -> None:
        """Let go of connections."""
        self._transport.close()

    # ------------------------------------------------------------ calls

    def _page(self, path: str, operation: str, cursor: str | None, updated_since: datetime | None) -> Page:
        query = [("limit", self._limit)]
        if cursor is not None:
            query.append(("cursor", cursor))
        if updated_since is not None:
            query.append(("updated_since", _instant(updated_since)))
        return self._transport.call("GET", path, operation=operation, query=query, decode=decode_page).value

    def _write(self, method: str, path: str, operation: str, body: bytes | None) -> None:
        done = frozenset({204})
        self._transport.call(method, path, operation=operation, json=body, decode=lambda _: None, expected=done)

    def _add_document(self, order_id: str, document: OrderDocument) -> bool:
        fields = {"kind": document.kind, "number": document.number}
        if document.courier is not None:
            fields["courier"] = document.courier
        if document.tracking_url is not None:
            fields["tracking_url"] = document.tracking_url
        parts: list[Part] = [(name, (None, value.encode())) for name, value in fields.items()]
        if document.content is not None:
            # A fixed file name: the number has its own field, and a name could carry personal data into a server's log.
            parts.append(("file", ("document.pdf", document.content, "application/pdf")))
        answer = self._transport.call(
            "POST",
            f"/orders/{_segment(order_id)}/documents",
            operation="addDocument",
            multipart=parts,
            decode=lambda _: None,
            expected=frozenset({200, 201}),
        )
        return answer.status == 201


def open_channel(name: str, settings: ChannelSettings, connect: Callable[[], Transport]) -> FashionUp:
    """The adapter on a transport; what `registry.KINDS` names."""
    return FashionUp(connect(), settings.page_size)


def capabilities(settings: ChannelSettings) -> Capabilities:
    """What a shop with these settings can do."""
    return CAPABILITIES


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ShapeError(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise NotDecodableError from None


def _category(raw: bytes, position: int) -> Category | Rejected:
    try:
        wire = msgspec.json.decode(raw, type=_WireCategory)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Rejected(f"#{position}", "unreadable", "a category that is not what the contract says")
    texts = (wire.id, wire.name, wire.parent_id or "")
    if any("\x00" in text for text in texts):
        return Rejected(f"#{position}", "nul_character", "a NUL character in the category")
    if not wire.id.strip():
        return Rejected(f"#{position}", "missing_id", "id is empty")
    caps = (fashionup_fields.KEY_CAP, fashionup_products.NAME_CAP, fashionup_fields.KEY_CAP)
    if any(len(text) > cap for text, cap in zip(texts, caps, strict=True)):
        return Rejected(wire.id[: fashionup_fields.KEY_CAP], "name_too_long", "a text beyond its length")
    return Category(wire.id, wire.name, wire.parent_id)


def _check_updates(updates: Sequence[StockUpdate]) -> None:
    if len(updates) > CAPABILITIES.stock_batch:
        raise ValueError(f"at most {CAPABILITIES.stock_batch} updates at once, not {len(updates)}")
    if len({update.variant_id for update in updates}) < len(updates):
        raise ValueError("a variant is in the push twice")
    if any(update.quantity < 0 or update.version < 0 for update in updates):
        raise ValueError("a quantity or a version is negative")


def _stock_result(wire: _WireResult) -> StockResult:
    outcome = OUTCOMES.get(wire.result)
    if outcome is None:
        return StockResult(wire.variant_id, StockOutcome.REJECTED, "a result that the contract does not have")
    return StockResult(wire.variant_id, outcome, wire.detail[:200].replace("\x00", ""))


def _batches(variant_ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids in batches of at most 500 and at most `QUERY_BYTES` of query."""
    batch: list[str] = []
    size = 0
    for variant_id in variant_ids:
        length = len(urlencode({"variant_id": variant_id})) + 1
        if batch and (len(batch) >= CAPABILITIES.stock_batch or size + length > QUERY_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(variant_id)
        size += length
    if batch:
        yield batch


def _instant(moment: datetime) -> str:
    """RFC 3339 with its offset.

    Raises:
        ValueError: a time without a zone (F-33).
    """
    if moment.tzinfo is None:
        raise ValueError("updated_since needs a time zone")
    return moment.isoformat()


def _segment(text: str) -> str:
    """One part of a path: a slash or dots in an id from outside must not lead elsewhere (I-48)."""
    quoted = quote(text, safe="")
    return quoted.replace(".", "%2E") if quoted.strip(".") == "" else quoted
