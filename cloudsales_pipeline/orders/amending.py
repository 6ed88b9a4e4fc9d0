"""What a revision changes in an order's lines: from how they stand, and what the channel says now. Pure.

What belongs here: every line's figures after it, the pieces to give back and to ask for, and the reasons why a person should
look. What does not: who gets which pieces (`allocation`), and the tables (`intake`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from cloudsales_pipeline.channels.port import OrderLine

CHANGED_AFTER_ISSUE = "changed_after_issue"
CHANGED_AFTER_DOCUMENT = "changed_after_document"


class Line(Struct, frozen=True, kw_only=True):
    """A line as it stands, or as it shall stand; pieces. `line_id` None: it is not in the tables yet."""

    line_id: int | None
    external_line_id: str
    position: int
    owner: str
    variant_id: str
    code: str | None
    ean: str | None
    name: str
    product_id: int | None
    unknown: str | None
    quantity: int
    reserved: int
    issued: int
    cancelled: int
    advised: int
    unit_price: Decimal
    vat_rate: Decimal | None
    discount: Decimal

    @property
    def missing(self) -> int:
        """Pieces that it neither holds nor has had nor needs no more."""
        return self.quantity - self.reserved - self.issued - self.cancelled


class Change(Struct, frozen=True):
    """A line after a revision (`reserved` less what it gives back), and the pieces that it gives back."""

    line: Line
    give_back: int


class Amendment(Struct, frozen=True):
    """All lines of an order after a revision; those that nothing happens to are left out."""

    changes: tuple[Change, ...]
    review: frozenset[str]


def cancel_all(lines: Sequence[Line]) -> Amendment:
    """Nothing more is wanted: all that is held goes back; what has left stays issued (I-17)."""
    changes = [
        Change(replace(line, reserved=0, cancelled=line.quantity - line.issued), line.reserved)
        for line in lines
        if line.cancelled != line.quantity - line.issued or line.reserved
    ]
    return Amendment(tuple(changes), frozenset())


def amend(known: Sequence[Line], said: Sequence[OrderLine], fresh: Mapping[str, Line], *, frozen: bool) -> Amendment:
    """The lines after a revision of an open order.

    Args:
        known: as they stand.
        said: the channel's lines, in its order.
        fresh: for each of `said`, by its id, the line that it would be if it were new.
        frozen: the order has documents: its lines stay, and a difference is for a person (F-19).
    """
    before = {line.external_line_id: line for line in known}
    wanted = [one.line_id for one in said]
    changes = [_changed(before[name], fresh[name]) if name in before else (Change(fresh[name], 0), False) for name in wanted]
    changes += [_removed(line) for name, line in before.items() if name not in fresh]
    told = [change for change, _ in changes if change.line != before.get(change.line.external_line_id)]
    review = {CHANGED_AFTER_ISSUE} if any(clash for _, clash in changes) else set()
    if not frozen:
        return Amendment(tuple(told), frozenset(review))
    advised = [change for change in told if _only_advised(change, before)]
    if len(advised) < len(told):
        review = {CHANGED_AFTER_DOCUMENT}
    return Amendment(tuple(advised), frozenset(review))


def _only_advised(change: Change, before: Mapping[str, Line]) -> bool:
    """Whether all that the revision says of this line is that pieces come back."""
    known = before.get(change.line.external_line_id)
    return known is not None and change.line == replace(known, advised=change.line.advised)


def _changed(known: Line, fresh: Line) -> tuple[Change, bool]:
    """A line that the channel still has, and whether it contradicts what has left already."""
    other_product = fresh.product_id != known.product_id and fresh.variant_id != known.variant_id
    if other_product and known.issued:
        return Change(replace(known, advised=fresh.advised), 0), True
    quantity = max(fresh.quantity, known.issued)
    keep = 0 if other_product else min(known.reserved, quantity - known.issued)
    # A line whose product became known in between keeps it: the revision says nothing of our catalogue.
    product_id = fresh.product_id if other_product or known.product_id is None else known.product_id
    after = replace(
        fresh,
        line_id=known.line_id,
        product_id=product_id,
        unknown=None if product_id is not None else fresh.unknown,
        quantity=quantity,
        reserved=keep,
        issued=known.issued,
        cancelled=0,
    )
    return Change(after, known.reserved - keep), fresh.quantity < known.issued


def _removed(known: Line) -> tuple[Change, bool]:
    """A line that the channel has no more: what is not issued is cancelled."""
    after = replace(known, reserved=0, cancelled=known.quantity - known.issued)
    return Change(after, known.reserved), known.issued > 0
