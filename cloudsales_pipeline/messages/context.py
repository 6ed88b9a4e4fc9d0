"""The fields that templates may use, and what they are for one order: texts ready to be read, in the message's language.

What belongs here: the list of fields with their meanings, and filling it. What does not: reading the order (`facts`), and
templates (`templates`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from cloudsales_pipeline.messages.facts import Document, OrderFacts, Parcel
from cloudsales_pipeline.purchasing.wording import plain
from cloudsales_pipeline.settings import Settings

FIELDS = {
    "shop_name": "company.name of the settings",
    "shop_email": "company.email; may be empty",
    "shop_phone": "company.phone; may be empty",
    "channel": "where the order was placed, as the settings call it",
    "order_number": "the order's number on its channel",
    "order_date": "the day on which it was placed, in words",
    "order_total": "what it costs with delivery, with its currency",
    "payment_method": "in words",
    "delivery_method": "in words",
    "buyer_name": "as it came; empty where it does not look like a name",
    "buyer_first_name": "the first word of it",
    "lines": "the goods: of each name, quantity, waiting (pieces without stock), price; at most 100",
    "pieces_waiting": "how many pieces have no stock yet",
    "document_number": "of the event's document; empty where it has none",
    "document_date": "in words",
    "document_total": "with its currency",
    "waybill_number": "of the event's waybill, else of the order's last; several parcels: one after the other",
    "courier": "who carries it",
    "tracking_link": "the courier's page for it; empty where the courier is none of the settings'",
    "cash_on_delivery": "what is to be paid to the courier, with its currency; empty where nothing is",
    "locker": "whether it goes to a locker: yes or no as a condition",
    "attachments": "the names of the files that go with it",
}
LINE_FIELDS = ("name", "quantity", "waiting", "price")
MOST_LINES = 100
LONGEST = 200
LONGEST_NAME = 60
_NOT_IN_A_NAME = frozenset('/:@<>{}[]()\\|=+$€%#!?*"_')
LOCALES = {"ro": "ro_RO", "en": "en_GB"}
_WORDS = {
    "ro": {
        "card": "card", "cash_on_delivery": "ramburs", "bank_transfer": "transfer bancar", "courier": "prin curier",
        "locker": "la locker", "store_pickup": "ridicare din magazin",
    },
    "en": {
        "card": "card", "cash_on_delivery": "cash on delivery", "bank_transfer": "bank transfer", "courier": "by courier",
        "locker": "to a parcel locker", "store_pickup": "pick-up in the shop",
    },
}  # fmt: skip


def context_of(
    settings: Settings,
    order: OrderFacts,
    language: str,
    *,
    document: Document | None = None,
    parcels: Sequence[Parcel] = (),
    attachments: Sequence[str] = (),
) -> dict[str, Any]:
    """A value for each of FIELDS. Texts from outside are on one line and of bounded length; none is ever a template."""
    words = _WORDS[language]
    name = name_of(order.buyer_name)
    return {
        "shop_name": plain(settings.company.name)[:LONGEST],
        "shop_email": settings.company.email or "",
        "shop_phone": plain(settings.company.phone)[:LONGEST],
        "channel": order.channel,
        "order_number": plain(order.external_id)[:LONGEST],
        "order_date": _day(order.placed_at.astimezone(ZoneInfo(settings.timezone)).date(), language),
        "order_total": _money(order.total, order.currency, language),
        "payment_method": words.get(order.payment_method, ""),
        "delivery_method": words.get(order.delivery_method, ""),
        "buyer_name": name,
        "buyer_first_name": name.split(" ", 1)[0].capitalize() if name.isupper() else name.split(" ", 1)[0],
        "lines": [_line(one, order.currency, language) for one in order.lines[:MOST_LINES]],
        "pieces_waiting": order.waiting,
        "attachments": list(attachments),
        **_document(document, language),
        **_parcels(settings, order, parcels, language),
    }


def name_of(text: str | None) -> str:
    """A name, where it looks like one: whoever orders with other people's addresses shall not write to them through us."""
    name = plain(text)
    odd = any(c.isdigit() or c in _NOT_IN_A_NAME for c in name) or "www." in name.lower()
    return "" if odd or len(name) > LONGEST_NAME or name == "(erased)" else name


def sample(settings: Settings, language: str) -> dict[str, Any]:
    """An order that nobody placed, to try a template on."""
    moment = datetime(2026, 11, 24, 12, tzinfo=ZoneInfo("UTC"))
    lines = [{"name": "Rochie midi", "quantity": 2, "waiting": 1, "unit_price": "149.90"}]
    order = OrderFacts(
        order_id=0, channel="magazin", external_id="FO-1", status="new", placed_at=moment, payment_method="card",
        delivery_method="courier", currency="RON", total=Decimal("319.79"), buyer_name="Ana Exemplu", email=None, phone=None,
        country="RO", erased=False, waiting=1, lines=lines, parcels=[], documents=[],
    )  # fmt: skip
    parcel = Parcel(waybill_id=0, number="AWB1", courier="curier", state="created", parcel=1, again=0,
                    cash_on_delivery=Decimal(1), currency="RON", locker=False, label_file_id=None)  # fmt: skip
    document = Document(document_id=0, kind="fiscal_invoice", number="FU 1", issued_on=moment.date(), total=Decimal(1),
                        currency="RON", live=True, again=0, file_id=None)  # fmt: skip
    return context_of(settings, order, language, document=document, parcels=[parcel], attachments=["FU-1.pdf"])


def _line(line: dict[str, Any], currency: str, language: str) -> dict[str, Any]:
    return {
        "name": plain(line["name"])[:LONGEST],
        "quantity": line["quantity"],
        "waiting": line["waiting"],
        "price": _money(Decimal(line["unit_price"]), currency, language),
    }


def _document(document: Document | None, language: str) -> dict[str, str]:
    if document is None:
        return dict.fromkeys(("document_number", "document_date", "document_total"), "")
    return {
        "document_number": document.number,
        "document_date": _day(document.issued_on, language),
        "document_total": _money(document.total, document.currency, language),
    }


def _parcels(settings: Settings, order: OrderFacts, parcels: Sequence[Parcel], language: str) -> dict[str, Any]:
    if not parcels:
        empty = dict.fromkeys(("waybill_number", "courier", "tracking_link", "cash_on_delivery"), "")
        return {**empty, "locker": order.delivery_method == "locker"}
    first = parcels[0]
    carrier = settings.couriers.get(first.courier)
    to_pay = sum((one.cash_on_delivery for one in parcels), Decimal(0))
    return {
        "waybill_number": ", ".join(plain(one.number)[:50] for one in parcels),
        "courier": first.courier,
        "tracking_link": carrier.tracking_link(first.number) if carrier else "",
        "cash_on_delivery": _money(to_pay, first.currency, language) if to_pay else "",
        "locker": any(one.locker for one in parcels),
    }


def _money(amount: Decimal, currency: str, language: str) -> str:
    from babel.numbers import format_currency

    # A space that breaks no line is none that every telephone shows.
    return format_currency(amount, currency, format="#,##0.00 ¤¤", locale=LOCALES[language]).replace("\u00a0", " ")


def _day(on: date, language: str) -> str:
    from babel.dates import format_date

    return format_date(on, "d MMMM y", locale=LOCALES[language])
