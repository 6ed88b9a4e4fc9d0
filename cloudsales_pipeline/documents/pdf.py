"""Invoices, proformas and stornos as PDF, from their content alone: the same bytes each time.

What belongs here: words, and numbers written out. What does not: how the page looks (`templates/invoice.typ`), and amounts.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal

from cloudsales_pipeline.documents.amounts import base_of
from cloudsales_pipeline.documents.content import Content, Line, Party
from cloudsales_pipeline.errors import InputError, SettingsError
from cloudsales_pipeline.orders.counties import PLATES
from cloudsales_pipeline.outbox.typesetting import make_pdf, make_picture

PACKAGE, TEMPLATE = "cloudsales_pipeline.documents", "templates/invoice.typ"
LARGEST_LOGO = 2_000_000  # bytes; each PDF carries it
MOST_PIXELS = 4_000_000
LONGEST_WORD, BREAK = 24, "\N{ZERO WIDTH SPACE}"
WORDS: Mapping[str, Mapping[str, str]] = {
    "ro": {
        "proforma_invoice": "Factură proformă", "fiscal_invoice": "Factură fiscală", "storno": "Factură storno",
        "number": "Seria și nr.", "issued": "Data emiterii", "supplied": "Data livrării", "due": "Scadență", "order": "Comanda",
        "corrects": "Stornează", "seller": "Furnizor", "buyer": "Client", "page": "Pagina", "tax_id": "CUI",
        "register": "Reg. com.", "name": "Denumire", "pieces": "Cant.", "price": "Preț unitar\nfără TVA",
        "rate": "TVA %", "net": "Valoare\nfără TVA", "gross": "Valoare\ncu TVA", "discount": "reducere", "with_vat": "cu TVA",
        "code": "cod", "each": "bucata", "tax_base": "Baza", "tax": "TVA",
        "total_net": "Total fără TVA", "total_vat": "Total TVA", "rounding": "Rotunjire",
        "payable": "Total de plată", "credited": "Total stornat", "payment": "Plata", "paid": "achitată", "unpaid": "neachitată",
        "not_fiscal": "Acest document nu este factură fiscală.", "no_vat": "Furnizorul nu este înregistrat în scopuri de TVA.",
        "cash_on_delivery": "ramburs", "card": "card", "bank_transfer": "transfer bancar", "cash": "numerar",
        "dated": "din", "phone": "Tel.",
    },
    "en": {
        "proforma_invoice": "Proforma invoice", "fiscal_invoice": "Invoice", "storno": "Credit note",
        "number": "No.", "issued": "Issued", "supplied": "Supplied", "due": "Due", "order": "Order",
        "corrects": "Corrects", "seller": "Seller", "buyer": "Buyer", "page": "Page", "tax_id": "Tax no.",
        "register": "Trade register", "name": "Item", "pieces": "Qty", "price": "Unit price\nexcl. VAT",
        "rate": "VAT %", "net": "Amount\nexcl. VAT", "gross": "Amount\nincl. VAT", "discount": "discount",
        "with_vat": "incl. VAT", "code": "code", "each": "each", "tax_base": "Base", "tax": "VAT",
        "total_net": "Total excl. VAT", "total_vat": "Total VAT", "rounding": "Rounding",
        "payable": "Total to pay", "credited": "Total credited", "payment": "Payment", "paid": "paid", "unpaid": "not paid",
        "not_fiscal": "This document is not a tax invoice.", "no_vat": "The seller is not registered for VAT.",
        "cash_on_delivery": "cash on delivery", "card": "card", "bank_transfer": "bank transfer", "cash": "cash",
        "dated": "of", "phone": "Phone",
    },
}  # fmt: skip
COUNTRIES = {"RO": {"ro": "România", "en": "Romania"}}


def render(content: Content, *, logo: bytes | None) -> bytes:
    """The PDF, A4. The same content and logo give the same bytes.

    Raises:
        InputError: the logo is none that can be drawn; without it the document can be made.
    """
    return make_pdf(PACKAGE, TEMPLATE, data_of(content, logo), made_at=_moment(content))


def pictures(content: Content, *, logo: bytes | None) -> list[bytes]:
    """The pages as PNG, for a look at them."""
    return make_picture(PACKAGE, TEMPLATE, data_of(content, logo), made_at=_moment(content))


def read_logo(path: Path | None) -> bytes | None:
    """The retailer's logo, checked; None where the settings name none.

    Raises:
        SettingsError: no such file, larger than 2 MB, or no PNG, JPEG or SVG.
    """
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            found = file.read(LARGEST_LOGO + 1)
        check_logo(found)
    except OSError as error:
        raise _bad_logo(f"can't be read ({type(error).__name__})") from None
    except InputError as error:
        raise _bad_logo(error.message) from None
    return found


def check_logo(logo: bytes) -> str:
    """Its format: png, jpg or svg.

    Raises:
        InputError: too large, broken, or of another format.
    """
    if len(logo) > LARGEST_LOGO:
        raise InputError(f"the logo has more than {LARGEST_LOGO // 1_000_000} MB")
    if b"<svg" in logo[:2000]:
        return _checked_svg(logo)
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(logo), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(f"the logo has more than {MOST_PIXELS // 1_000_000} million pixels")
            image.load()
            return "png" if image.format == "PNG" else "jpg"
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError("the logo is no whole PNG, JPEG or SVG picture") from None


def _checked_svg(logo: bytes) -> str:
    from xml.parsers import expat

    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise InputError("the logo's SVG declares entities, which is refused")

    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(logo, True)
    except expat.ExpatError:
        raise InputError("the logo's SVG is broken") from None
    return "svg"


def _bad_logo(reason: str) -> SettingsError:
    return SettingsError(
        f"company.logo: {reason}.", next_step="give a PNG, JPEG or SVG of at most 2 MB; documents are made without it until then"
    )


def _moment(content: Content) -> datetime:
    return datetime.combine(content.issued_on, time(12), UTC)


def data_of(content: Content, logo: bytes | None) -> dict[str, Any]:
    """What the template is given: all texts and amounts written out."""
    words = WORDS[content.language]
    storno = content.kind == "storno"
    return {
        "words": words,
        "language": content.language,
        "heading": words[content.kind],
        "number": content.number,
        "title": f"{words[content.kind]} {content.number}",
        "footer": f"{content.seller.name} · {words[content.kind]} {content.number}",
        "logo": list(logo) if logo else "",
        "logo_format": check_logo(logo) if logo else "",
        "facts": _facts(content, words),
        "seller": _party(content.seller, content, words),
        "buyer": _party(content.buyer, content, words),
        "headers": ["#", *(words[key] for key in ("name", "pieces", "price", "rate", "net", "gross"))],
        "rows": [_row(place, line, content, words) for place, line in enumerate(content.lines, start=1)],
        "tax_headers": [words["rate"], words["tax_base"], words["tax"]],
        "taxes": [[_rate(tax.rate), _money(tax.base, content), _money(tax.vat, content)] for tax in content.taxes],
        "totals": _totals(content, words),
        "due": [words["credited" if storno else "payable"], f"{_money(content.payable, content)} {content.currency}"],
        "notes": _notes(content, words),
    }


def _facts(content: Content, words: Mapping[str, str]) -> list[list[str]]:
    facts = [[words["issued"], _day(content.issued_on, content)]]
    if content.kind != "proforma_invoice":
        facts.append([words["supplied"], _day(content.supplied_on, content)])
    if content.kind != "storno":
        facts.append([words["due"], _day(content.due_on, content)])
    if content.corrects:
        facts.append([words["corrects"], f"{content.corrects.number} {words['dated']} {_day(content.corrects.dated, content)}"])
    return [*facts, [words["order"], _plain(content.order_id)]]


def _party(who: Party, content: Content, words: Mapping[str, str]) -> dict[str, Any]:
    county = PLATES.get(who.county, "")
    town = ", ".join(filter(None, [f"{who.postal_code} {who.city}".strip(), county if county not in who.city else ""]))
    country = COUNTRIES.get(who.country, {}).get(content.language, who.country)
    lines = [
        f"{words['tax_id']} {who.tax_id}" if who.tax_id else "",
        f"{words['register']} {who.registration_number}" if who.registration_number else "",
        who.street,
        ", ".join(filter(None, [town, country])) if town else "",
        f"{words['phone']} {who.phone}" if who.phone else "",
        who.email,
        who.bank,
        f"IBAN {_iban(who.iban)}" if who.iban else "",
    ]
    return {"name": _plain(who.name), "lines": [_plain(line) for line in lines if line]}


def _row(place: int, line: Line, content: Content, words: Mapping[str, str]) -> list[Any]:
    sub = [f"{words['code']} {line.sku}" if line.sku else ""]
    if line.kind == "goods" and (line.discount or abs(line.quantity) > 1):
        sub.append(f"{words['each']} {_money(line.unit_price, content)} {words['with_vat']}")
    if line.discount:
        sub.append(f"{words['discount']} {_money(abs(line.discount), content)} {words['with_vat']}")
    return [
        str(place),
        {"name": _plain(line.name or line.sku), "sub": _plain(" · ".join(filter(None, sub)))},
        _minus(str(line.quantity)) if line.kind != "discount" else "",
        _unit_price(line, content) if line.kind != "discount" else "",
        _rate(line.vat_rate),
        _money(line.net, content),
        _money(line.gross, content),
    ]


def _unit_price(line: Line, content: Content) -> str:
    """Without VAT (Fiscal Code, article 319 (20) i), before the discount. Four decimals: times the pieces, it is the line."""
    price = (line.net + base_of(line.discount, line.vat_rate)) / line.quantity
    return format_decimal(price, format="#,##0.0000", locale=content.language)


def _totals(content: Content, words: Mapping[str, str]) -> list[list[str]]:
    totals: list[list[Any]] = [[words["total_net"], content.net], [words["total_vat"], content.vat]]
    if content.rounding:
        totals.append([words["rounding"], content.rounding])
    return [[str(label), _money(Decimal(amount), content)] for label, amount in totals]


def _notes(content: Content, words: Mapping[str, str]) -> list[str]:
    method = words.get(content.payment_method, content.payment_method)
    state = words["paid" if content.paid else "unpaid"]
    notes = [f"{words['payment']}: {', '.join(filter(None, [method, state]))}"] if content.kind != "storno" else []
    if content.kind == "proforma_invoice":
        notes.append(words["not_fiscal"])
    if not content.seller.vat_payer:
        notes.append(words["no_vat"])
    return [*notes, *filter(None, [content.note])]


def _plain(text: str) -> str:
    """A text that can be set: no control characters, no emoji, which the fonts lack, and long words that may be broken."""
    kept = "".join(char for char in text if not (unicodedata.category(char) in ("Cc", "So", "Cs", "Co") and char not in "\t\n\r"))
    return " ".join(BREAK.join(textwrap.wrap(word, LONGEST_WORD)) if len(word) > LONGEST_WORD else word for word in kept.split())


def _money(amount: Decimal, content: Content) -> str:
    return _minus(format_decimal(amount, format="#,##0.00", locale=content.language))


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _rate(rate: Decimal) -> str:
    return f"{rate.normalize():f}"


def _day(day: date, content: Content) -> str:
    return format_date(day, "dd.MM.yyyy" if content.language == "ro" else "d MMM yyyy", locale=content.language)


def _iban(iban: str) -> str:
    return " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))
