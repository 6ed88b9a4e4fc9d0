"""What a courier takes for a name, a telephone number, a county and a town. Pure; nothing here enters an error's text.

What belongs here: rules that both couriers share, and the refusal of what no courier could carry. What does not: field names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from decimal import Decimal, InvalidOperation

from cloudsales_pipeline.documents.couriers.port import CourierRefusedError, Shipment
from cloudsales_pipeline.orders.counties import county_of

PLAIN_REFERENCE = re.compile(r"[A-Za-z0-9-]{1,40}")
NUMBER = re.compile(r"[A-Za-z0-9]{1,40}")  # of a waybill: it goes into paths and file names
NATIONAL_PHONE = re.compile(r"0[237]\d{8}")
SECTOR = re.compile(r"\bsect(?:or|orul)?\.?\s*([1-6])\b", re.IGNORECASE)
CAPITAL = "București"


def plain(text: str) -> str:
    """Without accents: couriers' lists of counties and towns have none."""
    parts = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def reference(ours: str) -> str:
    """Our reference as a courier gets it: one word of at most 40 letters, digits and hyphens.

    A channel's order number is in it, and may hold anything. Slashes and dots would end a path's part at some servers, and a
    space the word that FAN's report is searched for. What had to be changed ends in `_` and a checksum of the whole, so that no
    two of ours become one.

    Raises:
        ValueError: an empty one.
    """
    if not ours.strip():
        raise ValueError("a waybill needs a reference")
    if PLAIN_REFERENCE.fullmatch(ours):
        return ours
    readable = re.sub(r"[^A-Za-z0-9]+", "-", plain(ours)).strip("-")[:31]
    return f"{readable}_{hashlib.blake2b(ours.encode(), digest_size=4).hexdigest()}"


def cut(text: str, longest: int) -> str:
    """One line of at most `longest` characters, without control characters, ended between words where one is near.

    It is composed first, so that no letter loses its accent at the cut.
    """
    clean = unicodedata.normalize("NFC", text)
    clean = " ".join("".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in clean).split())
    if len(clean) <= longest:
        return clean
    head, space, _ = clean[: longest + 1].rpartition(" ")
    return head if space and len(head) * 4 >= longest * 3 else clean[:longest]


def phone(text: str) -> str:
    """A Romanian number as ten digits, from 07… , +407… or 00407….

    Raises:
        CourierRefusedError: phone_invalid; the courier would refuse it, or call nobody.
    """
    digits = re.sub(r"[^\d+]", "", text)
    for prefix in ("+40", "0040", "40"):
        if digits.startswith(prefix) and len(digits) == len(prefix) + 9:
            digits = "0" + digits[len(prefix) :]
            break
    if not NATIONAL_PHONE.fullmatch(digits):
        raise refused("phone_invalid", "the telephone number is none of Romania's", "correct it in the order")
    return digits


def place(shipment: Shipment) -> tuple[str, str, str]:
    """County and town without accents, and Bucharest's sector as a digit, empty elsewhere.

    Raises:
        CourierRefusedError: address_invalid, or country_unknown.
    """
    address = shipment.address
    if address.country != "RO":
        raise refused("country_unknown", "the parcel goes abroad, which this adapter does not order", "order it by hand")
    county = county_of(address.county) or (CAPITAL if county_of(address.city) == CAPITAL else None)
    if county is None:
        raise refused("address_invalid", "the address has no county", "correct it in the order")
    if county == CAPITAL:
        said = " ".join((address.county, address.city, address.street))
        found = SECTOR.search(plain(said))
        return "Bucuresti", "Bucuresti", found[1] if found else ""
    town = cut(plain(address.city), 60)
    if not town:
        raise refused("address_invalid", "the address has no town", "correct it in the order")
    return plain(county), town, ""


def check(shipment: Shipment) -> None:
    """What must hold before any courier is asked.

    Raises:
        CourierRefusedError: name_invalid, address_invalid, weight_invalid, cash_on_delivery.
    """
    if not cut(shipment.name, 100):
        raise refused("name_invalid", "the parcel has no recipient", "correct it in the order")
    if not shipment.address.locker_id and not cut(shipment.address.street, 250):
        raise refused("address_invalid", "the address has no street", "correct it in the order")
    if not 0 < shipment.weight_grams <= 1_000_000:
        raise refused("weight_invalid", "the parcel's weight is not between a gram and a ton", "correct the product's weight")
    amount = shipment.cash_on_delivery
    if not amount.is_finite() or amount < 0 or (amount and shipment.currency != "RON"):
        raise refused("cash_on_delivery", "cash on delivery is not an amount in RON", "correct it in the order")


def refused(reason: str, what: str, step: str) -> CourierRefusedError:
    """A refusal of our own, before anything was sent."""
    return CourierRefusedError(f"No waybill was ordered: {what}.", reason=reason, next_step=step)


def number_of(text: object) -> str:
    """A waybill's number out of an answer, where it is one; else empty."""
    if isinstance(text, bool) or not isinstance(text, int | str):
        return ""
    number = str(text).strip()
    return number if NUMBER.fullmatch(number) and number.strip("0") else ""


def known_number(number: str) -> str:
    """A waybill's number that we kept, to be written into a request.

    Raises:
        ValueError: it is none (I-48).
    """
    if not NUMBER.fullmatch(number):
        raise ValueError("a waybill's number has 1 to 40 letters and digits")
    return number


def money(value: object) -> Decimal | None:
    """A cost, in RON; None where the answer has none."""
    try:
        amount = Decimal(str(value))
        return amount.quantize(Decimal("0.01")) if amount.is_finite() and amount >= 0 else None
    except InvalidOperation:
        return None
