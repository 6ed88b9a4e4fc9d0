"""How much a channel could still have sold that was already promised: pieces times seconds. Pure.

A piece is promised from the moment that a buyer took it on any channel: first as a sale that we have not taken in yet, then as a
reservation. Free are the pieces on hand that are not promised. A channel is exposed by what it offers beyond what is free, since
a buyer who takes that takes what another was promised. What a channel offers of free pieces is no exposure, even though all
channels offer the same ones.

What belongs here: that definition over time. What does not: where the histories come from (`market_world`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

Step = tuple[float, str, int]
"""At this time (seconds since 1970) so many pieces of the SKU more, or fewer."""


class Histories(Struct, frozen=True):
    """What happened, each in any order.

    Args:
        on_hand, reserved: our steps. unread: sales until they are taken in; + at the sale, - when it is decided.
        offered: by channel, (time, SKU, what it offers from then on).
        sold: (time, SKU, pieces) of each sale.
    """

    on_hand: Sequence[Step]
    reserved: Sequence[Step]
    unread: Sequence[Step]
    offered: Mapping[str, Sequence[Step]]
    sold: Sequence[Step]


class Exposure(Struct, frozen=True, kw_only=True):
    """Over all products and channels, from `begin` to `end`.

    Args:
        piece_seconds: pieces that could have been sold and were promised, times how long.
        after_intake: the part of it that would be left if every sale were taken in at once: publishing alone.
        most: the most pieces of one product on one channel.
        sold_twice: pieces that were sold although they were promised.
        seconds: how long was looked at.
    """

    piece_seconds: float
    after_intake: float
    most: int
    sold_twice: int
    seconds: float

    @property
    def mean_pieces(self) -> float:
        """Pieces exposed at a time, on average over the time and summed over channels and products."""
        return self.piece_seconds / self.seconds


def exposure(histories: Histories, begin: float, end: float) -> Exposure:
    """Integrate over the time between `begin` and `end`."""
    events = _events(histories)
    found = [_of_product(sorted(steps, key=lambda step: step[0]), begin, end) for steps in events.values()]
    return Exposure(
        piece_seconds=sum(one[0] for one in found),
        after_intake=sum(one[1] for one in found),
        most=max((one[2] for one in found), default=0),
        sold_twice=sum(one[3] for one in found),
        seconds=end - begin,
    )


_Event = tuple[float, str, int]
"""Time, what changes (`on_hand`, `reserved`, `unread`, `sold`, or a channel's offer as `@channel`), by or to what."""


def _events(histories: Histories) -> Mapping[str, list[_Event]]:
    """By SKU. A sale is judged by what was free before it, so it stands before its own step."""
    events: defaultdict[str, list[_Event]] = defaultdict(list)
    for at, sku, pieces in histories.sold:
        events[sku].append((at, "sold", pieces))
    for what, steps in (("on_hand", histories.on_hand), ("reserved", histories.reserved), ("unread", histories.unread)):
        for at, sku, pieces in steps:
            events[sku].append((at, what, pieces))
    for channel, offers in histories.offered.items():
        for at, sku, pieces in offers:
            events[sku].append((at, f"@{channel}", pieces))
    return events


def _of_product(events: Iterable[_Event], begin: float, end: float) -> tuple[float, float, int, int]:
    """Piece-seconds, those after intake, the most, and what was sold twice."""
    total, after_intake, most, twice = 0.0, 0.0, 0, 0
    amounts = {"on_hand": 0, "reserved": 0, "unread": 0}
    offers: dict[str, int] = {}
    for seconds, (_, what, pieces) in _spans(events, begin, end):
        here = amounts["on_hand"] - amounts["reserved"]
        excess = _beyond(offers, here - amounts["unread"])
        total += seconds * sum(excess)
        after_intake += seconds * sum(_beyond(offers, here))
        if seconds:
            most = max(most, *excess, 0)
        if what == "sold":
            twice += max(0, pieces - max(0, here - amounts["unread"]))
        elif what in amounts:
            amounts[what] += pieces
        elif what:
            offers[what] = pieces
    return total, after_intake, most, twice


def _spans(events: Iterable[_Event], begin: float, end: float) -> Iterator[tuple[float, _Event]]:
    """Each event with the seconds of the window that passed before it; last an empty one at the end."""
    before = begin
    for event in events:
        now = min(max(event[0], begin), end)
        yield now - before, event
        before = now
    yield end - before, (end, "", 0)


def _beyond(offers: Mapping[str, int], free: int) -> list[int]:
    return [max(0, offered - max(0, free)) for offered in offers.values()]
