"""The port: what every kind of channel offers, in our words. Adapters speak the channel's words.

What belongs here: the protocol, the frozen objects that cross it, and the record of what a kind can do. What does not:
HTTP, JSON, a channel's field names, and our database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Paging(StrEnum):
    """How a channel's pages are asked for."""

    CURSOR = "cursor"  # each page names the next: one page at a time
    NUMBERED = "numbered"  # any page can be asked for by its number: several at once


class Acknowledgement(StrEnum):
    """How a channel learns that we hold an order."""

    REQUIRED = "required"
    BY_STATUS = "by_status"
    NONE = "none"


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a kind of channel can do; the pipeline asks this record, never the kind's name."""

    paging: Paging
    page_size: int
    own_listing: bool = True  # False: it has no listing of its own and is told of every product, by its SKU
    pages_in_flight: int = 1  # more than 1 only with numbered pages
    catalogue_delta: bool
    stock_batch: int
    stock_versions: bool
    stock_by_location: bool = False
    stock_asynchronous: bool = False  # push_stock answers with tickets
    shortest_repeat: timedelta = timedelta(0)  # the same body again is refused before this has passed
    order_window: timedelta | None = None  # the longest span one query may cover
    acknowledgement: Acknowledgement
    cancels_lines: bool = False
    prices_include_vat: bool = True
    documents_as_bytes: bool = True
    notifications: bool = False


# ---------------------------------------------------------------- listing


class Category(Struct, frozen=True):
    """One category as the channel shows it."""

    category_id: str
    name: str
    parent_id: str | None


class Image(Struct, frozen=True):
    """An image's address and its place among the product's images, from 1."""

    url: str
    position: int


class ListedVariant(Struct, frozen=True):
    """One sellable variant; codes as they came, `position` from 0 in its product."""

    variant_id: str
    position: int
    code: str | None
    ean: str | None
    size: str | None
    colour: str | None
    price: Decimal | None
    currency: str | None
    vat_rate: Decimal | None
    stock: int | None


class Rejected(Struct, frozen=True):
    """A part of a product that can't be read: the variant's id (or `#position`), a reason code, and where."""

    reference: str
    reason: str
    detail: str


class ListedProduct(Struct, frozen=True):
    """One style with its variants; what of it can't be read is in `rejected`, the rest is good."""

    external_id: str
    code: str | None
    name: str
    brand: str | None
    description: str | None
    category_ids: tuple[str, ...]
    images: tuple[Image, ...]
    characteristics: tuple[tuple[str, str], ...]
    status: str
    updated_at: datetime
    variants: tuple[ListedVariant, ...]
    rejected: tuple[Rejected, ...] = ()


class CategoryPage(Struct, frozen=True):
    """A page of categories; `next_cursor` is None on the last."""

    categories: tuple[Category, ...]
    next_cursor: str | None
    rejected: tuple[Rejected, ...] = ()


class ProductPage(Struct, frozen=True):
    """A page of products as raw payloads: most are unchanged and are never parsed."""

    payloads: tuple[bytes, ...]
    next_cursor: str | None
    total: int | None = None


# ---------------------------------------------------------------- stock


class StockUpdate(Struct, frozen=True):
    """An absolute quantity to show for a variant; a higher version wins over a lower one."""

    variant_id: str
    quantity: int
    version: int


class StockOutcome(StrEnum):
    """What became of one item of a push."""

    SET = "set"
    STALE = "stale"
    UNKNOWN_VARIANT = "unknown_variant"
    REJECTED = "rejected"
    PENDING = "pending"  # an asynchronous channel; ask with the ticket


class StockResult(Struct, frozen=True):
    """The channel's word on one item."""

    variant_id: str
    outcome: StockOutcome
    detail: str = ""
    ticket: str | None = None


class OfferedStock(Struct, frozen=True):
    """What the channel now offers for a variant."""

    variant_id: str
    quantity: int
    version: int | None


# ---------------------------------------------------------------- orders


class OrderPage(Struct, frozen=True):
    """A page of orders as raw payloads; they are stored before they are parsed."""

    payloads: tuple[bytes, ...]
    next_cursor: str | None


class ChannelOrderStatus(StrEnum):
    """What a channel says of an order. `unknown`: a word that nobody here knows, which is held and not guessed."""

    NEW = "new"
    PAID = "paid"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class PaymentMethod(StrEnum):
    """How the buyer pays."""

    CARD = "card"
    CASH_ON_DELIVERY = "cash_on_delivery"
    BANK_TRANSFER = "bank_transfer"
    UNKNOWN = "unknown"


class PaymentStatus(StrEnum):
    """Whether the buyer has paid."""

    PENDING = "pending"
    PAID = "paid"
    REFUNDED = "refunded"
    UNKNOWN = "unknown"


class DeliveryMethod(StrEnum):
    """How the goods reach the buyer."""

    COURIER = "courier"
    LOCKER = "locker"
    STORE_PICKUP = "store_pickup"
    UNKNOWN = "unknown"


class OrderHead(Struct, frozen=True):
    """What is known of an order without reading the rest."""

    order_id: str
    revision: int
    updated_at: datetime


class OrderLine(Struct, frozen=True, kw_only=True):
    """One line: `quantity` pieces (1 or more) at `unit_price`, tax included; `returned` of them the channel says come back."""

    line_id: str
    variant_id: str
    code: str | None
    ean: str | None
    name: str
    quantity: int
    unit_price: Decimal
    vat_rate: Decimal | None
    returned: int


class OrderDiscount(Struct, frozen=True):
    """A discount, tax included, as a positive amount; on one line, or on the order where `line_id` is None."""

    code: str | None
    line_id: str | None
    amount: Decimal


class Company(Struct, frozen=True):
    """A buyer that is a company."""

    name: str
    tax_id: str | None
    registration_number: str | None


class Address(Struct, frozen=True):
    """Where something goes. Texts as they came; `country` is ISO 3166-1 alpha-2."""

    name: str
    phone: str | None
    street: str
    city: str
    county: str | None
    postal_code: str | None
    country: str
    locker_id: str | None


class Buyer(Struct, frozen=True):
    """Who bought: personal data, as all of `Address` is."""

    name: str
    email: str | None
    phone: str | None
    company: Company | None


class ChannelOrder(Struct, frozen=True, kw_only=True):
    """One revision of an order as the channel shows it, with all it carries. Money is tax included, in `currency`.

    `unknown` names the fields whose word nobody here knows (`status`, `payment_method`, …): the order is taken in, its stock
    held, and a person looks.
    """

    order_id: str
    revision: int
    status: ChannelOrderStatus
    placed_at: datetime
    updated_at: datetime
    buyer: Buyer
    billing: Address | None
    delivery: Address
    payment_method: PaymentMethod
    payment_status: PaymentStatus
    paid_at: datetime | None
    delivery_method: DeliveryMethod
    courier: str | None
    delivery_price: Decimal
    currency: str
    lines: tuple[OrderLine, ...]
    discounts: tuple[OrderDiscount, ...]
    total: Decimal
    note: str | None
    unknown: tuple[str, ...] = ()


class AcknowledgeOutcome(StrEnum):
    """What became of an acknowledgement."""

    DONE = "done"
    LOCKED = "locked"
    UNKNOWN_ORDER = "unknown_order"


class OrderStatus(StrEnum):
    """The states of an order that we may set on a channel."""

    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"


class OrderDocument(Struct, frozen=True):
    """A document to hand to the buyer's account. kind: proforma_invoice, fiscal_invoice, credit_note or waybill."""

    kind: str
    number: str
    content: bytes | None = None
    courier: str | None = None
    tracking_url: str | None = None


class Fetched(Struct, frozen=True):
    """What an address gave: the bytes, and the media type that the server claims (lower case, no parameters)."""

    content: bytes
    media_type: str


class Fetcher(Protocol):
    """Fetches what a listing points to, guarded: never from inside the network, never more than the cap."""

    def fetch(self, url: str, *, max_bytes: int, deadline_seconds: float, accept: str = "*/*") -> Fetched:
        """The bytes behind `url`, at most `max_bytes`.

        Raises:
            AddressRefusedError: the address points inside, or is none; trying again is no use.
            ChannelError: anything else that kept it from coming.
        """

    def close(self) -> None:
        """Let go of connections."""


class SalesChannel(Protocol):
    """One place that sells. Every method may raise `ChannelError`; reads are retried inside, writes only where safe."""

    @property
    def name(self) -> str:
        """The channel's name in the settings."""

    @property
    def capabilities(self) -> Capabilities:
        """What this kind can do."""

    def categories(self, cursor: str | None = None) -> CategoryPage:
        """One page of categories."""

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        """One page of the listing, whole or only what changed at or after `updated_since`; ordered by product id."""

    def product_id(self, payload: bytes) -> str:
        """The id of a raw product, cheaply.

        Raises:
            PayloadError: it has none that can be read.
        """

    def parse_product(self, payload: bytes) -> ListedProduct:
        """A raw product as ours.

        Raises:
            PayloadError: the product as a whole can't be read. Single bad variants are in `rejected` instead.
        """

    def push_stock(self, updates: Sequence[StockUpdate]) -> tuple[StockResult, ...]:
        """Set absolute quantities, at most `stock_batch` at once; one result per update, in order."""

    def stock_result(self, ticket: str) -> tuple[StockResult, ...]:
        """What became of an asynchronous push; empty where the channel is not done yet."""

    def read_stock(self, variant_ids: Sequence[str]) -> tuple[OfferedStock, ...]:
        """What the channel now offers; ids that it does not know are left out."""

    def orders(self, cursor: str | None = None, updated_since: datetime | None = None) -> OrderPage:
        """One page of orders, ordered by when they last changed."""

    def order_head(self, payload: bytes) -> OrderHead:
        """Id, revision and time of a raw order, cheaply.

        Raises:
            PayloadError: one of them can't be read.
        """

    def parse_order(self, payload: bytes) -> ChannelOrder:
        """A raw order as ours.

        Raises:
            PayloadError: it can't be taken in as it is, with a reason code and the line's id where it is a line's.
        """

    def acknowledge(self, order_id: str) -> AcknowledgeOutcome:
        """Say that we hold the order; repeating it changes nothing."""

    def advance(self, order_id: str, status: OrderStatus, reason: str | None = None) -> None:
        """Set an order's state on the channel."""

    def attach_document(self, order_id: str, document: OrderDocument) -> bool:
        """Hand over a document; False where the channel had it already."""

    def close(self) -> None:
        """Let go of connections."""
