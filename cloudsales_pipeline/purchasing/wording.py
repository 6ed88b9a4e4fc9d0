"""What suppliers and buyers read, in Romanian and English: the words of an order's documents and of the messages.

What belongs here: fixed texts and how numbers and dates are written. What does not: who gets what (`handing`, `receipts`).
"""

from __future__ import annotations

import unicodedata
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

Words = dict[str, str]

WORDS: dict[str, Words] = {
    "ro": {
        "order": "Comandă către furnizor",
        "number": "Număr",
        "date": "Data",
        "expected": "Livrare până la",
        "buyer": "Cumpărător",
        "supplier": "Furnizor",
        "delivery": "Livrare la",
        "warehouse": "Depozit",
        "tax_id": "CUI",
        "registration_number": "Reg. com.",
        "phone": "Tel.",
        "no": "Nr.",
        "code": "Cod furnizor",
        "sku": "SKU",
        "name": "Denumire",
        "packs": "Pachete",
        "pack_size": "Buc./pachet",
        "quantity": "Cantitate",
        "price": "Preț",
        "value": "Valoare",
        "currency": "Moneda",
        "lines": "Poziții",
        "pieces": "Total bucăți",
        "total": "Total",
        "unpriced": "{} poziții nu au preț; valoarea lor nu este în total.",
        "confirm": "Vă rugăm să treceți numărul comenzii pe avizul de livrare și pe factură.",
        "details": "Detalii",
        "subject": "Comanda {number} de la {buyer}",
        "subject_again": "Comanda {number} de la {buyer} (retrimisă)",
        "greeting": "Bună ziua,",
        "body": "Vă trimitem comanda {number} din {date}: {lines} poziții, {pieces} bucăți.",
        "body_again": "Vă retrimitem comanda {number} din {date}: {lines} poziții, {pieces} bucăți."
        " Este aceeași comandă, nu una nouă.",
        "attached": "Comanda completă este atașată.",
        "deliver": "Vă rugăm să livrați la: {place}.",
        "thanks": "Vă mulțumim,",
    },
    "en": {
        "order": "Purchase order",
        "number": "Number",
        "date": "Date",
        "expected": "Delivery by",
        "buyer": "Buyer",
        "supplier": "Supplier",
        "delivery": "Deliver to",
        "warehouse": "Warehouse",
        "tax_id": "Tax id",
        "registration_number": "Reg. no.",
        "phone": "Phone",
        "no": "No.",
        "code": "Your code",
        "sku": "SKU",
        "name": "Name",
        "packs": "Packs",
        "pack_size": "Pieces/pack",
        "quantity": "Quantity",
        "price": "Price",
        "value": "Value",
        "currency": "Currency",
        "lines": "Lines",
        "pieces": "Total pieces",
        "total": "Total",
        "unpriced": "{} lines have no price; their value is not in the total.",
        "confirm": "Please write the order's number on the delivery note and on the invoice.",
        "details": "Details",
        "subject": "Order {number} from {buyer}",
        "subject_again": "Order {number} from {buyer} (sent again)",
        "greeting": "Hello,",
        "body": "Please find our order {number} of {date}: {lines} lines, {pieces} pieces.",
        "body_again": "We send our order {number} of {date} again: {lines} lines, {pieces} pieces."
        " It is the same order, not a new one.",
        "attached": "The whole order is attached.",
        "deliver": "Please deliver to: {place}.",
        "thanks": "Kind regards,",
    },
}


def plain(text: object) -> str:
    """Text from outside on one line, without what is invisible: controls, and marks that turn text around (F-38, F-45)."""
    seen = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in str(text or ""))
    return " ".join("".join(c for c in seen if unicodedata.category(c) not in {"Cf", "Cs", "Co", "Cn"}).split())


def whole(number: int, language: str) -> str:
    """1234 as 1.234 (ro) or 1,234 (en)."""
    return _marks(f"{number:,}", language)


def amount(number: Decimal, language: str, places: int = 2) -> str:
    """1234.5 as 1.234,50 (ro) or 1,234.50 (en), rounded half up (I-35)."""
    return _marks(f"{rounded(number, places):,}", language)


def rounded(number: Decimal, places: int = 2) -> Decimal:
    """To so many places, half up."""
    return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def price(number: Decimal, language: str) -> str:
    """A unit price: two places, up to four where it has them."""
    exact = number.normalize().as_tuple().exponent
    return amount(number, language, min(4, max(2, -exact if isinstance(exact, int) else 2)))


def day(on: date, language: str) -> str:
    """24.11.2026 (ro), 2026-11-24 (en): neither can be misread."""
    return f"{on:%d.%m.%Y}" if language == "ro" else on.isoformat()


def _marks(text: str, language: str) -> str:
    return text.translate(str.maketrans(",.", ".,")) if language == "ro" else text
