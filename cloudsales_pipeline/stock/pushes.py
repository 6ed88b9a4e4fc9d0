"""The tables of publishing: what is due, what a channel said of it, the brake on zeroes, how publishing stands.

What belongs here: one function for each statement or transaction of pushes.sql. What does not: when they are called, and the
call to the channel (stock.publisher): no transaction is open while a channel is called (I-24).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from cloudsales_pipeline.channels.port import StockOutcome, StockResult
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.work import unit_of_work

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

FIRST_LAG_SECONDS = 0.001
LAG_GROWTH = 1.3
HIGHEST_VERSION = 2**62
"""A channel that claims to have seen more has no room left above it: such a listing is refused instead of overflowing ours."""


FEWEST_ZEROES = 5
"""The brake leaves fewer alone: of a channel that shows three listings, one that sells out is a third."""


class Due(Struct, frozen=True):
    """A publication as it is to be sent."""

    publication_id: int
    variant_id: str
    quantity: int
    version: int


class Claim(Struct, frozen=True):
    """What is to be sent next, and what the brake needs to know of the same moment: counts of listings."""

    due: tuple[Due, ...] = ()
    zeros: int = 0
    zeroed_lately: int = 0
    shown: int | None = None
    released: bool = False
    holding: bool = False


class Answer(Struct, frozen=True):
    """What a channel said of one publication that was sent."""

    due: Due
    result: StockResult


class Acknowledged(Struct, frozen=True):
    """How many publications ended how, in one acknowledgement."""

    acknowledged: int = 0
    rejected: int = 0
    unknown_variant: int = 0
    pending: int = 0


class Ticket(Struct, frozen=True):
    """An answer that is to come, and the publications that it is of."""

    ticket: str
    due: tuple[Due, ...]


def register(engine: Engine, channel: str) -> float:
    """Make the channel's row where it has none; seconds until it may be tried again (0: now)."""

    def work(connection: Connection) -> float:
        _run(connection, "register", channel=channel)
        return float(_run(connection, "not_before", channel=channel).scalar_one())

    return unit_of_work(engine, work)


def anything_due(connection: Connection, channel: str) -> bool:
    """Whether at least one publication of the channel is due."""
    return bool(_run(connection, "anything_due", channel=channel).scalar_one())


def revive(engine: Engine, channel: str) -> None:
    """What was refused and may be tried again is due; a hold that holds nothing any more ends."""

    def work(connection: Connection) -> None:
        _run(connection, "revive", channel=channel)
        _run(connection, "end_empty_hold", channel=channel)

    unit_of_work(engine, work)


def claim(connection: Connection, channel: str, limit: int) -> Claim:
    """The most urgent publications that are due, at most `limit`."""
    rows: Sequence[Any] = _run(connection, "claim", channel=channel, limit=limit).all()
    if not rows:
        return Claim()
    first = rows[0]
    due = tuple(Due(identity, variant, quantity, version) for identity, variant, quantity, version, *_ in rows)
    return Claim(due, first.zeros, int(first.zeroed), first.shown, bool(first.released), bool(first.holding))


def brake(engine: Engine, channel: str, claimed: Claim, share: float) -> bool:
    """Hold the zeroes that are due where they, with those of the last 15 minutes, are more than `share` of what the channel
    shows (I-26) and at least `FEWEST_ZEROES`, or where others are held already; whether they are held. The count of what the
    channel shows is made anew before a hold begins."""
    if claimed.released or not claimed.zeros:
        return False
    if not claimed.holding and not _too_many(claimed, claimed.shown, share):
        return False
    return unit_of_work(engine, lambda connection: _hold(connection, channel, claimed, share))


def _hold(connection: Connection, channel: str, claimed: Claim, share: float) -> bool:
    shown: int = _run(connection, "count_shown", channel=channel).scalar_one()
    if not claimed.holding and not _too_many(claimed, shown, share):
        _run(connection, "remember_shown", channel=channel, shown=shown)
        return False
    of = shown + claimed.zeroed_lately
    of_all = round((claimed.zeros + claimed.zeroed_lately) / of, 4) if of else 1.0
    _run(connection, "hold", channel=channel, share=of_all, shown=shown)
    return True


def _too_many(claimed: Claim, shown: int | None, share: float) -> bool:
    zeroes = claimed.zeros + claimed.zeroed_lately
    return zeroes >= FEWEST_ZEROES and (shown is None or zeroes > share * (shown + claimed.zeroed_lately))


def release_hold(engine: Engine, channel: str) -> int:
    """What the brake holds is due again, and the brake is off for 10 minutes; how many listings that were."""

    def work(connection: Connection) -> int:
        _run(connection, "register", channel=channel)
        released = _run(connection, "release", channel=channel).rowcount
        _run(connection, "end_hold", channel=channel, released=released)
        return released

    return unit_of_work(engine, work)


def acknowledge(
    engine: Engine, channel: str, answers: Sequence[Answer], *, requests: int, pushed: int, stale: int
) -> Acknowledged:
    """Write down what the channel said (none of it `stale`), in one transaction, with the minute's sums; again does no harm.

    A publication that changed while it was sent stays due, waiting since that change (I-25).
    """
    columns = {
        "ids": _literal(answer.due.publication_id for answer in answers),
        "versions": _literal(answer.due.version for answer in answers),
        "quantities": _literal(answer.due.quantity for answer in answers),
        "outcomes": _literal(answer.result.outcome.value for answer in answers),
        "details": _json(answer.result.detail.replace("\0", "") for answer in answers),
        "tickets": _json(answer.result.ticket for answer in answers),
    }

    def work(connection: Connection) -> Acknowledged:
        _run(connection, "lock", ids=columns["ids"], durable=False)
        sums = {"requests": requests, "pushed": pushed, "stale": stale}
        return Acknowledged(*_run(connection, "acknowledge", channel=channel, **sums, **columns).one())

    return unit_of_work(engine, work)


def raise_stale(engine: Engine, theirs: Sequence[tuple[Due, int]]) -> None:
    """Put our version above the one that the channel has seen, so that the next push counts (I-21)."""
    ids = [due.publication_id for due, _ in theirs]
    facts = {"sent": [due.version for due, _ in theirs], "versions": [min(version, HIGHEST_VERSION) for _, version in theirs]}

    def work(connection: Connection) -> None:
        _run(connection, "lock", ids=ids, durable=True)
        _run(connection, "raise_stale", ids=ids, highest=HIGHEST_VERSION, **facts)

    unit_of_work(engine, work)


def failed(engine: Engine, channel: str, failure: str, retry_at: datetime | None) -> float:
    """Note that the channel could not be reached; seconds until it may be tried again: 1, 2, 4 … 60, or as it said."""
    with engine.begin() as connection:
        return float(_run(connection, "failed", channel=channel, failure=failure, retry_at=retry_at).scalar_one())


def tickets(connection: Connection, channel: str) -> list[Ticket]:
    """The answers to ask for now, the longest waiting first."""
    return [Ticket(row.ticket, _all_due(row)) for row in _run(connection, "tickets", channel=channel)]


def _all_due(row: sa.Row[Any]) -> tuple[Due, ...]:
    columns = zip(row.ids, row.variants, row.quantities, row.versions, strict=True)
    return tuple(Due(*values) for values in columns)


def ask_later(engine: Engine, due: Sequence[Due]) -> None:
    """The channel has no answer for these yet; after a day of asking they are due again."""
    ids = [one.publication_id for one in due]

    def work(connection: Connection) -> None:
        _run(connection, "lock", ids=ids, durable=False)
        _run(connection, "ask_later", ids=ids)

    unit_of_work(engine, work)


def standing(connection: Connection, channel: str) -> tuple[int, int, int]:
    """How many publications are due, held and pending now."""
    row = _run(connection, "standing", channel=channel).one()
    return row.due, row.held, row.pending


def sent_lately(connection: Connection, channel: str) -> list[tuple[float, int]]:
    """The last two minutes as (seconds since that minute began, listings sent in it), oldest first."""
    return [(row.age, row.pushed) for row in _run(connection, "lately", channel=channel)]


def minutes(connection: Connection, channel: str, last: int) -> dict[str, Any]:
    """What was sent in the `last` minutes: the counts, the longest lag, `lag_p50` and `lag_p99` in seconds (None: none), and
    `lag_counts`, the changes by bucket."""
    row = dict(_run(connection, "minutes", channel=channel, minutes=last).mappings().one())
    counts = row.pop("lag_counts") or []
    return row | {"lag_p50": lag_quantile(counts, 0.5), "lag_p99": lag_quantile(counts, 0.99), "lag_counts": counts}


def bucket_end(bucket: int) -> float:
    """Where the bucket (from 1) of `lag_counts` ends, in seconds."""
    return float(FIRST_LAG_SECONDS * LAG_GROWTH**bucket)


def lag_quantile(counts: Sequence[int], share: float) -> float | None:
    """The end, in seconds, of the bucket in which `share` of the changes is reached; None where there are none."""
    total, reached = sum(counts), 0
    for bucket, count in enumerate(counts, start=1):
        reached += count
        if count and reached >= share * total:
            return round(bucket_end(bucket), 4)
    return None


def is_stale(answer: Answer) -> bool:
    """Whether the channel says that it has seen a version at least as high."""
    return answer.result.outcome is StockOutcome.STALE


def _literal(values: Iterable[int | str]) -> str:
    """An array of numbers or plain words, as PostgreSQL writes it: the driver's own way costs a millisecond for 500."""
    return "{" + ",".join(map(str, values)) + "}"


def _json(values: Iterable[str | None]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps("cloudsales_pipeline.stock", "pushes")[step]), values)
