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

# Fitted on 2026-11-24 by logistic regression (L2 of 1, each kit with the same total weight) on all pairs that blocking leaves
# of suggest_abt_buy, suggest_hm_variants and suggest_wdc_shoes_dev: 86,289 pairs, 1,453 of them the same. What a feature
# measures: likeness.py.
BASE = -6.64
WEIGHTS = {
    "least_cover": 0.74,
    "most_cover": 3.84,
    "shared_mass": 1.16,
    "fuzzy": 0.63,
    "model_same": 2.42,
    "model_part": 2.69,
    "model_differs": -2.55,
    "size_differs": -7.52,
    "colour_same": 1.60,
    "colour_part": -0.86,
    "colour_differs": -3.37,
    "brand_same": 0.26,
    "brand_differs": -0.41,
    "kind_differs": -1.61,
    "audience_same": 0.85,
    "audience_differs": -3.49,
    "numbers_same": 0.36,
    "numbers_differ": -1.40,
    "price_far": -2.01,
}
# From a pair's log-odds and its lead over the listing's next candidate to the probability, fitted on each listing's best pair:
# of two that look the same, at most one is.
CALIBRATION = (-0.616, 0.549, 0.666)
LEAD = 4.0
ALONE = -8.0  # the log-odds of the candidate that is not there
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
    odds = {place: _log_odds(likeness) for place, likeness in compared.items()}
    order = sorted(odds, key=lambda place: (-odds[place], place))
    best = odds[order[0]] if order else ALONE
    second = odds[order[1]] if len(order) > 1 else ALONE
    found = []
    for place in order[:most]:
        score = _probability(odds[place], odds[place] - (second if place == order[0] else best))
        if score >= LEAST:
            found.append((place, score, compared[place].evidence))
    return found


def _log_odds(likeness: Likeness) -> float:
    return BASE + sum(WEIGHTS[name] * value for name, value in likeness.features.items())


def _probability(log_odds: float, lead: float) -> float:
    base, of_odds, of_lead = CALIBRATION
    return 1 / (1 + math.exp(-(base + of_odds * log_odds + of_lead * max(-LEAD, min(LEAD, lead)))))
