"""Who gets which pieces: first come, first served, exactly. Pure; as fast as a window function, and right where that is not.

(A window's running sum refuses a small later line behind a big one that did not fit; docs/performance.md.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from msgspec import Struct

Pair = tuple[int, str]
"""A product's id and a warehouse."""


class Want(Struct, frozen=True):
    """What a line asks for: `quantity` pieces from any of `warehouses`, the first choice first.

    `order` and `position` decide between those placed at the same moment. `whole`: the order takes all its wants or none.
    """

    owner: str
    order: str
    position: int
    product_id: int
    quantity: int
    warehouses: tuple[str, ...]
    placed_at: datetime
    whole: bool = False


class Share(Struct, frozen=True):
    """Pieces that a line gets from one warehouse."""

    owner: str
    product_id: int
    warehouse: str
    quantity: int
    placed_at: datetime


def pairs_of(wants: Iterable[Want]) -> set[Pair]:
    """All places that these may take from."""
    return {(want.product_id, warehouse) for want in wants for warehouse in want.warehouses}


def allocate(free: Mapping[Pair, int], wants: Sequence[Want], *, incomplete: frozenset[str] = frozenset()) -> list[Share]:
    """The shares, the earliest placed first; of a line that can't be served whole, what there is.

    Args:
        free: pieces on hand and not reserved; a pair that is not there has none.
        incomplete: orders with wants that are not among these (a line without a product): a `whole` one gets nothing.
    """
    left = dict(free)
    shares: list[Share] = []
    ordered = sorted(wants, key=lambda want: (want.placed_at, want.order, want.position))
    for order, group in groupby(ordered, key=lambda want: want.order):
        lines = list(group)
        if lines[0].whole:
            if order not in incomplete:
                shares += _all_or_nothing(left, lines)
        else:
            for want in lines:
                shares += _take(left, want)
    return shares


def _take(left: dict[Pair, int], want: Want) -> list[Share]:
    shares = []
    missing = want.quantity
    for warehouse in want.warehouses:
        pair = want.product_id, warehouse
        taken = min(missing, left.get(pair, 0))
        if taken > 0:
            left[pair] -= taken
            missing -= taken
            shares.append(Share(want.owner, want.product_id, warehouse, taken, want.placed_at))
        if not missing:
            break
    return shares


def _all_or_nothing(left: dict[Pair, int], wants: Sequence[Want]) -> list[Share]:
    tried = dict(left)
    shares = [share for want in wants for share in _take(tried, want)]
    if sum(share.quantity for share in shares) < sum(want.quantity for want in wants):
        return []
    for share in shares:
        left[share.product_id, share.warehouse] -= share.quantity
    return shares
