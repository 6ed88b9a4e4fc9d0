"""FashionUp's order, from raw bytes to ours; what can't be taken in becomes a reason code, never a guess.

What belongs here: what is accepted of an order, what an unknown word or an absent field means, and the reason codes. What does
not: the wire's shape (`fashionup_wire`), HTTP, pages, and whether a total adds up (that is flagged after the intake, I-20).

A good order is decoded in one pass. Only one with a fault is taken apart, so that the fault is named. Reason codes: unreadable,
missing_id, id_too_long, nul_character, bad_revision, bad_time, no_lines, too_many_lines, bad_quantity, bad_price, bad_vat_rate,
bad_total, bad_discount, bad_currency, mixed_currencies, duplicate_line, bad_returned, missing_buyer, missing_address,
lone_surrogate.

What is taken in although somebody must look stands in `ChannelOrder.unknown`: a word that nobody here knows (`status`,
`payment_method`, `payment_status`, `delivery_method`), an address to write to that is none (`buyer_email`, which is left out), a
country that is no two-letter code (`delivery_country`, `billing_country`), and a text that was cut (its name). A text is cut at
1,000 characters, a note at 5,000; the raw payload keeps all of it.

An absent payment status is `paid` where the order's own status is paid or there is a time of payment, since the channel then says
so in another field; else `pending`.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

import msgspec

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.fashionup_fields import (
    AMOUNT,
    CURRENCY,
    KEY_CAP,
    NUL_ESCAPE,
    UNREADABLE,
    VAT_RATE,
    WireMoney,
    check_key,
    has_nul,
    plain_decimal,
)
from cloudsales_pipeline.channels.fashionup_wire import (
    WireAddress,
    WireCompany,
    WireCustomer,
    WireDelivery,
    WireDiscount,
    WireHead,
    WireLine,
    WireOrder,
    WirePayment,
    taken_apart,
)
from cloudsales_pipeline.channels.port import (
    Address,
    Buyer,
    ChannelOrder,
    ChannelOrderStatus,
    Company,
    DeliveryMethod,
    OrderDiscount,
    OrderHead,
    OrderLine,
    PaymentMethod,
    PaymentStatus,
)

MOST_LINES = 10_000  # and as many discounts
HIGHEST_SUM = Decimal("999999999999.99")  # what numeric(14, 2) holds: one order beyond it would fail a whole batch
TEXT_CAP = 1_000  # characters
NOTE_CAP = 5_000
EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f-\x9f]{1,64}@[^\s@\x00-\x1f\x7f-\x9f]{1,255}")
COUNTRY = re.compile(r"[A-Z]{2}")
YEARS = range(2000, 2200)  # a time outside is a fault, and one at the calendar's edge can't be stored in another zone

Word = TypeVar("Word", bound=StrEnum)

_HEAD = msgspec.json.Decoder(WireHead)
_ORDER = msgspec.json.Decoder(WireOrder)


def _words(kind: type[Word]) -> dict[str, Word]:
    return {one.value: one for one in kind if one.value != "unknown"}


_NO_PAYMENT = WirePayment()
_NO_DELIVERY = WireDelivery()
_STATUSES = _words(ChannelOrderStatus)
_PAYMENT_METHODS = _words(PaymentMethod)
_PAYMENT_STATUSES = _words(PaymentStatus)
_DELIVERY_METHODS = _words(DeliveryMethod)


def order_head(payload: bytes) -> OrderHead:
    """Id, revision and time of a raw order, without reading the rest.

    Raises:
        PayloadError: missing_id, id_too_long, nul_character, lone_surrogate, bad_revision, bad_time, unreadable.
    """
    try:
        wire = _HEAD.decode(payload)
    except UNREADABLE:
        wire = taken_apart(payload, WireHead)
    check_key(wire.id, "id")
    if wire.updated_at.year not in YEARS:
        raise PayloadError("bad_time", f"updated_at is in the year {wire.updated_at.year}", wire.id)
    return OrderHead(wire.id, wire.revision, wire.updated_at)


def parse_order(payload: bytes) -> ChannelOrder:
    """A raw order as ours, whole: one line that can't be read holds the order, since its total and its stock depend on it.

    Raises:
        PayloadError: its `reference` is the order's id, its `detail` names the field and the line's id, never a value.
    """
    try:
        wire = _ORDER.decode(payload)
    except UNREADABLE:
        wire = taken_apart(payload, WireOrder)
    check_key(wire.id, "id")
    try:
        if NUL_ESCAPE in payload and has_nul(wire):
            raise PayloadError("nul_character", "a NUL character in the order")
        return _order(wire)
    except PayloadError as error:
        raise PayloadError(error.reason, error.detail, wire.id) from None


def _order(wire: WireOrder) -> ChannelOrder:
    unknown: list[str] = []
    payment, delivery = wire.payment or _NO_PAYMENT, wire.delivery or _NO_DELIVERY
    status = _word(wire.status, _STATUSES, ChannelOrderStatus.UNKNOWN, "status", unknown)
    currency = wire.total.currency
    _check_currency(currency, "total")
    lines = _lines(wire.lines, currency, unknown)
    return ChannelOrder(
        order_id=wire.id,
        revision=wire.revision,
        status=status,
        placed_at=_time(wire.created_at, "created_at"),
        updated_at=_time(wire.updated_at, "updated_at"),
        payment_method=_word(payment.method, _PAYMENT_METHODS, PaymentMethod.UNKNOWN, "payment_method", unknown),
        payment_status=_payment_status(payment, status, unknown),
        paid_at=_time(payment.paid_at, "payment.paid_at") if payment.paid_at else None,
        delivery_method=_word(delivery.method, _DELIVERY_METHODS, DeliveryMethod.UNKNOWN, "delivery_method", unknown),
        buyer=_buyer(wire.customer, unknown),
        billing=_address(wire.billing_address, "billing", unknown) if wire.billing_address else None,
        delivery=_address(wire.delivery_address, "delivery", unknown),
        courier=_text(delivery.courier, TEXT_CAP, "courier", unknown) if delivery.courier else None,
        delivery_price=_money(delivery.price, currency, "bad_price", "delivery.price") if delivery.price else Decimal(0),
        currency=currency,
        lines=lines,
        discounts=_discounts(wire.discounts, currency, lines) if wire.discounts else (),
        total=_money(wire.total, currency, "bad_total", "total"),
        note=_text(wire.note, NOTE_CAP, "note", unknown) if wire.note else wire.note,
        unknown=tuple(unknown),
    )


def _word(text: str | None, known: dict[str, Word], otherwise: Word, name: str, unknown: list[str]) -> Word:
    found = known.get(text) if text is not None else None
    if found is None:
        unknown.append(name)
        return otherwise
    return found


def _payment_status(payment: WirePayment, status: ChannelOrderStatus, unknown: list[str]) -> PaymentStatus:
    if payment.status is not None:
        return _word(payment.status, _PAYMENT_STATUSES, PaymentStatus.UNKNOWN, "payment_status", unknown)
    paid = status is ChannelOrderStatus.PAID or payment.paid_at is not None
    return PaymentStatus.PAID if paid else PaymentStatus.PENDING


def _time(moment: datetime, name: str) -> datetime:
    if moment.year not in YEARS:
        raise PayloadError("bad_time", f"{name} is in the year {moment.year}")
    return moment


def _money(money: WireMoney, currency: str, reason: str, where: str) -> Decimal:
    if money.currency != currency:
        _check_currency(money.currency, where)
        raise PayloadError("mixed_currencies", f"{where} is not in the currency of the total")
    return plain_decimal(money.amount, AMOUNT, reason, "", where)


def _check_currency(currency: str, where: str) -> None:
    if not CURRENCY.fullmatch(currency):
        raise PayloadError("bad_currency", f"{where}: the currency is not three capital letters")


# ---------------------------------------------------------------- lines and discounts


def _lines(wires: list[WireLine], currency: str, unknown: list[str]) -> tuple[OrderLine, ...]:
    """The lines in their order. An identical repeat is dropped; two that contradict each other hold the order."""
    if not wires:
        raise PayloadError("no_lines", "lines is empty")
    if len(wires) > MOST_LINES:
        raise PayloadError("too_many_lines", f"{len(wires)} lines, of at most {MOST_LINES}")
    first: dict[str, WireLine] = {}
    found: list[OrderLine] = []
    for place, wire in enumerate(wires):
        earlier = first.setdefault(wire.id, wire)
        if earlier is not wire:
            if earlier != wire:
                raise PayloadError("duplicate_line", f"line {_shown(wire.id)} twice with different content")
            continue
        try:
            found.append(_line(wire, currency, unknown))
        except PayloadError as error:
            name = f"line {_shown(wire.id)}" if wire.id.strip() else f"lines[{place}]"
            raise PayloadError(error.reason, f"{name}: {error.detail}") from None
    if sum([line.unit_price * line.quantity for line in found]) > HIGHEST_SUM:
        raise PayloadError("bad_price", f"unit_price: the lines come to more than {HIGHEST_SUM}")
    return tuple(found)


def _line(wire: WireLine, currency: str, unknown: list[str]) -> OrderLine:
    check_key(wire.id, "id")
    check_key(wire.variant_id, "variant_id")
    if len(wire.code or "") > KEY_CAP or len(wire.ean or "") > KEY_CAP:
        raise PayloadError("id_too_long", f"code or ean has more than {KEY_CAP} characters")
    returned = wire.returned_quantity or 0
    if returned > wire.quantity:
        raise PayloadError("bad_returned", f"{returned} of {wire.quantity} are returned")
    return OrderLine(
        line_id=wire.id,
        variant_id=wire.variant_id,
        code=wire.code,
        ean=wire.ean,
        name=_text(wire.name, TEXT_CAP, "line_name", unknown) if wire.name else "",
        quantity=wire.quantity,
        unit_price=_money(wire.unit_price, currency, "bad_price", "unit_price"),
        vat_rate=None if wire.vat_rate is None else plain_decimal(wire.vat_rate, VAT_RATE, "bad_vat_rate", "", "vat_rate"),
        returned=returned,
    )


def _discounts(wires: list[WireDiscount], currency: str, lines: tuple[OrderLine, ...]) -> tuple[OrderDiscount, ...]:
    if len(wires) > MOST_LINES:
        raise PayloadError("bad_discount", f"{len(wires)} discounts, of at most {MOST_LINES}")
    line_ids = {line.line_id for line in lines}
    found = []
    for place, wire in enumerate(wires):
        if wire.line_id is not None and wire.line_id not in line_ids:
            raise PayloadError("bad_discount", f"discounts[{place}]: no line {_shown(wire.line_id)}")
        if len(wire.code or "") > KEY_CAP:
            raise PayloadError("bad_discount", f"discounts[{place}]: code has more than {KEY_CAP} characters")
        found.append(
            OrderDiscount(wire.code, wire.line_id, _money(wire.amount, currency, "bad_discount", f"discounts[{place}].amount"))
        )
    if sum([one.amount for one in found]) > HIGHEST_SUM:
        raise PayloadError("bad_discount", f"discounts: they come to more than {HIGHEST_SUM}")
    return tuple(found)


def _shown(key: str) -> str:
    return key[:KEY_CAP].replace("\x00", "")


# ---------------------------------------------------------------- people


def _buyer(wire: WireCustomer, unknown: list[str]) -> Buyer:
    if not wire.name.strip():
        raise PayloadError("missing_buyer", "customer.name is empty")
    return Buyer(
        _text(wire.name, TEXT_CAP, "buyer_name", unknown),
        _email(wire.email, unknown) if wire.email else None,
        _text(wire.phone, TEXT_CAP, "buyer_phone", unknown) if wire.phone else wire.phone,
        _company(wire.company, unknown) if wire.company else None,
    )


def _email(text: str, unknown: list[str]) -> str | None:
    """An address that may be written to. One with a line break would be a header of its own in a message (F-45)."""
    email = text.strip(" ")
    if not EMAIL.fullmatch(email):
        unknown.append("buyer_email")
        return None
    return email


def _company(wire: WireCompany, unknown: list[str]) -> Company | None:
    if not (wire.name or wire.tax_id or wire.registration_number):
        return None
    if not wire.name:
        unknown.append("buyer_company")  # a tax id of nobody: an invoice needs the name
    name, tax_id, number = (
        text and _text(text, TEXT_CAP, "buyer_company", unknown) for text in (wire.name, wire.tax_id, wire.registration_number)
    )
    return Company(name or "", tax_id, number)


def _address(wire: WireAddress, whose: str, unknown: list[str]) -> Address:
    if not (wire.name.strip() and wire.street.strip() and wire.city.strip() and wire.country.strip()):
        raise PayloadError("missing_address", f"{whose}_address: name, street, city or country is empty")
    if not COUNTRY.fullmatch(wire.country):
        unknown.append(f"{whose}_country")
    texts = (wire.name, wire.phone, wire.street, wire.city, wire.county, wire.postal_code, wire.country, wire.locker_id)
    if max(map(len, filter(None, texts))) > TEXT_CAP:
        unknown.append(f"{whose}_address")
        return Address(*(text and text[:TEXT_CAP] for text in texts))  # type: ignore[arg-type]
    return Address(*texts)


def _text(text: str, cap: int, name: str, unknown: list[str]) -> str:
    if len(text) <= cap:
        return text
    if name not in unknown:
        unknown.append(name)
    return text[:cap]
