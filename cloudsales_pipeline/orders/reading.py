"""From a stored payload to an order that can be taken in, or to the reason why a person must look first.

What belongs here: the settings' word on what is taken in, and what is flagged. What does not: how a channel writes orders (its
adapter's `parse_order`), and the tables.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.port import ChannelOrder, OrderHead
from cloudsales_pipeline.orders.amending import Line
from cloudsales_pipeline.orders.counties import county_of
from cloudsales_pipeline.orders.totals import expected_total, line_discounts
from cloudsales_pipeline.settings import ChannelSettings

MOST_BYTES = 50_000_000  # of one payload, unpacked
LONGEST_ID = 200


class OrderParser(Protocol):
    """The part of a channel that reads payloads; it calls nobody."""

    def order_head(self, payload: bytes) -> OrderHead: ...  # noqa: D102
    def parse_order(self, payload: bytes) -> ChannelOrder: ...  # noqa: D102


class Read(Struct, frozen=True):
    """A payload that was read: the order with its flags, or (`order` None) the state it is left in and why."""

    payload_id: int
    external_id: str
    revision: int
    order: ChannelOrder | None = None
    review: frozenset[str] = frozenset()
    county: str | None = None
    expected_total: Decimal = Decimal(0)
    state: str = "taken"
    reason: str | None = None
    detail: str = ""


def pack(payload: bytes) -> bytes:
    """A payload as it is stored."""
    return zlib.compress(payload, 6)


def unpack(stored: bytes) -> bytes:
    """A stored payload as it came.

    Raises:
        PayloadError: unreadable.
    """
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(stored, MOST_BYTES)
    except zlib.error:
        raise PayloadError("unreadable", "the stored payload is damaged") from None
    if unpacker.unconsumed_tail:
        raise PayloadError("too_large", f"more than {MOST_BYTES:,} bytes")
    return payload


def read(parser: OrderParser, settings: ChannelSettings, payload_id: int, external_id: str, revision: int, stored: bytes) -> Read:
    """One payload, by the channel's settings."""
    try:
        order = parser.parse_order(unpack(stored))
    except PayloadError as error:
        return Read(payload_id, external_id, revision, state="held", reason=error.reason, detail=error.detail)
    since = settings.orders.placed_since
    if since is not None and order.placed_at < since:
        return Read(payload_id, external_id, revision, state="dismissed", reason="placed_before", detail="orders.placed_since")
    expected = expected_total(order)
    county = county_of(order.delivery.county) if order.delivery.country == "RO" else None
    review = {f"unknown_{name}" for name in order.unknown}
    if expected != order.total:
        review.add("total_differs")
    if order.currency not in settings.orders.currencies:
        review.add("unknown_currency")
    if county is None and order.delivery.country == "RO":
        review.add("unknown_county")
    return Read(payload_id, order.order_id, order.revision, order, frozenset(review), county, expected)


def newest_of_each(reads: Iterable[Read]) -> tuple[list[Read], list[Read]]:
    """Of each order its highest revision, sorted by id; and the others, which it supersedes."""
    newest: dict[str, Read] = {}
    others = []
    for one in reads:
        other = newest.setdefault(one.external_id, one)
        if other is not one:
            kept, left = (one, other) if one.revision > other.revision else (other, one)
            newest[one.external_id] = kept
            others.append(left)
    return sorted(newest.values(), key=lambda one: one.external_id), others


def owner_of(channel: str, external_id: str, line_id: str) -> str:
    """The business key of a line: whose a reservation is. A slash inside an id can't make two lines the same."""
    return f"{_part(channel)}/{_part(external_id)}/{_part(line_id)}"


def reference_of(channel: str, external_id: str) -> str:
    """The business key of an order, in events."""
    return f"{_part(channel)}/{_part(external_id)}"


def held_reference(external_id: str, line_id: str | None = None) -> str:
    """By what quarantine knows an order, or a line of it: the order `a/1` is not line 1 of the order `a`."""
    return _part(external_id) if line_id is None else f"{_part(external_id)}/{_part(line_id)}"


def _part(text: str) -> str:
    if "/" in text or "%" in text:
        return text.replace("%", "%25").replace("/", "%2F")
    return text


def fresh_lines(channel: str, order: ChannelOrder, products: dict[str, int], unknown: dict[str, str]) -> dict[str, Line]:
    """The order's lines as they would be if they were new, by their ids.

    Args:
        products: the product of each line that has one, by line id.
        unknown: why the others have none.
    """
    discounts = line_discounts(order)
    return {
        line.line_id: Line(
            line_id=None,
            external_line_id=line.line_id,
            position=position,
            owner=owner_of(channel, order.order_id, line.line_id),
            variant_id=line.variant_id,
            code=line.code,
            ean=line.ean,
            name=line.name,
            product_id=products.get(line.line_id),
            unknown=unknown.get(line.line_id),
            quantity=line.quantity,
            reserved=0,
            issued=0,
            cancelled=0,
            advised=line.returned,
            unit_price=line.unit_price,
            vat_rate=line.vat_rate,
            discount=discounts.get(line.line_id, Decimal(0)),
        )
        for position, line in enumerate(order.lines, start=1)
    }
