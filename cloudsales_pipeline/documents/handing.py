"""Giving channels what their orders got: documents, waybills and the state of the parcel; once each, again where that failed.

What is due is leased before the call and marked after it, so no transaction is open meanwhile. Who is killed in between leaves a
lease that runs out: the channel is asked again, and the same document under the same number changes nothing there (F-24).

What belongs here: who is told of what and when, and what the answer means. What does not: how a channel is told (its adapter).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.errors import (
    AuthenticationError,
    ChannelError,
    ChannelRefusedError,
    ChannelUnreachableError,
    RateLimitedError,
)
from cloudsales_pipeline.channels.port import OrderDocument, OrderStatus, SalesChannel
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings

BATCH = 20
LEASE_SECONDS = 180.0
AT_ONCE = 4
STOPS = (RateLimitedError, AuthenticationError, ChannelUnreachableError)
"""After one of these the next would fare no better: the channel is left alone."""
MAY_CHANGE = frozenset({401, 403, 408, 409, 423, 425, 429})
"""Refusals that another day may take back; all others are for a person."""
MOST_ATTEMPTS = 10
KINDS = {"storno": "credit_note"}
"""The port's names of our kinds, where they differ."""

OpenChannel = Callable[[str], AbstractContextManager[SalesChannel]]


class HandedOver(Struct, frozen=True, kw_only=True):
    """What a pass did. `had`: given, and the channel had it already. `again`: later. `errors`: each channel's last one."""

    given: int = 0
    had: int = 0
    states: int = 0
    refused: int = 0
    again: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    def __add__(self, other: HandedOver) -> HandedOver:
        """Both together."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in ("given", "had", "states", "refused", "again")}
        return HandedOver(**counts, errors=self.errors | other.errors)


class _Answer(Struct, frozen=True):
    """What became of one row: done, had, refused or again."""

    row_id: int
    outcome: str
    reason: str | None = None


def hand_over_due(engine: Engine, settings: Settings, open_channel: OpenChannel, *, seconds: float = 60.0) -> HandedOver:
    """Give channels what is due, side by side, until nothing is or the time is over. What is due on others than the settings'
    channels waits.

    Args:
        open_channel: a context manager for a channel's adapter. What keeps one from being opened is its own failure alone.
        seconds: after which no further call is begun.
    """
    with engine.connect() as connection:
        due = [row.channel for row in _run(connection, "channels_due") if row.channel in settings.channels]
    if not due:
        return HandedOver()
    deadline = time.monotonic() + seconds
    total = HandedOver()
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="cloudsales-hand") as pool:
        for done in pool.map(lambda name: _one_channel(engine, settings, name, open_channel, deadline), due):
            total += done
    return total


def try_refused_again(engine: Engine) -> int:
    """Make what channels refused due again, because a person says so; how many."""

    def work(connection: Connection) -> int:
        return int(_run(connection, "refused_again").scalar_one())

    return order_work(engine, work, doing="hand over again")


def _one_channel(engine: Engine, settings: Settings, name: str, open_channel: OpenChannel, deadline: float) -> HandedOver:
    try:
        with open_channel(name) as channel:
            done = _papers(engine, channel, settings, deadline)
            return done if done.errors else done + _states(engine, channel, deadline)
    except CloudSalesError as error:
        return HandedOver(errors={name: error.message})


def _papers(engine: Engine, channel: SalesChannel, settings: Settings, deadline: float) -> HandedOver:
    def give(row: Any) -> _Answer:
        courier = settings.couriers.get(row.courier or "")
        document = OrderDocument(
            KINDS.get(row.kind, row.kind),
            row.number,
            content=row.content,
            courier=row.courier,
            tracking_url=courier.tracking_link(row.number) if courier else None,
        )
        return _Answer(row.row_id, "given" if channel.attach_document(row.external_id, document) else "had")

    return _rounds(engine, channel.name, "papers", give, deadline)


def _states(engine: Engine, channel: SalesChannel, deadline: float) -> HandedOver:
    def tell(row: Any) -> _Answer:
        channel.advance(row.external_id, OrderStatus(row.status))
        return _Answer(row.row_id, "states")

    return _rounds(engine, channel.name, "states", tell, deadline)


def _rounds(engine: Engine, channel: str, what: str, call: Callable[[Any], _Answer], deadline: float) -> HandedOver:
    """Lease, call, mark; batch by batch."""
    total = HandedOver()
    while time.monotonic() < deadline and not total.errors:
        rows = _leased(engine, channel, what)
        if not rows:
            break
        answers, error = _called(rows, call, deadline)
        _mark(engine, channel, what, rows, answers)
        counts = {name: sum(one.outcome == name for one in answers) for name in ("given", "had", "states", "refused", "again")}
        total += HandedOver(**counts, errors={channel: error} if error else {})
    return total


def _leased(engine: Engine, channel: str, what: str) -> Sequence[sa.Row[Any]]:
    def work(connection: Connection) -> Sequence[sa.Row[Any]]:
        _run(connection, f"settle_{what}", channel=channel)
        return _run(connection, f"lease_{what}", channel=channel, most=BATCH, lease=LEASE_SECONDS).all()

    return order_work(engine, work, doing="take what is to be handed over")


def _called(rows: Sequence[Any], call: Callable[[Any], _Answer], deadline: float) -> tuple[list[_Answer], str]:
    """An answer for each row; those that the deadline or the channel kept from being asked are due again."""
    answers: list[_Answer] = []
    stopped = ""
    for row in rows:
        if stopped or time.monotonic() >= deadline:
            answers.append(_Answer(row.row_id, "again", "not_asked"))
            continue
        try:
            answers.append(call(row))
        except STOPS as error:
            stopped = error.message
            answers.append(_Answer(row.row_id, "again", _reason(error)))
        except ChannelRefusedError as error:
            final = error.status not in MAY_CHANGE or row.attempts >= MOST_ATTEMPTS
            answers.append(_Answer(row.row_id, "refused" if final else "again", f"http_{error.status}"))
        except ChannelError as error:
            answers.append(_Answer(row.row_id, "again", _reason(error)))
        except ValueError:
            answers.append(_Answer(row.row_id, "refused", "kind_unknown_to_channel"))
    return answers, stopped


def _mark(engine: Engine, channel: str, what: str, rows: Sequence[Any], answers: Sequence[_Answer]) -> None:
    marks = json.dumps([{"row_id": one.row_id, "outcome": one.outcome, "reason": one.reason} for one in answers])

    def work(connection: Connection) -> None:
        _run(connection, f"mark_{what}", rows=marks)
        _run(connection, f"quarantine_{what}", rows=marks, channel=channel)

    order_work(engine, work, doing="mark what was handed over")


def _reason(error: ChannelError) -> str:
    """The error's class as a code: channel_unreachable, rate_limited."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "handing")[step]), values)
