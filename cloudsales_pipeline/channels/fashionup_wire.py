"""FashionUp's order as the contract has it, and how a faulty one is taken apart so that the fault is named.

What belongs here: the wire's shape of an order and, of each field, the reason code where it is not that. What does not: what the
values mean and which of them are accepted (`fashionup_orders`).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw, Struct

from cloudsales_pipeline.channels.attempts import NotDecodableError
from cloudsales_pipeline.channels.envelope import elements
from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.fashionup_fields import UNREADABLE, Time, WireMoney, object_fields, reference_of

MOST_PIECES = 1_000_000
HIGHEST_REVISION = 2**63 - 1  # what a bigint holds

Revision = Annotated[int, Meta(ge=1, le=HIGHEST_REVISION)]
Quantity = Annotated[int, Meta(ge=1, le=MOST_PIECES)]
Returned = Annotated[int, Meta(ge=0, le=MOST_PIECES)]


class WireHead(Struct, frozen=True, gc=False):
    """What is known of an order without reading the rest."""

    id: str
    revision: Revision
    updated_at: Time


class WireCompany(Struct, frozen=True, gc=False):
    """A company that buys; the contract requires none of it."""

    name: str | None = None
    tax_id: str | None = None
    registration_number: str | None = None


class WireCustomer(Struct, frozen=True, gc=False):
    """Who bought."""

    name: str
    email: str | None = None
    phone: str | None = None
    company: WireCompany | None = None


class WireAddress(Struct, frozen=True, gc=False):
    """Where something goes."""

    name: str
    street: str
    city: str
    country: str
    phone: str | None = None
    county: str | None = None
    postal_code: str | None = None
    locker_id: str | None = None


class WirePayment(Struct, frozen=True, gc=False):
    """How it is paid; words as they came."""

    method: str | None = None
    status: str | None = None
    paid_at: Time | None = None


class WireDelivery(Struct, frozen=True, gc=False):
    """How it travels; words as they came."""

    method: str | None = None
    courier: str | None = None
    price: WireMoney | None = None


class WireLine(Struct, frozen=True, gc=False):
    """Some pieces of one variant."""

    id: str
    variant_id: str
    quantity: Quantity
    unit_price: WireMoney
    code: str | None = None
    ean: str | None = None
    name: str | None = None
    vat_rate: str | None = None
    returned_quantity: Returned | None = None


class WireDiscount(Struct, frozen=True, gc=False):
    """A discount on a line, or on the order."""

    amount: WireMoney
    code: str | None = None
    line_id: str | None = None


class WireOrder(Struct, frozen=True, gc=False, kw_only=True):
    """One revision of an order. What holds an order back when it is absent has no default."""

    id: str
    revision: Revision
    status: str | None = None
    created_at: Time
    updated_at: Time
    customer: WireCustomer
    billing_address: WireAddress | None = None
    delivery_address: WireAddress
    payment: WirePayment | None = None
    delivery: WireDelivery | None = None
    lines: list[WireLine]
    discounts: list[WireDiscount] | None = None
    total: WireMoney
    note: str | None = None


class Field(NamedTuple):
    """A field's type (a struct, in a list or not, has fields of its own), and the reason where it is not that or is missing."""

    kind: Any
    reason: str


_TEXT = Field(str | None, "unreadable")
_ADDRESS = {
    **{name: Field(str, "missing_address") for name in ("name", "street", "city", "country")},
    **dict.fromkeys(("phone", "county", "postal_code", "locker_id"), _TEXT),
}
# Asked in this order, so that of several faults the first here is named.
FIELDS: dict[type[Struct], dict[str, Field]] = {
    WireHead: {
        "id": Field(str, "missing_id"),
        "revision": Field(Revision, "bad_revision"),
        "updated_at": Field(Time, "bad_time"),
    },
    WireOrder: {
        "id": Field(str, "missing_id"),
        "revision": Field(Revision, "bad_revision"),
        "status": _TEXT,
        "created_at": Field(Time, "bad_time"),
        "updated_at": Field(Time, "bad_time"),
        "customer": Field(WireCustomer, "missing_buyer"),
        "delivery_address": Field(WireAddress, "missing_address"),
        "billing_address": Field(WireAddress | None, "missing_address"),
        "payment": Field(WirePayment | None, "unreadable"),
        "delivery": Field(WireDelivery | None, "unreadable"),
        "lines": Field(list[WireLine], "no_lines"),
        "discounts": Field(list[WireDiscount] | None, "bad_discount"),
        "total": Field(WireMoney, "bad_total"),
        "note": _TEXT,
    },
    WireCustomer: {
        "name": Field(str, "missing_buyer"),
        "email": _TEXT,
        "phone": _TEXT,
        "company": Field(WireCompany | None, "unreadable"),
    },
    WireCompany: dict.fromkeys(("name", "tax_id", "registration_number"), _TEXT),
    WireAddress: _ADDRESS,
    WirePayment: {"method": _TEXT, "status": _TEXT, "paid_at": Field(Time | None, "bad_time")},
    WireDelivery: {"method": _TEXT, "courier": _TEXT, "price": Field(WireMoney | None, "bad_price")},
    WireLine: {
        "id": Field(str, "missing_id"),
        "variant_id": Field(str, "missing_id"),
        "quantity": Field(Quantity, "bad_quantity"),
        "returned_quantity": Field(Returned | None, "bad_returned"),
        "unit_price": Field(WireMoney, "bad_price"),
        "vat_rate": Field(str | None, "bad_vat_rate"),
        **dict.fromkeys(("code", "ean", "name"), _TEXT),
    },
    WireDiscount: {"amount": Field(WireMoney, "bad_discount"), "code": _TEXT, "line_id": Field(str | None, "bad_discount")},
}
# The structs that a field's type stands for: in a list, or alone.
_LISTED: dict[Any, type[Struct]] = {list[WireLine]: WireLine, list[WireDiscount] | None: WireDiscount}
_NESTED: dict[Any, type[Struct]] = {one: one for one in FIELDS} | {one | None: one for one in FIELDS}
_REQUIRED = {one: {field.name for field in msgspec.structs.fields(one) if field.required} for one in FIELDS}


def taken_apart(payload: bytes, kind: type[Struct]) -> Any:
    """The slow way, for an object that does not decode as `kind`: names the field at fault, down to a line's.

    Where the fault lies in a field that nobody reads, the object comes out whole.

    Raises:
        PayloadError: with the field's reason, and the order's id as far as it can be read.
    """
    fields = object_fields(payload, "an order")
    return _built(fields, kind, "", reference_of(fields))


def _built(fields: dict[str, Raw], kind: type[Struct], where: str, reference: str) -> Any:
    values: dict[str, Any] = {}
    for name, field in FIELDS[kind].items():
        if name in fields:
            values[name] = _value(fields[name], field, where + name, reference)
        elif name in _REQUIRED[kind]:
            raise PayloadError(field.reason, f"{where}{name} is missing", reference)
    return kind(**values)


def _value(raw: Raw, field: Field, where: str, reference: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=field.kind)
    except UNREADABLE:
        pass
    if field.kind in _NESTED:
        return _object(raw, _NESTED[field.kind], where, field.reason, reference)
    if field.kind in _LISTED:
        return [
            _object(one, _LISTED[field.kind], f"{where}[{place}]", field.reason, reference)
            for place, one in enumerate(_elements(raw, field, where, reference))
        ]
    if _has_half_a_character(raw):
        raise PayloadError("lone_surrogate", f"{where} has half a character in it", reference)
    raise PayloadError(field.reason, f"{where} is not what the contract says", reference)


def _has_half_a_character(raw: Raw) -> bool:
    """Whether it is a text with one half of a surrogate pair: the field is there, but no database can hold it."""
    try:
        text = json.loads(bytes(raw).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return False
    return isinstance(text, str) and any("\ud800" <= one <= "\udfff" for one in text)


def _object(raw: Raw, kind: type[Struct], where: str, reason: str, reference: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE:
        pass
    try:
        fields = object_fields(raw, where)
    except PayloadError:
        raise PayloadError(reason, f"{where} is not an object", reference) from None
    line = reference_of(fields) if kind is WireLine else ""
    return _built(fields, kind, f"line {line}: " if line else f"{where}.", reference)


def _elements(raw: Raw, field: Field, where: str, reference: str) -> list[Raw]:
    try:
        return msgspec.json.decode(raw, type=list[Raw])
    except UNREADABLE:
        pass
    try:
        return [Raw(element) for element in elements(bytes(raw))]
    except NotDecodableError:
        raise PayloadError(field.reason, f"{where} is not a list", reference) from None
