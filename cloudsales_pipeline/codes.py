"""How a code is read: one pure function for every side, so that what is the same compares equal.

The rules are the contract of exact matching (docs/matching.md tells them with examples): clean, recognise placeholders,
read numbers as spreadsheets leave them, make the key that is compared. Nothing here guesses: a number that lost digits has
no key at all, and a letter typed for a digit stays a letter.

What does not belong here: which products a key points to (catalog/), and any SQL.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import NamedTuple

RULES_VERSION = 1  # kept with every decision; goes up when a rule below changes what compares equal


class EanState(StrEnum):
    """What an EAN field holds."""

    EMPTY = "empty"  # nothing, or a placeholder
    VALID = "valid"  # a GTIN with the right check digit
    BAD = "bad"  # anything else


class Ean(NamedTuple):
    """An EAN as read: a bad one may still have a key, which matches but identifies no new product."""

    key: str | None
    state: EanState


PLACEHOLDERS = frozenset(
    # compared after folding, so without case, accents and white space
    ("x", "xx", "n/a", "na", "null", "nil", "none", "nan", "undefined", "tbd", "fara", "faracod", "faraean")
) | frozenset(
    ("#n/a", "#ref!", "#value!")  # a spreadsheet's errors
)
_QUOTES = "\"'“”„«»‘’`"
_APOSTROPHES = "'’‘`"
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
# Letters that look alike but are others: Cyrillic and Greek, by the Latin letter that a reader sees.
_LOOKALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХҮԚԜавеѕіјкмнорстухүԛԝһӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχ",
    "ABESIJKMHOPCTYXYQWabesijkmhopctyxyqwhlABEZHIKMNOPTYXaeikvoptux",
)
# Letters with a stroke do not decompose into a letter and a mark.
_STROKES = str.maketrans("ŁłØøĐđĦħŦŧƗɨɃƀƵƶ", "LlOoDdHhTtIiBbZz")
# Characters that take no room but are not of the categories Cc and Cf.
_INVISIBLE = frozenset([0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])

_FLOAT = re.compile(r"(\d{6,})[.,]0+")
_SCIENTIFIC = re.compile(r"(\d+)(?:[.,](\d*))?[eE]\+(\d{1,3})|(\d)[.,](\d+)[eE](\d{1,3})")
_GROUPED = re.compile(r"\d[\d\s\-.,'’‘`]*\d")
_NOT_DIGITS = re.compile(r"\D")
_ZERO = re.compile(r"0+([.,]0*)?")
LONGEST_CODE = 200  # characters; longer is text that went into the wrong column: it has no key, for cut codes would compare equal


def clean(text: str) -> str:
    """Rule 1: compatibility forms, invisible characters and wrappers gone, digits of any script as 0-9, trimmed."""
    text = text.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(map(_plain_character, text)).strip()
    elif not text.isprintable():
        text = "".join(c for c in text if c.isprintable()).strip()
    return _unwrap(text) if text and (text[0] in _QUOTES or text[0] == "=" or text[-1] in _QUOTES) else text


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Cf") or ord(character) in _INVISIBLE:
        return ""
    return str(unicodedata.decimal(character)) if category == "Nd" else character


def _unwrap(text: str) -> str:
    """Take off what spreadsheets put around text: ="…", a leading apostrophe, quotes on both sides."""
    while True:
        before = text
        if text.startswith("=") and len(text) > 2 and text[1] in _QUOTES and text[-1] in _QUOTES:
            text = text[2:-1]
        elif len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
            text = text[1:-1]
        elif text and text[0] in _APOSTROPHES:
            text = text[1:]
        text = text.strip()
        if text == before:
            return text


def _fold(text: str) -> str:
    """Rule 4 for what is not a number: Latin for look-alikes, no accents, no case, no white space."""
    if not text.isascii():
        text = text.translate(_LOOKALIKES).translate(_STROKES)
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in decomposed if not unicodedata.category(c).startswith("M")).translate(_LOOKALIKES)
    return "".join(text.casefold().split())


def _is_placeholder(text: str) -> bool:
    """Rule 2, on cleaned text."""
    if not text or _ZERO.fullmatch(text):
        return True
    if not any(c.isalnum() for c in text) and all(unicodedata.category(c)[0] in "PSZ" for c in text):
        return True
    return len(text) <= 12 and _fold(text) in PLACEHOLDERS


def is_gtin(digits: str) -> bool:
    """Whether digits are a GTIN-8, -12, -13 or -14: length and modulo-10 check digit (GS1 General Specifications 7.9).

    Zeros that a spreadsheet took off the front are allowed to be missing, down to 7 digits: fewer is no trade item number.
    """
    number = digits.lstrip("0")
    if not number or len(digits) < 7 or len(number) > 14:
        return False
    values = number.encode()  # ASCII: each digit's byte is 48 more than the digit
    return (sum(values[::-2]) + 3 * sum(values[-2::-2]) - 48 * ((len(values) + 1) // 2 + 3 * (len(values) // 2))) % 10 == 0


def _digits(text: str) -> str | None:
    """Rule 3: the digits of what is a number; "" for a number that lost digits; None for what is no number."""
    if text.isascii() and text.isdigit():
        return text
    if not text[0].isdigit():
        return None
    if whole := _FLOAT.fullmatch(text):
        return whole[1]
    if scientific := _SCIENTIFIC.fullmatch(text):
        return _from_scientific(*(part for part in scientific.groups(default="")))
    text = text.translate(_DASHES)
    if _GROUPED.fullmatch(text):
        digits = _NOT_DIGITS.sub("", text)
        if len(digits) >= 8 and is_gtin(digits):
            return digits
    return None


def _from_scientific(whole: str, part: str, power: str, digit: str, decimals: str, exponent: str) -> str:
    """All the digits of d.ddd…E+dd, or "" where the notation no longer holds every one of them."""
    whole, part, power = whole or digit, part or decimals, power or exponent
    places = int(power)
    if len(part) < places or part[places:].strip("0"):
        return ""
    return whole + part[:places]


class _Reading(NamedTuple):
    key: str | None
    digits: str | None  # None: no number
    empty: bool


def _read(text: str) -> _Reading:
    if text.isascii() and text.isdigit() and len(text) <= LONGEST_CODE:
        key = text.lstrip("0")  # what the rules below come to for plain digits, at a third of the cost
        return _Reading(key or None, text if key else None, empty=not key)
    cleaned = clean(text)
    if _is_placeholder(cleaned):
        return _Reading(None, None, empty=True)
    if len(cleaned) > LONGEST_CODE:
        return _Reading(None, None, empty=False)
    digits = _digits(cleaned)
    if digits is None:
        return _Reading(_fold(cleaned) or None, None, empty=False)
    key = digits.lstrip("0")
    if digits and not key:
        return _Reading(None, None, empty=True)
    return _Reading(key or None, digits, empty=False)


def code_key(text: str | None) -> str | None:
    """The form of a code that is compared; None where it is empty, a placeholder, or a number that lost digits.

    >>> code_key(" 00123 "), code_key("5941234567890.0"), code_key("5.94E+12"), code_key("Rochie-1 M")
    ('123', '5941234567890', None, 'rochie-1m')
    """
    return _read(text).key if text else None


def read_ean(text: str | None) -> Ean:
    """An EAN field's key and state (rule 5).

    >>> read_ean("594 1234 56789 9").state.value, read_ean("N/A").state.value, read_ean("5941234567890").state.value
    ('valid', 'empty', 'bad')
    """
    reading = _read(text) if text else _Reading(None, None, empty=True)
    if reading.empty:
        return Ean(None, EanState.EMPTY)
    valid = reading.digits is not None and reading.key is not None and is_gtin(reading.digits)
    return Ean(reading.key, EanState.VALID if valid else EanState.BAD)


def written_code(text: str) -> str:
    """A code as it came, for a new product's SKU: trimmed, without wrappers and characters that nobody sees."""
    visible = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf") and ord(c) not in _INVISIBLE)
    return _unwrap(visible.strip())


def gtin_text(key: str) -> str:
    """A GTIN's key in the length it is written in: 8, 13 or 14 digits.

    >>> gtin_text("36000291452")
    '0036000291452'
    """
    return key.zfill(8) if len(key) <= 8 else key.zfill(13) if len(key) <= 13 else key
