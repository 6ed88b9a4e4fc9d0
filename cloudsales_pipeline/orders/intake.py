"""Taking stored payloads in: a batch of orders, what they reserve and what must be told, in one transaction (I-14).

What belongs here: that transaction, step by step. What does not: asking the channel (`pages`), reading a payload (`reading`),
deciding (`deciding`, `amending`), who gets which pieces (`allocation`), and how rows are written (`writing`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.orders import reading, writing
from cloudsales_pipeline.orders.allocation import allocate
from cloudsales_pipeline.orders.amending import Line
from cloudsales_pipeline.orders.deciding import Decided, Decision, decide, is_complete, wants_of
from cloudsales_pipeline.orders.reading import Read, held_reference, reference_of
from cloudsales_pipeline.orders.serving import hold_shares, waiting_wants
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.orders.writing import LineRow, Told
from cloudsales_pipeline.settings import ChannelSettings
from cloudsales_pipeline.stock.reservations import give_back

BATCH = 200


class BatchResult(Struct, frozen=True, kw_only=True):
    """What became of a batch: payloads (read = new + amended + unchanged + held + left_out, I-44), then lines and pieces."""

    read: int = 0
    new: int = 0
    amended: int = 0
    unchanged: int = 0
    held: int = 0
    left_out: int = 0
    lines: int = 0
    reserved: int = 0
    waiting: int = 0
    unknown_lines: int = 0

    def __add__(self, other: BatchResult) -> BatchResult:
        """The sum, field by field."""
        return BatchResult(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


def take_in(
    engine: Engine, parser: reading.OrderParser, channel: str, settings: ChannelSettings, *, limit: int = BATCH
) -> BatchResult:
    """Take in the channel's next stored payloads, at most `limit`; `read` 0: there are none that nobody else is at.

    Raises:
        DatabaseError: the database was lost, or others kept coming in between. Nothing is lost: the payloads stay `new`.
    """

    def work(connection: Connection) -> BatchResult:
        rows = _run(connection, "claim", channel=channel, limit=limit).all()
        if not rows:
            return BatchResult()
        reads = [reading.read(parser, settings, row.payload_id, row.external_id, row.revision, row.payload) for row in rows]
        return _take_in(connection, channel, settings, reads)

    return order_work(engine, work, doing="take orders in")


def _take_in(connection: Connection, channel: str, settings: ChannelSettings, reads: Sequence[Read]) -> BatchResult:
    newest, superseded = reading.newest_of_each(one for one in reads if one.order is not None)
    decision = decide(connection, channel, settings, newest)
    back = {change.line.owner: change.give_back for one in decision.decided for change in one.changes if change.give_back}
    freed = give_back(connection, back)
    free = Counter(decision.free) + Counter(freed)
    _write_known(connection, channel, decision.decided)
    own = {change.line.owner for one in decision.decided for change in one.changes}
    waiting = [want for want in waiting_wants(connection, {pair: free[pair] for pair in freed}) if want.owner not in own]
    wants = [want for one in decision.decided for want in wants_of(channel, one)]
    incomplete = frozenset(reference_of(channel, one.row.order.order_id) for one in decision.decided if not is_complete(one))
    shares = allocate(free, [*wants, *waiting], incomplete=incomplete)
    got = hold_shares(connection, shares)
    told = [told for one in decision.decided for told in _told_of(channel, one, got)]
    told += [Told("line_served", want.owner, want.product_id, got[want.owner]) for want in waiting if got[want.owner]]
    _write_lines(connection, decision.decided, got)
    writing.tell(connection, channel, told)
    states = _states(reads, superseded, decision)
    _settle(connection, channel, reads, states, decision.decided)
    return _counted(reads, states, decision.decided, told, sum(got[want.owner] for want in wants))


def _write_known(connection: Connection, channel: str, decided: Sequence[Decided]) -> None:
    """Orders before their lines; known lines before pieces are held for them, for no line may hold more than it is of."""
    writing.write_new_orders(connection, channel, [one.row for one in decided if one.known is None])
    writing.update_orders(connection, [one.row for one in decided if one.known is not None])
    known = [change.line for one in decided for change in one.changes if change.line.line_id is not None]
    writing.update_lines(connection, known)


def _write_lines(connection: Connection, decided: Sequence[Decided], got: Counter[str]) -> None:
    """New lines; what each holds stands in it from the start."""
    rows = [
        LineRow(one.row.order_id, replace(change.line, reserved=got[change.line.owner]), one.row.order.placed_at)
        for one in decided
        for change in one.changes
        if change.line.line_id is None
    ]
    writing.write_new_lines(connection, rows)


def _told_of(channel: str, one: Decided, got: Counter[str]) -> list[Told]:
    """What happened to an order and its lines, for the stages above and for its timeline."""
    reference = reference_of(channel, one.row.order.order_id)
    told = [Told("order_imported" if one.known is None else "order_amended", reference)]
    before = one.known.status if one.known else None
    if one.row.status != before and one.row.status not in ("new", "issued"):
        told.append(Told(f"order_{one.row.status}", reference))
    for line in (change.line for change in one.changes):
        waiting = line.missing - got[line.owner]
        if waiting > 0 and line.product_id is None:
            told.append(Told("line_unknown", line.owner, None, waiting))
        elif waiting > 0:
            told.append(Told("line_waiting", line.owner, line.product_id, waiting))
    return told


def _states(reads: Sequence[Read], superseded: Sequence[Read], decision: Decision) -> dict[int, str]:
    """What each payload ends as."""
    behind = {one.payload_id for one in superseded}
    taken = {one.row.order.order_id for one in decision.decided}
    states = {}
    for one in reads:
        if one.order is None:
            states[one.payload_id] = one.state
        elif one.payload_id in behind:
            states[one.payload_id] = "superseded"
        elif one.external_id in taken:
            states[one.payload_id] = "taken"
        else:
            states[one.payload_id] = "unchanged" if one.revision == decision.known[one.external_id].revision else "stale"
    return states


def _settle(
    connection: Connection, channel: str, reads: Sequence[Read], states: dict[int, str], decided: Sequence[Decided]
) -> None:
    """Note what became of each payload; hold what a person must see, and let go of what was held and is settled now."""
    facts = {"ids": [one.payload_id for one in reads], "states": list(states.values()), "reasons": [one.reason for one in reads]}
    _run(connection, "decide", **facts)
    first_seen = {one.row.order.order_id for one in decided if one.known is None}
    if again := [one.payload_id for one in reads if one.external_id not in first_seen]:
        _run(connection, "forget", ids=again)
    orders = [one.row.order for one in decided]
    lines = [(one.row.order.order_id, change.line) for one in decided for change in one.changes]
    settled = [held_reference(order.order_id) for order in orders]
    settled += [
        held_reference(order_id, line.external_line_id) for order_id, line in lines if line.line_id and not _is_unknown(line)
    ]
    if settled:
        revisions = {"ids": [order.order_id for order in orders], "revisions": [order.revision for order in orders]}
        _run(connection, "supersede_held", channel=channel, **revisions)
        _run(connection, "settle", channel=channel, references=settled)
    rows = [_held_payload(one) for one in reads if one.state == "held"]
    rows += [_held_line(order_id, line) for order_id, line in lines if _is_unknown(line)]
    if rows:
        _run(connection, "quarantine", channel=channel, rows=json.dumps(rows))


def _held_payload(one: Read) -> dict[str, object]:
    detail = {"what": one.detail, "revision": one.revision, "payload_id": one.payload_id}
    return {"reference": held_reference(one.external_id) or f"payload {one.payload_id}", "reason": one.reason, "detail": detail}


def _held_line(order_id: str, line: Line) -> dict[str, object]:
    what = "no product is known for this line" if line.unknown == "unknown_variant" else "its codes are of several products"
    detail = {"what": what, "variant_id": line.variant_id, "quantity": line.quantity}
    return {"reference": held_reference(order_id, line.external_line_id), "reason": line.unknown, "detail": detail}


def _is_unknown(line: Line) -> bool:
    return line.product_id is None and line.missing > 0


def _counted(
    reads: Sequence[Read], states: dict[int, str], decided: Sequence[Decided], told: Sequence[Told], reserved: int
) -> BatchResult:
    count = Counter(states.values())
    return BatchResult(
        read=len(reads),
        new=sum(one.known is None for one in decided),
        amended=sum(one.known is not None for one in decided),
        unchanged=count["unchanged"] + count["stale"] + count["superseded"],
        held=count["held"],
        left_out=count["dismissed"],
        lines=sum(len(one.changes) for one in decided),
        reserved=reserved,
        waiting=sum(one.quantity or 0 for one in told if one.kind == "line_waiting"),
        unknown_lines=sum(one.kind == "line_unknown" for one in told),
    )


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "intake")[step]), values)
