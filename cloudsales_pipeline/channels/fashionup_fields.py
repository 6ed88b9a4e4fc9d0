"""What FashionUp's products and orders have in common: money, times, ids, and taking an object apart to find a fault.

What belongs here: the fields of the contract that stand in several schemas, and what is accepted of them. What does not: what a
product or an order is (`fashionup_products`, `fashionup_orders`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from cloudsales_pipeline.channels.attempts import NotDecodableError
from cloudsales_pipeline.channels.envelope import members
from cloudsales_pipeline.channels.errors import PayloadError

KEY_CAP = 200  # characters of an id or a code: they stand in indexes, which hold at most 2.7 kB
AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2}0*)?")  # what numeric(14, 2) holds exactly
VAT_RATE = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2}0*)?|100(?:\.0+)?")
CURRENCY = re.compile(r"[A-Z]{3}")
LONGEST_NUMBER = 30  # characters
NUL_ESCAPE = b"\\u0000"
UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeError)
OBJECT = msgspec.json.Decoder(dict[str, Raw])

Time = Annotated[datetime, Meta(tz=True)]


class WireMoney(Struct, frozen=True, gc=False):
    """An amount as a decimal in a string, tax included."""

    amount: str
    currency: str


def object_fields(payload: bytes | Raw, what: str) -> dict[str, Raw]:
    """The fields of an object, also of one that msgspec can't walk: one bad field hides neither the id nor the others.

    Raises:
        PayloadError: unreadable; `what` is no object.
    """
    try:
        return OBJECT.decode(payload)
    except UNREADABLE:
        pass
    try:
        return {name: Raw(value) for name, value in members(bytes(payload)).items()}
    except NotDecodableError:
        raise PayloadError("unreadable", f"{what} that is not a JSON object") from None


def reference_of(fields: dict[str, Raw]) -> str:
    """The id among these fields, fit to be stored as a reference; empty where there is none."""
    try:
        return msgspec.json.decode(fields.get("id", Raw(b'""')), type=str)[:KEY_CAP].replace("\x00", "")
    except UNREADABLE:
        return ""


def field_of(fields: dict[str, Raw], name: str, kind: Any, reason: str, reference: str) -> Any:
    """The field as this type.

    Raises:
        PayloadError: it is not; with `reason`.
    """
    try:
        return msgspec.json.decode(fields[name], type=kind)
    except UNREADABLE:
        raise PayloadError(reason, f"{name} is not what the contract says", reference) from None


def plain_decimal(text: str, pattern: re.Pattern[str], reason: str, reference: str, where: str = "") -> Decimal:
    """A plain decimal. The pattern comes first: Decimal itself takes NaN, Infinity, exponents, `_` and other digits.

    Raises:
        PayloadError: it is none; with `reason`, and `where` it stands.
    """
    number = _decimal(text, pattern) if len(text) <= LONGEST_NUMBER else None
    if number is None:
        place = f"{where}: " if where else ""
        raise PayloadError(reason, f"{place}not a plain decimal number of the expected size", reference)
    return number


@lru_cache(maxsize=4096)
def _decimal(text: str, pattern: re.Pattern[str]) -> Decimal | None:
    """Remembered: a shop has far fewer prices than variants."""
    return Decimal(text) if pattern.fullmatch(text) else None


def check_key(text: str, name: str) -> None:
    """That a text can be an id.

    Raises:
        PayloadError: missing_id, id_too_long, nul_character.
    """
    if not text.strip():
        raise PayloadError("missing_id", f"{name} is empty")
    if len(text) > KEY_CAP:
        raise PayloadError("id_too_long", f"{name} has {len(text)} characters", text[:KEY_CAP].replace("\x00", ""))
    if "\x00" in text:
        raise PayloadError("nul_character", f"a NUL character in {name}", text.replace("\x00", ""))


def has_nul(value: object, apart: str = "") -> bool:
    """Whether any text in it has a NUL, which PostgreSQL can't store; the struct's field `apart` is not asked."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Sequence):
        return any(has_nul(one) for one in value)
    if isinstance(value, Struct):
        return any(has_nul(getattr(value, name)) for name in value.__struct_fields__ if name != apart)
    return False
