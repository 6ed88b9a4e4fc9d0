"""How a person is looked for: by an e-mail address or a phone number, in whatever way either was written. Pure.

What belongs here: what a person types as one pattern, and the text of a payload that it is looked for in. What does not: where it
is looked for (`privacy`).
"""

from __future__ import annotations

import re

from msgspec import Struct

from cloudsales_pipeline.errors import InputError

HOME = "40"
"""Romania: a number without a country's code is one of here, and 0 stands for the code."""
FEWEST_DIGITS, MOST_DIGITS = 7, 15  # of a number with its country's code: E.164 allows fifteen
BETWEEN = r"[\s.()/-]*"


class Person(Struct, frozen=True):
    """Somebody as a pattern, without regard to case; one that Python and PostgreSQL read alike."""

    pattern: str

    def is_in(self, text: str) -> bool:
        """Whether the text names the person."""
        return re.search(self.pattern, text, re.IGNORECASE) is not None


def person(word: str) -> Person:
    """The person with this e-mail address or phone number.

    An address is looked for whole: ana@example.ro is not in diana@example.ro. A number is the same with +40, 0040 or 0 before
    it, and with blanks, dots, dashes, slashes or brackets in it.

    Raises:
        InputError: it is neither. The error does not repeat it: errors end in logs.
    """
    text = word.strip()
    if re.fullmatch(r"[^\s@]+@[^\s@]+", text):
        return Person(rf"(?<![\w.+-]){re.escape(text)}(?![\w-]|\.\w)")
    digits = re.sub(r"\D", "", text)
    if re.fullmatch(r"\+?[\d\s.()/-]+", text) and FEWEST_DIGITS <= len(digits) <= MOST_DIGITS + 2:
        return Person(_number(text, digits))
    raise InputError(
        "This is neither an e-mail address nor a phone number.",
        next_step="write ana@example.ro, or +40 700 000 001; - asks for it",
    )


def text_of(payload: bytes) -> str:
    r"""A payload as text to look in, with JSON's escapes (such as \u0040) undone; bytes that are no text don't matter."""
    text = payload.decode("utf-8", "replace")
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text).replace("\\/", "/")


def _number(text: str, digits: str) -> str:
    country, rest = _parts(text, digits)
    spaced = BETWEEN.join(rest)
    before = rf"(?:(?:\+|00)?{BETWEEN}{BETWEEN.join(country)}{BETWEEN}0?|0){BETWEEN}" if country else rf"(?:\+|00)?{BETWEEN}"
    return rf"(?<!\d){before}{spaced}(?!\d)"


def _parts(text: str, digits: str) -> tuple[str, str]:
    """The country's code where it is ours, and the digits behind it; of other countries all digits together."""
    if digits.startswith("00"):
        digits = digits[2:]
    elif digits.startswith("0"):
        return HOME, digits[1:]
    if digits.startswith(HOME) and len(digits) >= len(HOME) + 9:
        return HOME, digits[len(HOME) :].removeprefix("0")
    return ("", digits) if text.startswith(("+", "00")) or len(digits) != 9 else (HOME, digits)
