"""What stands on an invoice, as a snapshot (I-34): the PDF, the e-invoice and the tables are made from this alone.

What belongs here: the shape. What does not: how it is worked out of an order (`building`), and how it looks (`pdf`, `ubl`).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

Kind = Literal["proforma_invoice", "fiscal_invoice", "storno"]


class Party(Struct, frozen=True, kw_only=True):
    """Seller or buyer. `county` is the ISO 3166-2 code without the country, `B` for Bucharest; empty where nobody knows."""

    name: str
    company: bool
    tax_id: str = ""
    vat_payer: bool = False
    registration_number: str = ""
    street: str = ""
    city: str = ""
    county: str = ""
    postal_code: str = ""
    country: str = "RO"
    email: str = ""
    phone: str = ""
    bank: str = ""
    iban: str = ""


class Line(Struct, frozen=True, kw_only=True):
    """A line. On a storno quantity and amounts are negative. `net` is the line's own amount without VAT, two decimals."""

    position: int
    sku: str
    name: str
    quantity: int
    unit_price: Decimal  # with VAT, as the order says
    discount: Decimal  # with VAT, of the whole line
    gross: Decimal  # with VAT
    net: Decimal
    vat_rate: Decimal
    kind: Literal["goods", "delivery", "discount"] = "goods"


class Tax(Struct, frozen=True, kw_only=True):
    """VAT of one rate, worked out once (I-35)."""

    rate: Decimal
    category: str  # UNCL 5305: S, Z, E, AE, O
    base: Decimal
    vat: Decimal


class Reference(Struct, frozen=True):
    """Another document, by number and date."""

    number: str
    dated: date


class Content(Struct, frozen=True, kw_only=True):
    """An invoice as it was issued. payable = net + vat + rounding."""

    kind: Kind
    number: str  # "FU 123"
    issued_on: date
    supplied_on: date
    due_on: date
    currency: str
    language: Literal["ro", "en"]
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    net: Decimal
    vat: Decimal
    rounding: Decimal
    payable: Decimal
    paid: bool
    payment_method: str
    channel: str
    order_id: str
    corrects: Reference | None = None
    note: str = ""
