"""Probable duplicates: for things that no code ties together, products that are probably the same, with a probability.

The pure core: readings in, suggestions out. Which listings are asked about, and what a probability leads to, is decided in
holding.py; a person decides the rest (review.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloudsales_pipeline.catalog.blocking import Blocks, Rarity
from cloudsales_pipeline.catalog.likeness import Likeness, compare
from cloudsales_pipeline.catalog.wording import Described, Reading, read

BASE = -6.56
WEIGHTS = {
    "least_cover": 1.23,
    "most_cover": 3.99,
    "shared_mass": 1.07,
    "fuzzy": 0.41,
    "model_same": 2.30,
    "model_part": 2.41,
    "model_differs": -2.56,
    "size_differs": -7.68,
    "colour_same": 1.36,
    "colour_part": -0.89,
    "colour_differs": -1.54,
    "stated_colour_differs": -4.06,
    "brand_same": 0.36,
    "brand_differs": -0.49,
    "kind_differs": -1.60,
    "audience_same": 0.76,
    "audience_differs": -3.59,
    "numbers_same": 0.44,
    "numbers_differ": -1.36,
    "price_far": -1.95,
}
"""What each feature of likeness.py adds to the log-odds of a pair.

Fitted on 2026-11-24 by logistic regression (L2 of 1, each kit with the same total weight) on all pairs that blocking leaves of
suggest_abt_buy, suggest_hm_variants and suggest_wdc_shoes_dev: 86,289 pairs, 1,453 of them the same.
"""

SHARPNESS, KNOWN = 0.988, 2.155
"""From the log-odds of a listing's pairs to probabilities: it is one of the candidates, or none of them.

The weight of a candidate is exp(SHARPNESS × log-odds + KNOWN), that of none of them 1. Fitted in the same way on each
listing's best pair. So of two that look the same neither is sure.
"""

LEAST = 0.01  # less than this is no suggestion


@dataclass(frozen=True)
class Suggestion:
    """`score` is the probability, 0 to 1, that the listing is this product; `evidence` says what agrees and what differs."""

    listing_ref: int | str
    product_ref: int | str
    score: float
    evidence: dict[str, object]


def suggest(listings: Iterable[Described], products: Iterable[Described], *, most: int = 3) -> Iterator[Suggestion]:
    """For each listing at most `most` products that may be the same, the most probable first.

    Both sides are held in memory; holding.py does the same over a catalogue that is not.
    """
    ours = list(listings)
    theirs = list(products)
    blocks = Blocks(listing.name for listing in ours)
    for place, product in enumerate(theirs):
        blocks.add(place, product.name)
    readings: dict[int, Reading] = {}
    for listing in ours:
        places = blocks.candidates(listing.name)
        for place in places:
            if place not in readings:
                readings[place] = read(theirs[place])
        for place, score, evidence in rank(read(listing), {place: readings[place] for place in places}, blocks.rarity, most=most):
            yield Suggestion(listing.ref, theirs[place].ref, score, evidence)


def rank(
    listing: Reading, candidates: Mapping[int, Reading], rarity: Rarity, *, most: int
) -> Sequence[tuple[int, float, dict[str, object]]]:
    """The candidates as (place, probability, evidence), the most probable first, at most `most`."""
    compared = {place: compare(listing, reading, rarity) for place, reading in candidates.items()}
    weights = {place: _weight(likeness) for place, likeness in compared.items()}
    whole = 1 + sum(weights.values())
    order = sorted(weights, key=lambda place: (-weights[place], place))[:most]
    return [(place, weights[place] / whole, compared[place].evidence) for place in order if weights[place] / whole >= LEAST]


def _weight(likeness: Likeness) -> float:
    log_odds = BASE + sum(WEIGHTS[name] * value for name, value in likeness.features.items())
    return math.exp(SHARPNESS * log_odds + KNOWN)
