"""Goods that come back: received, then restocked or scrapped, line by line; in stock again only when restocked.

Each step names its document, once for an order and step: the same again does nothing, other content is refused.

What belongs here: the counters and what they allow. What does not: what the channel says comes back (`advised`, by `intake`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.errors import InputError, RefusedError, SettingsError
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.orders.standing import (
    Head,
    Outcome,
    documents_of,
    lines_of,
    lock_order,
    require_lines,
    run,
    set_status,
)
from cloudsales_pipeline.orders.states import Happening, Status, after
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.orders.writing import Told, tell
from cloudsales_pipeline.settings import ChannelSettings
from cloudsales_pipeline.stock.issuing import post_all
from cloudsales_pipeline.stock.movements import LONGEST_REFERENCE, Movement

Pieces = Mapping[str, int]
"""How many pieces of which line, by the channel's line id."""


def receive_return(engine: Engine, channel: str, external_id: str, pieces: Pieces, *, reference: str) -> Outcome:
    """These pieces have come back, and are looked at; no stock moves. Never more than were issued.

    Raises:
        InputError: no such order or line, or a quantity below 1.
        RefusedError: more than has left, or the document is known with other content.
    """
    return _step(engine, channel, external_id, pieces, reference, "received")


def restock(
    engine: Engine, channel: str, settings: ChannelSettings, external_id: str, pieces: Pieces, *, reference: str
) -> Outcome:
    """These received pieces are fit for sale: in stock again in the channel's return warehouse, and for who waits at once.

    Args:
        reference: the movement's too; so no other document of stock may have it.

    Raises:
        SettingsError: the channel has no return warehouse.
        InputError: no such order or line, or a quantity below 1.
        RefusedError: more than was received, or the document is known with other content.
    """
    warehouse = settings.return_warehouse()
    if warehouse is None:
        raise SettingsError(f"The channel {channel} has no return warehouse.", next_step="set orders.return_warehouse")
    return _step(engine, channel, external_id, pieces, reference, "restocked", warehouse)


def scrap(engine: Engine, channel: str, external_id: str, pieces: Pieces, *, reference: str) -> Outcome:
    """These received pieces are not fit for sale; no stock moves, for they left it when they were issued.

    Raises:
        InputError: no such order or line, or a quantity below 1.
        RefusedError: more than was received, or the document is known with other content.
    """
    return _step(engine, channel, external_id, pieces, reference, "scrapped")


def _step(
    engine: Engine, channel: str, external_id: str, pieces: Pieces, reference: str, counter: str, warehouse: str | None = None
) -> Outcome:
    reference = reference.strip()
    _check(pieces, reference)
    kind = f"return_{counter}"

    def work(connection: Connection) -> Outcome:
        head = lock_order(connection, channel, external_id)
        before = documents_of(connection, head, [kind]).get(reference)
        if before is not None:
            return _repeated(head, before["lines"], pieces, reference)
        lines = lines_of(connection, [head])
        require_lines(head, lines, pieces)
        moved = [line for line in lines if line.external_line_id in pieces]
        _refuse_too_many(head, moved, pieces, counter)
        served = _put_back(connection, moved, pieces, warehouse, reference) if warehouse else 0
        counts = [pieces[line.external_line_id] for line in moved]
        run(connection, "count_back", counter=counter, lines=[line.line_id for line in moved], pieces=counts)
        detail: dict[str, object] = {"document": reference, "lines": dict(pieces)}
        tell(connection, channel, [Told(kind, head.reference, None, sum(counts), detail)])
        return Outcome(True, _settled(connection, head), sum(counts), served)

    return order_work(engine, work, doing="take a return in")


def _check(pieces: Pieces, reference: str) -> None:
    if not pieces or any(count < 1 for count in pieces.values()):
        raise InputError("A return names lines, each with one piece or more.")
    if not reference or len(reference) > LONGEST_REFERENCE:
        raise InputError(f"A return's reference has 1 to {LONGEST_REFERENCE} characters.")


def _repeated(head: Head, before: Mapping[str, int], pieces: Pieces, reference: str) -> Outcome:
    if before == dict(pieces):
        return Outcome(False, head.status, note=f"{reference} was taken in before")
    known = ", ".join(f"{name}={count}" for name, count in before.items())
    raise RefusedError(
        f"{reference} was taken in for {head.words} with other content: {known}.",
        next_step="give this one a reference of its own",
    )


def _refuse_too_many(head: Head, lines: Sequence[Any], pieces: Pieces, counter: str) -> None:
    for line in lines:
        done = line.restocked + line.scrapped
        most = line.issued - line.received if counter == "received" else line.received - done
        if pieces[line.external_line_id] > most:
            have = f"{line.issued} issued, {line.received} received, {line.restocked} restocked, {line.scrapped} scrapped"
            what = f"At most {most} pieces of line {line.external_line_id} of {head.words} can be {counter} now ({have})"
            raise RefusedError(f"{what}.", next_step="correct the quantity; what came back is received first")


def _put_back(connection: Connection, lines: Sequence[Any], pieces: Pieces, warehouse: str, reference: str) -> int:
    """Movements into stock, and their pieces to who waits; how many pieces others got."""
    served = 0

    def then(connection: Connection, gained: set[tuple[int, str]]) -> None:
        nonlocal served
        served = serve(connection, gained)

    movements = [Movement(reference, warehouse, line.sku, "return", pieces[line.external_line_id]) for line in lines]
    post_all(connection, movements, now=datetime.now(UTC), then=then)
    return served


def _settled(connection: Connection, head: Head) -> str:
    """The order's status, now `returned` where all that has left was restocked or scrapped."""
    lines = lines_of(connection, [head])
    becomes = after(Status(head.status), Happening.ALL_RETURNED)
    if becomes is None or becomes == head.status or any(line.issued > line.restocked + line.scrapped for line in lines):
        return head.status
    set_status(connection, head, becomes)
    tell(connection, head.channel, [Told(f"order_{becomes}", head.reference)])
    return becomes.value
