"""What we do with an order: its goods leave, it is cancelled here, it is given up for lack of payment, a person looked at it.

Each is one transaction, in the lock order of all who touch orders (`deciding`), and does nothing the second time.

What belongs here: these happenings. What does not: what a channel says of an order (`intake`), goods that come back (`returns`),
and which happening may lead where (`states`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders.reading import held_reference
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.orders.standing import (
    Head,
    Outcome,
    allowed,
    documents_of,
    heads_of,
    lines_of,
    lock_order,
    locked_lines,
    require_lines,
    run,
    set_status,
)
from cloudsales_pipeline.orders.states import Happening, Status, after
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.orders.writing import Told, tell
from cloudsales_pipeline.settings import ChannelSettings
from cloudsales_pipeline.stock import issuing
from cloudsales_pipeline.stock.movements import LONGEST_REFERENCE
from cloudsales_pipeline.stock.reservations import give_back

EXPIRED_AT_ONCE = 200
ISSUED_KINDS = ("order_issued", "order_partly_issued")


# ------------------------------------------------------------------------------------------------ goods leave


def issue(
    engine: Engine,
    channel: str,
    external_id: str,
    *,
    reference: str | None = None,
    lines: Iterable[str] | None = None,
    partial: bool = False,
) -> Outcome:
    """What the order holds leaves the warehouses; where nothing of it is left to send, the order is issued.

    Args:
        reference: the document under which it leaves; without one it is `issue:channel/order`, then `…:2`.
        lines: only these, by the channel's line ids.
        partial: what is reserved leaves although some of it still waits.

    Raises:
        InputError: no such order or line.
        RefusedError: its status does not allow it, nothing is reserved, or something waits.
    """
    wanted = None if lines is None else frozenset(lines)
    named = None if reference is None else reference.strip()
    tried: dict[str, Outcome] = {}

    def work(connection: Connection) -> Outcome:
        head = lock_order(connection, channel, external_id)
        # An earlier try whose COMMIT was lost: what it did stands, and a part that is reserved since is not this call's (F-22).
        for number, outcome in tried.items():
            if run(connection, "transaction_ended_as", number=number).scalar() == "committed":
                return outcome
        if named is not None and named in documents_of(connection, head, ISSUED_KINDS):
            return Outcome(False, head.status, note=f"it left under {named} before")
        outcome = _issue(connection, head, named, wanted, partial=partial)
        tried[str(run(connection, "transaction").scalar_one())] = outcome
        return outcome

    return order_work(engine, work, doing="issue an order")


def _issue(connection: Connection, head: Head, reference: str | None, wanted: frozenset[str] | None, *, partial: bool) -> Outcome:
    if head.status == Status.ISSUED:
        return Outcome(False, head.status, note="all of it has left before")
    becomes = allowed(head, Happening.ALL_ISSUED, "issued")
    lines = _chosen(head, locked_lines(connection, [head]), wanted)
    _refuse_unready(head, lines, may_wait=partial or wanted is not None)
    owners = [line.owner for line in lines if line.reserved]
    if not owners and not _is_sent(connection, head):
        return Outcome(False, head.status, note="these lines have left before")
    name = reference or _next_reference(connection, head)
    pieces = issuing.issue(connection, owners, reference=name, now=datetime.now(UTC)) if owners else 0
    sent = _is_sent(connection, head)
    if sent:
        set_status(connection, head, becomes)
    told = Told(ISSUED_KINDS[0] if sent else ISSUED_KINDS[1], head.reference, None, pieces, {"document": name})
    tell(connection, head.channel, [told])
    return Outcome(True, becomes if sent else head.status, pieces, note=f"under {name}")


def issue_goods(connection: Connection, references: Mapping[int, str], *, now: datetime) -> dict[int, int]:
    """What these orders hold leaves, in the caller's transaction, which has locked them in everybody's order and no levels yet.

    For documents that take the goods along: what still waits stays behind, an order that holds nothing or may not be issued is
    passed over, and so is a reference under which the order's goods left before.

    Args:
        references: order id → the document under which its goods leave, such as "FU 12".

    Returns:
        Pieces by order id; those passed over are not there.

    Raises:
        RefusedError: a movement of stock may not be posted. The caller's transaction must end without a commit.
    """
    found = heads_of(run(connection, "heads", orders=list(references)).all())
    heads = [head for head in found if after(Status(head.status), Happening.ALL_ISSUED) == Status.ISSUED]
    lines = [line for line in locked_lines(connection, heads) if line.reserved] if heads else []
    issued = issuing.issue_all(connection, {line.owner: references[line.order_id] for line in lines}, now=now) if lines else {}
    left = {head.order_id: issued[references[head.order_id]] for head in heads if issued.get(references[head.order_id])}
    if left:
        _sent_off(connection, [head for head in heads if head.order_id in left], references, left)
    return left


def _sent_off(connection: Connection, heads: Sequence[Head], references: Mapping[int, str], left: Mapping[int, int]) -> None:
    """Write where these orders stand now that goods have left, and tell of it."""
    wanting = {line.order_id for line in lines_of(connection, heads) if line.quantity != line.issued + line.cancelled}
    run(connection, "set_issued", orders=[head.order_id for head in heads if head.order_id not in wanting])
    for channel in dict.fromkeys(head.channel for head in heads):
        told = [
            Told(
                ISSUED_KINDS[head.order_id in wanting],
                head.reference,
                None,
                left[head.order_id],
                {"document": references[head.order_id]},
            )
            for head in heads
            if head.channel == channel
        ]
        tell(connection, channel, told)


def _chosen(head: Head, lines: Sequence[Any], wanted: frozenset[str] | None) -> list[Any]:
    if wanted is None:
        return [line for line in lines if line.quantity > line.cancelled]
    require_lines(head, lines, wanted)
    return [line for line in lines if line.external_line_id in wanted]


def _refuse_unready(head: Head, lines: Sequence[Any], *, may_wait: bool) -> None:
    waiting = sum(line.waiting for line in lines)
    if not any(line.reserved for line in lines) and (waiting or not any(line.issued for line in lines)):
        raise RefusedError(
            f"Nothing is reserved for {head.words}; {waiting} pieces wait for stock.", next_step="receive stock first"
        )
    if waiting and not may_wait:
        what = f"{waiting} pieces of {head.words} still wait for stock"
        raise RefusedError(f"{what}.", next_step="wait for them, or issue what is reserved with --partial or --line")


def _is_sent(connection: Connection, head: Head) -> bool:
    """Whether something has left, and nothing more is to leave."""
    lines = lines_of(connection, [head])
    return any(line.issued for line in lines) and all(line.quantity == line.issued + line.cancelled for line in lines)


def _next_reference(connection: Connection, head: Head) -> str:
    number = len(documents_of(connection, head, ISSUED_KINDS)) + 1
    name = f"issue:{head.reference}" + (f":{number}" if number > 1 else "")
    if len(name) <= LONGEST_REFERENCE:
        return name
    # Long ids are cut, and told apart by what was cut.
    return f"{name[:150]}~{blake2b(name.encode(), digest_size=16).hexdigest()}"


# ------------------------------------------------------------------------------------------------ wanted no more


def cancel_here(engine: Engine, channel: str, external_id: str) -> Outcome:
    """Cancel as if the channel had (I-17): what it holds goes back, and to who waits for it. The channel is not told.

    What has left stays issued, and a person is asked to look (`cancelled_after_issue`).

    Raises:
        InputError: no such order.
        RefusedError: all of it has left, or it came back: that is a return.
    """

    def work(connection: Connection) -> Outcome:
        head = lock_order(connection, channel, external_id)
        if head.status == Status.CANCELLED:
            return Outcome(False, head.status, note="it was cancelled before")
        status = allowed(head, Happening.CANCELLED_HERE, "cancelled")
        pieces, served = _end(connection, channel, [head], status)
        return Outcome(True, status, pieces, served)

    return order_work(engine, work, doing="cancel an order")


def expire_unpaid(engine: Engine, channel: str, settings: ChannelSettings, *, now: datetime) -> int:
    """Give up orders that were not paid in time, by the settings' age for their payment method; how many.

    Of an order that has partly left nothing expires: its goods are on their way. One that is paid after all reserves anew
    when the channel says so, in the place that its age gives it.
    """
    ages = settings.orders.expire_unpaid_after
    if not ages:
        return 0
    facts = {"methods": list(ages), "before": [now - age for age in ages.values()], "limit": EXPIRED_AT_ONCE}

    def work(connection: Connection) -> tuple[int, int]:
        found = heads_of(run(connection, "unpaid", channel=channel, **facts).all())
        # The look was before the locks: goods may have left while we waited for them. The next look sees that too.
        sent = {line.order_id for line in lines_of(connection, found) if line.issued}
        heads = [head for head in found if head.order_id not in sent]
        if heads:
            _end(connection, channel, heads, Status.EXPIRED)
        return len(found), len(heads)

    expired, found = 0, 1
    while found:
        found, ended = order_work(engine, work, doing="expire unpaid orders")
        expired += ended
    return expired


def _end(connection: Connection, channel: str, heads: Sequence[Head], status: str) -> tuple[int, int]:
    """Orders of a channel, locked, want nothing more: how many pieces they give back, and how many others get of these."""
    lines = locked_lines(connection, heads)
    freed = give_back(connection, {line.owner: line.reserved for line in lines if line.reserved})
    orders = [head.order_id for head in heads]
    run(connection, "cancel_lines", orders=orders)
    run(connection, "end_orders", orders=orders, status=status)
    names = {head.order_id: head.external_id for head in heads}
    held = [held_reference(names[line.order_id], line.external_line_id) for line in lines]
    run(connection, "settle", channel=channel, references=held)
    tell(connection, channel, [Told(f"order_{status}", head.reference) for head in heads])
    return sum(freed.values()), serve(connection, freed)


# ------------------------------------------------------------------------------------------------ a person looked


def clear_review(engine: Engine, channel: str, external_id: str) -> Outcome:
    """Take the order out of review; the event keeps what was to be looked at. A later revision may flag it again.

    Raises:
        InputError: no such order.
    """

    def work(connection: Connection) -> Outcome:
        head = lock_order(connection, channel, external_id)
        if not head.review:
            return Outcome(False, head.status, note="there was nothing to review")
        run(connection, "clear_review", order_id=head.order_id)
        tell(connection, channel, [Told("order_reviewed", head.reference, detail={"review": head.review})])
        return Outcome(True, head.status, note=", ".join(head.review))

    return order_work(engine, work, doing="clear a review")
