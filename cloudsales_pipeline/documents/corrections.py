"""Stornos: what must be corrected of live fiscal invoices, because their order was cancelled or goods came back.

What belongs here: finding it, and how much. What does not: amounts (`building`), and numbers (`drafts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.building import storno_content
from cloudsales_pipeline.documents.content import Content
from cloudsales_pipeline.documents.drafts import Draft


def corrections_due(connection: Connection, order_ids: Sequence[int]) -> list[Draft]:
    """A storno for each of these orders, which are locked, whose live invoice says more than is true now.

    A cancelled order's is corrected in whole; else by the pieces that came back and were looked at (restocked or scrapped), as
    far as no earlier storno holds them. When all goods are back, the delivery goes back with them (Emergency Ordinance 34/2014,
    article 13).
    """
    drafts = [_by_what_happened(row) for row in _rows(connection, order_ids, whole=False)]
    return [draft for draft in drafts if draft is not None]


def whole_storno(connection: Connection, order_id: int, *, cause: str) -> Draft | None:
    """A storno of all that is left of the order's live invoice; None where there is none."""
    rows = _rows(connection, [order_id], whole=True)
    return _draft(rows[0], None, _contents(rows[0]), cause) if rows else None


def _rows(connection: Connection, order_ids: Sequence[int], *, whole: bool) -> Sequence[Any]:
    query = sa.text(steps(__package__, "issuing")["to_correct"])
    return connection.execute(query, {"orders": list(order_ids), "whole": whole}).all()


def _contents(row: Any) -> tuple[Content, list[Content]]:
    return msgspec.json.decode(row.content, type=Content), msgspec.json.decode(row.before, type=list[Content])


def _by_what_happened(row: Any) -> Draft | None:
    original, before = contents = _contents(row)
    if row.cancelled:
        return _draft(row, None, contents, "cancellation")
    came_back: Mapping[str, int] = msgspec.json.decode(row.back, type=dict[str, int])
    total = {place: came_back.get(line_id, 0) for place, line_id in enumerate(row.lines, start=1)}
    gone = _gone(before)
    back = {place: count - gone.get(place, 0) for place, count in total.items() if count > gone.get(place, 0)}
    if not back:
        return None
    goods = {line.position: line.quantity for line in original.lines if line.kind == "goods"}
    all_back = all(total.get(place, 0) >= quantity for place, quantity in goods.items())
    return _draft(row, None if all_back else back, contents, "return")


def _gone(before: Sequence[Content]) -> dict[int, int]:
    gone: dict[int, int] = {}
    for line in (line for content in before for line in content.lines if line.kind == "goods"):
        gone[line.position] = gone.get(line.position, 0) - line.quantity
    return gone


def _draft(row: Any, back: Mapping[int, int] | None, contents: tuple[Content, list[Content]], cause: str) -> Draft:
    original, before = contents

    def build(number: str, issued_on: date) -> Content:
        return storno_content(original, back, number=number, issued_on=issued_on, before=before)

    return Draft(
        order_id=row.order_id,
        channel=row.channel,
        external_id=row.external_id,
        kind="storno",
        cause=cause,
        build=build,
        flags=lambda _: (),
        corrects=row.document_id,
        whole=back is None,
    )
