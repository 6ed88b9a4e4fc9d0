"""Which pieces of a delivery came for which line of a supplier order. Pure.

What belongs here: the rule. What does not: where lines and pieces come from, and what is written (`receipts`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """Pieces of a product in a delivery; `order`: the number they came for, where the delivery says so."""

    delivery: tuple[str, str]
    product_id: int
    quantity: int
    order: str = ""


@dataclass(frozen=True)
class OpenLine:
    """A line of a supplier order that lacks pieces."""

    line_id: int
    supplier: str
    product_id: int
    number: str
    outstanding: int


@dataclass(frozen=True)
class Allotted:
    """Pieces of a delivery by the line they came for; None: more than was on order."""

    delivery: tuple[str, str]
    product_id: int
    quantity: int
    line_id: int | None


def allot(pieces: Sequence[Piece], lines: Iterable[OpenLine]) -> list[Allotted]:
    """Give pieces to lines: to the named order's where one is named, else to the supplier's oldest; what is left has no line.

    Args:
        lines: the oldest order first.
    """
    left: dict[int, int] = {}
    by_product: dict[tuple[str, int], list[OpenLine]] = defaultdict(list)
    for line in lines:
        left[line.line_id] = line.outstanding
        by_product[line.supplier, line.product_id].append(line)
    given: list[Allotted] = []
    for piece in sorted(pieces, key=lambda one: not one.order):  # who names its order goes first
        rest = piece.quantity
        for line in by_product[piece.delivery[0], piece.product_id]:
            taken = min(rest, left[line.line_id]) if piece.order in ("", line.number) else 0
            if taken:
                given.append(Allotted(piece.delivery, piece.product_id, taken, line.line_id))
                left[line.line_id] -= taken
                rest -= taken
        if rest:
            given.append(Allotted(piece.delivery, piece.product_id, rest, None))
    return given
