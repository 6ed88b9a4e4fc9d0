"""FashionUp's product, from raw bytes to ours; what can't be read becomes a reason code, never a guess.

What belongs here: the wire's shape of a product, what is accepted of it, and the reason codes. What does not: HTTP, pages,
stock, orders, and single fields (`fashionup_fields`).

A good product is decoded in one pass. Only one with a fault is taken apart field by field, so that the fault is named and
its other variants go on. Reason codes, of a product: unreadable, missing_id, id_too_long, missing_name, name_too_long,
code_too_long, nul_character, bad_time, unknown_status, no_variants. Of a variant: unreadable, missing_id, id_too_long,
code_too_long, nul_character, bad_price, bad_vat_rate, bad_stock, duplicate_variant.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.fashionup_fields import (
    AMOUNT,
    CURRENCY,
    KEY_CAP,
    NUL_ESCAPE,
    OBJECT,
    UNREADABLE,
    VAT_RATE,
    Time,
    WireMoney,
    check_key,
    field_of,
    has_nul,
    object_fields,
    plain_decimal,
    reference_of,
)
from cloudsales_pipeline.channels.port import Image, ListedProduct, ListedVariant, Rejected

NAME_CAP = 1_000  # characters

Stock = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class WireImage(Struct, frozen=True, gc=False):
    """An image's address."""

    url: str
    position: int | None = None


class WireCharacteristic(Struct, frozen=True, gc=False):
    """A named value."""

    name: str
    value: str


class WireVariant(Struct, frozen=True, gc=False):
    """One size and colour."""

    id: str
    code: str | None = None
    ean: str | None = None
    size: str | None = None
    colour: str | None = None
    price: WireMoney | None = None
    vat_rate: str | None = None
    stock: Stock | None = None


class WireStyle(Struct, frozen=True, gc=False, kw_only=True):
    """A product without its variants."""

    id: str
    name: str
    updated_at: Time
    code: str | None = None
    brand: str | None = None
    description: str | None = None
    category_ids: list[str] | None = None
    images: list[WireImage] | None = None
    characteristics: list[WireCharacteristic] | None = None
    status: Literal["active", "inactive"] = "active"


class WireProduct(WireStyle, frozen=True, gc=False, kw_only=True):
    """A product as the contract has it."""

    variants: list[WireVariant]


class _Identified(Struct, frozen=True, gc=False):
    id: str


_PRODUCT = msgspec.json.Decoder(WireProduct)
_IDENTIFIED = msgspec.json.Decoder(_Identified)

# Of each field, its type and the reason where it is not that; asked in this order.
_STYLE_FIELDS: tuple[tuple[str, Any, str], ...] = (
    ("id", str, "missing_id"),
    ("name", str, "missing_name"),
    ("updated_at", Time, "bad_time"),
    ("status", Literal["active", "inactive"], "unknown_status"),
    ("code", str | None, "unreadable"),
    ("brand", str | None, "unreadable"),
    ("description", str | None, "unreadable"),
    ("category_ids", list[str] | None, "unreadable"),
    ("images", list[WireImage] | None, "unreadable"),
    ("characteristics", list[WireCharacteristic] | None, "unreadable"),
)
_VARIANT_FIELDS: tuple[tuple[str, Any, str], ...] = (
    ("id", str, "missing_id"),
    ("price", WireMoney | None, "bad_price"),
    ("vat_rate", str | None, "bad_vat_rate"),
    ("stock", Stock | None, "bad_stock"),
    ("code", str | None, "unreadable"),
    ("ean", str | None, "unreadable"),
    ("size", str | None, "unreadable"),
    ("colour", str | None, "unreadable"),
)


def product_id(payload: bytes) -> str:
    """The id of a raw product, without reading the rest.

    Raises:
        PayloadError: missing_id, id_too_long, nul_character, unreadable.
    """
    try:
        found = _IDENTIFIED.decode(payload).id
    except msgspec.ValidationError:
        raise PayloadError("missing_id", "a product without an id that is text") from None
    except UNREADABLE:
        found = _id_among(object_fields(payload, "a product"))
    check_key(found, "id")
    return found


def _id_among(fields: dict[str, Raw]) -> str:
    try:
        return msgspec.json.decode(fields["id"], type=str)
    except (KeyError, *UNREADABLE):
        raise PayloadError("missing_id", "a product without an id that is text") from None


def parse_product(payload: bytes) -> ListedProduct:
    """A raw product as ours; its bad variants are in `rejected`.

    Raises:
        PayloadError: the product as a whole can't be read.
    """
    try:
        wire = _PRODUCT.decode(payload)
    except UNREADABLE:
        return _taken_apart(payload)
    return _product(wire, wire.variants, NUL_ESCAPE in payload)


def _taken_apart(payload: bytes) -> ListedProduct:
    """The slow way: finds which field is at fault, and saves the variants that are not."""
    fields = object_fields(payload, "a product")
    reference = reference_of(fields)
    values = {name: field_of(fields, name, kind, reason, reference) for name, kind, reason in _STYLE_FIELDS if name in fields}
    for name, reason in (("id", "missing_id"), ("name", "missing_name"), ("updated_at", "bad_time")):
        if name not in values:
            raise PayloadError(reason, f"{name} is missing", reference)
    if "variants" not in fields:
        raise PayloadError("no_variants", "variants is missing", reference)
    raw_variants: list[Raw] = field_of(fields, "variants", list[Raw], "unreadable", reference)
    variants = [_variant_or_fault(raw, position) for position, raw in enumerate(raw_variants)]
    return _product(WireStyle(**values), variants, nul_possible=NUL_ESCAPE in payload)


def _variant_or_fault(raw: Raw, position: int) -> WireVariant | Rejected:
    reference = f"#{position}"
    try:
        return msgspec.json.decode(raw, type=WireVariant)
    except UNREADABLE:
        pass
    try:
        fields = OBJECT.decode(raw)
        reference = reference_of(fields) or reference
        for name, kind, reason in _VARIANT_FIELDS:
            if name in fields:
                field_of(fields, name, kind, reason, reference)
    except PayloadError as error:
        return Rejected(reference, error.reason, error.detail)
    except UNREADABLE:
        return Rejected(reference, "unreadable", "a variant that is not an object")
    return Rejected(reference, "missing_id", "id is missing")


def _product(wire: WireStyle, variants: Iterable[WireVariant | Rejected], nul_possible: bool) -> ListedProduct:
    check_key(wire.id, "id")
    if not wire.name.strip():
        raise PayloadError("missing_name", "name is empty", wire.id)
    if len(wire.name) > NAME_CAP:
        raise PayloadError("name_too_long", f"a name of {len(wire.name)} characters", wire.id)
    if wire.code is not None and len(wire.code) > KEY_CAP:
        raise PayloadError("code_too_long", f"a code of {len(wire.code)} characters", wire.id)
    if nul_possible and has_nul(wire, apart="variants"):
        raise PayloadError("nul_character", "a NUL character in the product", wire.id)
    good, rejected = _sorted_out(variants, nul_possible)
    if not good and not rejected:
        raise PayloadError("no_variants", "variants is empty", wire.id)
    return ListedProduct(
        wire.id,
        wire.code,
        wire.name,
        wire.brand,
        wire.description,
        tuple(wire.category_ids or ()),
        tuple(
            Image(image.url, place if image.position is None else image.position)
            for place, image in enumerate(wire.images or (), start=1)
        ),
        tuple((one.name, one.value) for one in wire.characteristics or ()),
        wire.status,
        wire.updated_at,
        good,
        rejected,
    )


def _sorted_out(
    variants: Iterable[WireVariant | Rejected], nul_possible: bool
) -> tuple[tuple[ListedVariant, ...], tuple[Rejected, ...]]:
    """Good variants by their place, and faults. An identical repeat is dropped; of contradicting ones none is believed."""
    good: dict[str, ListedVariant] = {}
    rejected: list[Rejected] = []
    first: dict[str, WireVariant] = {}
    for position, wire in enumerate(variants):
        if isinstance(wire, Rejected):
            rejected.append(wire)
        elif (earlier := first.setdefault(wire.id, wire)) is not wire:
            if earlier != wire and all(fault.reference != wire.id for fault in rejected):
                rejected.append(Rejected(wire.id, "duplicate_variant", "the same id twice with different content"))
        else:
            try:
                good[wire.id] = _variant(wire, position, nul_possible)
            except PayloadError as error:
                rejected.append(Rejected(error.reference or f"#{position}", error.reason, error.detail))
    held = {fault.reference for fault in rejected}
    return tuple(one for one in good.values() if one.variant_id not in held), tuple(rejected)


def _variant(wire: WireVariant, position: int, nul_possible: bool) -> ListedVariant:
    check_key(wire.id, "id")
    for name, code in (("code", wire.code), ("ean", wire.ean)):
        if code is not None and len(code) > KEY_CAP:
            raise PayloadError("code_too_long", f"{name} has {len(code)} characters", wire.id)
    if nul_possible and has_nul(wire):
        raise PayloadError("nul_character", "a NUL character in the variant", wire.id)
    price = currency = None
    if wire.price is not None:
        price, currency = _price(wire.price, wire.id)
    return ListedVariant(
        wire.id,
        position,
        wire.code,
        wire.ean,
        wire.size,
        wire.colour,
        price,
        currency,
        None if wire.vat_rate is None else plain_decimal(wire.vat_rate, VAT_RATE, "bad_vat_rate", wire.id),
        wire.stock,
    )


def _price(money: WireMoney, reference: str) -> tuple[Decimal, str]:
    if not CURRENCY.fullmatch(money.currency):
        raise PayloadError("bad_price", "the currency is not three capital letters", reference)
    return plain_decimal(money.amount, AMOUNT, "bad_price", reference), money.currency
