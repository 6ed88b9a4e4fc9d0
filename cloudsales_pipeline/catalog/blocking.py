"""Which products are worth comparing with a listing: those that share its rare words.

An inverted index of the words that the listings at hand have, fed with products one after the other, so that a catalogue of any
size passes through without being held. How alike two things are is judged in likeness.py.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence

from cloudsales_pipeline.catalog.wording import keys_of

COMMON = 400  # a word of more products than this finds none
REACH = 1500  # entries that are looked at for one listing
CANDIDATES = 48  # products that are compared with one listing
_BUCKETS = 1 << 22


class Rarity:
    """How rare a word is among all names that were counted.

    Counts lie in 16 MB of buckets whatever the vocabulary, so that two words may now and then share one: a rare word then
    counts as less rare, which is the safe side.
    """

    def __init__(self) -> None:
        self._counts = array("I", bytes(4 * _BUCKETS))
        self._names = 0

    def count(self, words: Iterable[str]) -> None:
        """Take in the distinct words of one name."""
        self._names += 1
        for word in words:
            self._counts[zlib.crc32(word.encode()) % _BUCKETS] += 1

    def weight(self, word: str) -> float:
        """0 for a word of every name, 1 for a word of one."""
        names = self._names + 1
        seen = self._counts[zlib.crc32(word.encode()) % _BUCKETS]
        return max(0.02, math.log(names / (seen + 0.5)) / math.log(names * 2)) if names > 1 else 1.0


class Blocks:
    """The index: made for the names of some listings, fed with products, asked for candidates."""

    def __init__(self, names: Iterable[str]) -> None:
        self.rarity = Rarity()
        self._found: dict[str, list[int]] = {}
        for name in names:
            keys = keys_of(name)
            self.rarity.count(keys)
            for key in keys:
                self._found.setdefault(key, [])

    def add(self, place: int, name: str) -> None:
        """Take in a product; `place` is what candidates() will call it."""
        keys = keys_of(name)
        self.rarity.count(keys)
        for key in keys:
            entries = self._found.get(key)
            if entries is not None and len(entries) <= COMMON:
                entries.append(place)

    def candidates(self, name: str) -> Sequence[int]:
        """Products that share rare words with a listing's name, most and rarest first."""
        lists = sorted(
            ((len(entries), key) for key in keys_of(name) if 0 < len(entries := self._found.get(key, [])) <= COMMON),
        )
        reached = 0
        weights: defaultdict[int, float] = defaultdict(float)
        for length, key in lists:
            if reached and reached + length > REACH:
                break
            reached += length
            weight = self.rarity.weight(key)
            for place in self._found[key]:
                weights[place] += weight
        return sorted(weights, key=lambda place: (-weights[place], place))[:CANDIDATES]
