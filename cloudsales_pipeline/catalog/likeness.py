"""How probably two descriptions mean the same product: what agrees, what contradicts, one fixed logistic formula.

Pure. The measure of a pair is a vector of named features; suggestions.py has the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import fuzz

from cloudsales_pipeline.catalog.blocking import Rarity
from cloudsales_pipeline.catalog.wording import Reading

Agreement = Literal["same", "part", "differs", "unknown"]
PREFIX = 5  # letters that two model numbers must share at least, where one begins with the other
BRAND_ALIKE = 80.0
PRICE_NEAR = 0.15  # |log(price ratio)| up to which prices differ as those of one product do between shops
PRICE_FAR = 1.5


@dataclass(frozen=True)
class Likeness:
    """What was found out about a pair; `features` go into the formula, `evidence` to a person."""

    features: dict[str, float]
    evidence: dict[str, object]


def compare(listing: Reading, product: Reading, rarity: Rarity) -> Likeness:
    """Compare two readings."""
    shared, ours, theirs = _shared(listing, product)
    mass = sum(map(rarity.weight, shared))
    of_listing = _share(mass, ours, rarity)
    of_product = _share(mass, theirs, rarity)
    model = _models(listing, product)
    size = _same(listing.size, product.size)
    colour = _colours(listing, product)
    brand = _brands(listing, product)
    kind = _sets(listing.kinds, product.kinds)
    audience = _sets(listing.audiences, product.audiences)
    numbers = _sets(listing.numbers, product.numbers)
    price = _price(listing.price, product.price)
    features = {
        "least_cover": min(of_listing, of_product),
        "most_cover": max(of_listing, of_product),
        "shared_mass": min(mass, 4.0),
        "fuzzy": fuzz.token_set_ratio(listing.plain, product.plain) / 100,
        "model_same": float(model == "same"),
        "model_part": float(model == "part"),
        "model_differs": float(model == "differs"),
        "size_differs": float(size == "differs"),
        "colour_same": float(colour == "same"),
        "colour_part": float(colour == "part"),
        "colour_differs": float(colour == "differs"),
        "stated_colour_differs": float(colour == "differs" and (listing.colour_stated or product.colour_stated)),
        "brand_same": float(brand == "same"),
        "brand_differs": float(brand == "differs"),
        "kind_differs": float(kind == "differs"),
        "audience_same": float(audience == "same"),
        "audience_differs": float(audience == "differs"),
        "numbers_same": float(numbers == "same"),
        "numbers_differ": float(numbers == "differs"),
        "price_far": price,
    }
    stated = {
        "model": model,
        "size": size,
        "colour": colour,
        "brand": brand,
        "kind": kind,
        "numbers": numbers,
        "audience": audience,
    }
    evidence: dict[str, object] = {what: how for what, how in stated.items() if how != "unknown"}
    evidence["shared_words"] = sorted(shared, key=lambda word: (-rarity.weight(word), word))[:6]
    evidence["name_likeness"] = round(features["fuzzy"], 2)
    if listing.price and product.price:
        evidence["price_ratio"] = round(listing.price / product.price, 2)
    return Likeness(features, evidence)


def _shared(a: Reading, b: Reading) -> tuple[set[str], set[str], set[str]]:
    """Words of both, and all words of each; a compound counts as one word where the other side has it joined."""
    ours, theirs = set(a.words), set(b.words)
    for joined in a.compounds.keys() & (b.words | b.compounds.keys()):
        ours = (ours - set(a.compounds[joined])) | {joined}
        theirs = (theirs - set(b.compounds.get(joined, ()))) | {joined}
    for joined in b.compounds.keys() & a.words:
        theirs = (theirs - set(b.compounds[joined])) | {joined}
    return ours & theirs, ours, theirs


def _share(mass: float, words: set[str], rarity: Rarity) -> float:
    whole = sum(map(rarity.weight, words))
    return mass / whole if whole else 0.0


def _models(a: Reading, b: Reading) -> Agreement:
    if not a.models or not b.models:
        return "unknown"
    if a.models & b.models:
        return "same"
    for one in a.models:
        for other in b.models:
            short, long = sorted((one, other), key=len)
            if len(short) >= PREFIX and long.startswith(short):
                return "part"
    return "differs"


def _same(a: str | None, b: str | None) -> Agreement:
    if a is None or b is None:
        return "unknown"
    return "same" if a == b else "differs"


def _colours(a: Reading, b: Reading) -> Agreement:
    """part: some colours are common to both, or the colour is the same and its shade is not."""
    if not a.colours or not b.colours:
        return "unknown"
    if a.colours == b.colours:
        return "same"
    return "part" if a.colours & b.colours else "differs"


def _brands(a: Reading, b: Reading) -> Agreement:
    if a.brand and b.brand:
        return "same" if fuzz.partial_ratio(a.brand, b.brand) >= BRAND_ALIKE else "differs"
    return "unknown"


def _sets(a: frozenset[str], b: frozenset[str]) -> Agreement:
    if not a or not b:
        return "unknown"
    return "same" if a == b else "part" if a & b else "differs"


def _price(a: float | None, b: float | None) -> float:
    """How far the prices are apart beyond what shops differ in; 0 where one is not known."""
    return min(PRICE_FAR, max(0.0, abs(math.log(a / b)) - PRICE_NEAR)) if a and b else 0.0
