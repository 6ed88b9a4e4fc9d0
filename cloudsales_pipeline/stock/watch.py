"""How publishing to each channel goes: how long changes take to get there, and whether the channel is reached at all.

What belongs here: the two judgements and their figures. What does not: alarms (Dagster's checks), and publishing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.stock.pushes import minutes

LAST_MINUTES = 60
PROMISED = 0.99


class Lag(Struct, frozen=True, kw_only=True):
    """The changes of a channel's last hour, in seconds; `overdue` are those that wait for longer than the objective now.

    `p99` is at most 30 % more than it was (the end of its bucket), and never more than the longest: green is green for certain.
    """

    channel: str
    acknowledged: int
    overdue: int
    p50: float | None
    p99: float | None
    longest: float
    objective: float
    counts: tuple[int, ...]
    kept: bool


class Reach(Struct, frozen=True, kw_only=True):
    """Whether a channel takes what it is sent.

    `waiting` publications are due or unanswered; `unreached` is how long nothing was taken while one waited (None: none waits).
    `failure` is the class of the last error, while it lasts; `held` listings are a person's to release.
    """

    channel: str
    waiting: int
    held: int
    hold_since: datetime | None
    reached_at: datetime | None
    failing_since: datetime | None
    failure: str | None
    unreached: timedelta | None
    bound: timedelta
    late: bool


def lags(connection: Connection, objectives: Mapping[str, timedelta]) -> list[Lag]:
    """Whether 99 of 100 changes of the last hour reached each channel within its objective.

    A change that still waits counts too once it is late, or a channel that takes nothing would look fast.
    """
    return [_lag(connection, channel, objective.total_seconds()) for channel, objective in objectives.items()]


def reaches(connection: Connection, bounds: Mapping[str, timedelta]) -> list[Reach]:
    """Whether each channel took something within its time, as long as there was something to take."""
    rows = connection.execute(_step("reach"), {"channels": list(bounds)}).mappings()
    return [
        Reach(
            **row, bound=bounds[row["channel"]], late=row["unreached"] is not None and row["unreached"] > bounds[row["channel"]]
        )
        for row in rows
    ]


def _lag(connection: Connection, channel: str, objective: float) -> Lag:
    hour = minutes(connection, channel, LAST_MINUTES)
    overdue: int = connection.execute(_step("overdue"), {"channel": channel, "seconds": objective}).scalar_one()
    longest, counts = hour["longest_lag"], hour["lag_counts"]
    p50, p99 = (None if hour[name] is None else min(hour[name], longest) for name in ("lag_p50", "lag_p99"))
    changes = sum(counts) + overdue
    in_time = (p99 is None or p99 <= objective) and overdue <= (1 - PROMISED) * changes
    return Lag(
        channel=channel,
        acknowledged=sum(counts),
        overdue=overdue,
        p50=p50,
        p99=p99,
        longest=longest,
        objective=objective,
        counts=tuple(counts),
        kept=in_time,
    )


def _step(name: str) -> sa.TextClause:
    return sa.text(steps("cloudsales_pipeline.stock", "watch")[name])


def plain(seconds: float | timedelta | None) -> Any:
    """A duration for people: `0.2 s`, `16 min`."""
    if seconds is None:
        return None
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    return f"{value:.3g} s" if value < 120 else f"{value / 60:.0f} min"
