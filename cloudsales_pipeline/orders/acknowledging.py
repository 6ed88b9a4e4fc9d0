"""Telling a channel which of its orders we hold: after our commit, once, and again where nobody knows whether it heard.

Call it with the channel's intake lock held: then two processes never tell of one order at the same time. A process killed between
the call and the mark leaves the order `due`; the channel hears it twice, which its contract allows (F-24).

What belongs here: who is told of when, and what the answer means. What does not: how a channel is told (its adapter).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.errors import (
    AuthenticationError,
    ChannelError,
    ChannelUnreachableError,
    RateLimitedError,
)
from cloudsales_pipeline.channels.port import Acknowledgement, AcknowledgeOutcome, SalesChannel
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.orders.reading import reference_of
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.orders.writing import Told, tell

BATCH = 50
STOPS = (RateLimitedError, AuthenticationError, ChannelUnreachableError)
"""After one of these the next order would fare no better."""
MOST_FAILURES = 5
"""Errors one after another, of whatever kind, after which the channel is left alone."""


class Acknowledged(Struct, frozen=True, kw_only=True):
    """What became of the acknowledgements that were due; `failed`: asked again later. `error`: the last one there was."""

    done: int = 0
    locked: int = 0
    unknown_order: int = 0
    failed: int = 0
    error: ChannelError | None = None

    @property
    def stopped(self) -> bool:
        """Whether the channel was left alone, for it would have taken no other either."""
        return isinstance(self.error, STOPS) or self.failed >= MOST_FAILURES


class _Answer(Struct, frozen=True):
    """What became of one order: an outcome, or `failed`."""

    order_id: int
    external_id: str
    state: str


def acknowledge_due(
    engine: Engine, channel: SalesChannel, *, deadline: float, clock: Callable[[], float] = time.monotonic
) -> Acknowledged:
    """Tell the channel of each order that it has to be told of, until none is due or `deadline` (by `clock`) has come.

    No call is made inside a transaction, and a batch is marked when it is over, also when an error ended it. An order that is
    locked on the channel, or whose call failed, is due again later: after 10 s, 20 s, 40 s … at most an hour.
    """
    if channel.capabilities.acknowledgement is Acknowledgement.NONE:
        order_work(engine, lambda connection: _run(connection, "not_needed", channel=channel.name), doing="mark acknowledgements")
        return Acknowledged()
    total = Acknowledged()
    while not isinstance(total.error, STOPS):
        with engine.connect() as connection:
            rows = _run(connection, "due", channel=channel.name, limit=BATCH).all()
        answers, error = _call(channel, rows, deadline, clock)
        if answers:
            order_work(engine, lambda connection, a=answers: _mark(connection, channel.name, a), doing="mark acknowledgements")  # type: ignore[misc]
        total = _added(total, answers, error)
        if len(answers) < len(rows) or not rows:
            break
    return total


def _call(
    channel: SalesChannel, rows: Any, deadline: float, clock: Callable[[], float]
) -> tuple[list[_Answer], ChannelError | None]:
    """The answers, in order; fewer than `rows` where the deadline or the channel put an end to it."""
    answers: list[_Answer] = []
    last: ChannelError | None = None
    running = 0
    for row in rows:
        if clock() >= deadline:
            break
        try:
            answers.append(_Answer(row.order_id, row.external_id, channel.acknowledge(row.external_id).value))
            running = 0
        except STOPS as error:
            return [*answers, _Answer(row.order_id, row.external_id, "failed")], error
        except ChannelError as error:
            answers.append(_Answer(row.order_id, row.external_id, "failed"))
            last, running = error, running + 1
            if running >= MOST_FAILURES:
                break
    return answers, last


def _mark(connection: Connection, channel: str, answers: list[_Answer]) -> None:
    rows = [{"order_id": one.order_id, "state": one.state} for one in answers]
    marked = {row.order_id for row in _run(connection, "mark", rows=json.dumps(rows))}
    kinds = {AcknowledgeOutcome.DONE: "order_acknowledged", AcknowledgeOutcome.UNKNOWN_ORDER: "order_unknown_on_channel"}
    tell(
        connection,
        channel,
        [
            Told(kinds[AcknowledgeOutcome(one.state)], reference_of(channel, one.external_id))
            for one in answers
            if one.order_id in marked and one.state in ("done", "unknown_order")
        ],
    )


def _added(total: Acknowledged, answers: list[_Answer], error: ChannelError | None) -> Acknowledged:
    count = {name: sum(one.state == name for one in answers) for name in ("done", "locked", "unknown_order", "failed")}
    return Acknowledged(**{name: getattr(total, name) + many for name, many in count.items()}, error=error or total.error)


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "acknowledging")[step]), values)
