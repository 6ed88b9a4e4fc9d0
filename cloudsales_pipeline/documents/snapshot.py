"""An order as the tables have it at one moment: what invoices are built from.

What belongs here: the shape. What does not: reading it (`snapshots`), and working amounts out of it (`building`).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec import Struct


class BuyerAddress(Struct, frozen=True, kw_only=True):
    """The billing address as it came, else the delivery's. `county` is a name or a code; any part may be empty."""

    name: str = ""
    phone: str = ""
    street: str = ""
    city: str = ""
    county: str = ""
    postal_code: str = ""
    country: str = "RO"


class Buyer(Struct, frozen=True, kw_only=True):
    """Who buys. A company has a name or a tax number; neither is checked here. `erased`: the personal data are gone (I-49)."""

    name: str
    email: str = ""
    phone: str = ""
    company: bool = False
    company_name: str = ""
    company_tax_id: str = ""
    company_registration_number: str = ""
    address: BuyerAddress = BuyerAddress()
    erased: bool = False


class SnapshotLine(Struct, frozen=True, kw_only=True):
    """What of a line is not cancelled. Prices with VAT; `discount` of the whole line; `vat_rate` None: the channel says none."""

    line_id: str  # the channel's
    position: int
    sku: str  # of the product; where none is known, the channel's code or variant
    name: str
    quantity: int  # ordered less cancelled
    unit_price: Decimal
    discount: Decimal
    vat_rate: Decimal | None  # per cent: Decimal("21.00")


class OrderSnapshot(Struct, frozen=True, kw_only=True):
    """Header, buyer and lines. `discount` is on the order beside its lines' own; `supplied_on` None: no goods have left yet."""

    order_id: int
    channel: str
    external_id: str
    placed_on: date
    supplied_on: date | None
    paid: bool
    payment_method: str
    delivery_method: str
    currency: str
    delivery_price: Decimal
    discount: Decimal
    total: Decimal  # as the channel says it; where the lines give another, the document is flagged total_differs
    buyer: Buyer
    lines: tuple[SnapshotLine, ...]
