"""How a product's words are read before two of them are compared: words, model numbers, size, colours, kind of goods.

Pure functions of text. What two readings have in common is judged in likeness.py.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from cloudsales_pipeline.catalog.vocabulary import AUDIENCES, COLOURS, FILLERS, KINDS, LETTER_SIZES, SHADES, SIZE_MARKS

NAME_CHARACTERS = 400  # a name of a megabyte must not cost more than a long one
ONE_SIZE = "one"
MODEL_LETTERS = 4
MODEL_DIGITS = 5
Colour = tuple[str, str]

_TOKEN = re.compile(r"[a-z0-9]+(?:[-/._][a-z0-9]+)*")
_SPOKEN_FOR = frozenset().union(COLOURS, SHADES, KINDS, SIZE_MARKS, AUDIENCES)
_PART = re.compile(r"\d+\.\d+|[a-z0-9]+")
_MEASURE = re.compile(
    r"\d+(?:gb|mb|tb|kb|mm|cm|m|km|w|kw|v|a|ah|mah|hz|khz|mhz|ghz|mp|p|i|x|in|inch|ft|oz|lb|lbs|ml|cl|l|kg|g|k|bit|bits"
    r"|pack|pk|pc|pcs|buc|ch|rpm|st|nd|rd|th|s|d|btu|cu)"
)
_FRACTION = re.compile(r"(\d+)(?:[.,]| )(\d)(?:/(\d))?$")


@dataclass(frozen=True)
class Described:
    """A listing or a product as its owner describes it; what is not known is empty or None."""

    ref: int | str
    name: str
    brand: str | None = None
    description: str | None = None
    price: float | None = None
    category: str | None = None
    size: str | None = None
    colour: str | None = None


@dataclass(frozen=True)
class Reading:
    """A description as it is compared.

    words: of the name, without fillers, colours, sizes and kinds; compounds: `kx-tg93` joined → its parts;
    models: what looks like a maker's number; numbers: the other numbers of the name;
    colour_stated: the colours come from a field of their own, not out of the name.
    """

    words: frozenset[str]
    compounds: dict[str, tuple[str, ...]]
    models: frozenset[str]
    numbers: frozenset[str]
    kinds: frozenset[str]
    audiences: frozenset[str]
    colours: frozenset[Colour]
    colour_stated: bool
    size: str | None
    brand: str
    price: float | None
    plain: str


def read(item: Described) -> Reading:
    """Read all of a description."""
    name = fold(item.name[:NAME_CHARACTERS])
    tokens = _TOKEN.findall(name)
    parts = [part for token in tokens for part in _PART.findall(token)]
    brand = fold(item.brand or "").strip()
    size = read_size(item.size) if item.size else _size_in(parts)
    compounds = {joined: tuple(found) for joined, found in map(_joined, tokens) if len(found) > 1}
    own = [part for part in parts if part not in FILLERS]
    words = (
        frozenset(own) - COLOURS.keys() - SHADES.keys() - KINDS.keys() - SIZE_MARKS - AUDIENCES.keys() - _size_words(size, parts)
    )
    words = words - frozenset(_PART.findall(brand)) or frozenset(own)
    return Reading(
        words=words,
        compounds=compounds,
        models=frozenset(_models(tokens)),
        numbers=frozenset(part for part in words if part.replace(".", "").isdigit() and len(part) < MODEL_DIGITS),
        kinds=_kinds(parts, item.category),
        audiences=frozenset(AUDIENCES[part] for part in parts if part in AUDIENCES),
        colours=colours_in(fold(item.colour)) if item.colour else colours_in(name),
        colour_stated=bool(item.colour),
        size=size,
        brand=brand,
        price=item.price if item.price and item.price > 0 else None,
        plain=" ".join(sorted(words)),
    )


def keys_of(name: str) -> set[str]:
    """The words by which a name can be found: its parts, and compounds joined (`kx-tg93` also as `kxtg93`)."""
    found: set[str] = set()
    for token in _TOKEN.findall(fold(name[:NAME_CHARACTERS])):
        joined, parts = _joined(token)
        found.update(parts)
        found.add(joined)
    return found - FILLERS


def fold(text: str) -> str:
    """Lower case, without accents, compatibility forms as plain ones."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in parts if not unicodedata.combining(letter)).casefold().replace("ł", "l")


@functools.lru_cache(maxsize=4096)
def read_size(text: str) -> str | None:
    """A size as it compares: `2XL` as xxl, `EU 42,5` as 42.5, `42 1/2` as 42.5; anything else as its folded words."""
    words = [word for word in re.split(r"[\s:]+", fold(text).strip()) if word and word not in SIZE_MARKS]
    plain = " ".join(words)
    if plain in LETTER_SIZES:
        return LETTER_SIZES[plain]
    fraction = _FRACTION.fullmatch(plain)
    if fraction:
        whole, top, bottom = fraction.groups()
        return f"{int(whole) + int(top) / int(bottom):.1f}" if bottom and bottom != "0" else f"{whole}.{top}".removesuffix(".0")
    return plain or None


def colours_in(folded: str) -> frozenset[Colour]:
    """The colours of a folded text, each with its shade: `dark blue`, `albastru inchis` and `navy` are the same."""
    words = _PART.findall(folded)
    found = set()
    for place, word in enumerate(words):
        if word in COLOURS:
            colour, shade = COLOURS[word]
            before = SHADES.get(words[place - 1]) if place else None
            after = SHADES.get(words[place + 1]) if place + 1 < len(words) else None
            found.add((colour, shade or before or after or ""))
    return frozenset(found)


def _joined(token: str) -> tuple[str, list[str]]:
    parts = _PART.findall(token)
    return "".join(parts), parts


def _models(tokens: list[str]) -> Iterator[str]:
    for token in tokens:
        joined, _ = _joined(token)
        digits = sum(letter.isdigit() for letter in joined)
        if not digits or _MEASURE.fullmatch(joined):
            continue
        if len(joined) >= (MODEL_DIGITS if digits == len(joined) else MODEL_LETTERS):
            yield joined


def _size_in(parts: list[str]) -> str | None:
    """The size that a name says: after a word for size, or letters at its end."""
    for mark, size in itertools.pairwise(parts):
        if mark in SIZE_MARKS and (size in LETTER_SIZES or size.isdigit()):
            return read_size(size)
    at_end = LETTER_SIZES.get(parts[-1]) if len(parts) > 1 else None
    return None if at_end == ONE_SIZE else at_end  # `Air Force One` is not a size


def _size_words(size: str | None, parts: list[str]) -> frozenset[str]:
    return frozenset(part for part in parts if size is not None and LETTER_SIZES.get(part, part) == size)


def _kinds(parts: list[str], category: str | None) -> frozenset[str]:
    """What kind of goods it is: the category says, else the name."""
    of_category = {KINDS[word] for word in _PART.findall(fold(category or "").replace("t-shirt", "tshirt")) if word in KINDS}
    return frozenset(of_category or {KINDS[part] for part in parts if part in KINDS})
