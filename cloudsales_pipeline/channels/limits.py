"""How much we allow ourselves on a channel, and how all processes together keep to it.

What belongs here: the bounds of one call, the shared permits and the shared pause of a channel, and the reading of
Retry-After. What does not: HTTP. Waiting is the transport's; a gate only says for how long.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import TYPE_CHECKING, Protocol, cast

from msgspec import Struct

from cloudsales_pipeline.errors import DatabaseError

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool
    from pyrate_limiter import PostgresBucket
    from pyrate_limiter.abstracts.algorithm import Decision
    from sqlalchemy.engine import Engine

PAUSE_CAP_SECONDS = 3600.0  # a server's Retry-After of 1e9 must not silence a channel for 30 years (F-07)
CONTENTION_SECONDS = 0.01  # the bucket's table was locked by another process: look again after about this
LEAK_EVERY_SECONDS = 10.0
POOL_SECONDS = 10.0
CLOCK_GOOD_FOR_SECONDS = 5.0
PAUSE = """
select (select extract(epoch from paused_until - clock_timestamp()) from cloudsales.channel_pause where channel = %s)::float8,
       extract(epoch from clock_timestamp())::float8
"""
MINUTE_MS = 60_000


class TransportLimits(Struct, frozen=True, kw_only=True):
    """The bounds of one call (I-45). Seconds are of wall time; `attempts` counts the first one too.

    `total_seconds` is above a minute on purpose: our own limit counts by the minute, so that its longest wait fits.
    `longest_pause` is how long a call waits for a paused channel; a longer pause is the caller's to wait out.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    attempt_seconds: float = 30.0
    total_seconds: float = 90.0
    attempts: int = 5
    max_bytes: int = 32 * 1024 * 1024
    backoff_base: float = 0.5
    backoff_cap: float = 8.0
    longest_pause: float = 10.0
    connections: int = 16


class Gate(Protocol):
    """Says whether a channel may be called just now. Safe to use from several threads."""

    def paused_for(self) -> float:
        """Seconds until the channel may be called again; 0 where it is not paused."""

    def take(self) -> float:
        """Take a permit: 0 where it was given, else the seconds after which to ask again."""

    def pause(self, seconds: float, reason: str) -> None:
        """Nobody calls the channel for this long; a longer pause that is already there stays."""

    def close(self) -> None:
        """Let go of connections."""


class MemoryGate:
    """A gate for one process: pauses are kept, permits are not counted. For tools and tests without a database."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = float("-inf")

    def paused_for(self) -> float:
        """Seconds until the channel may be called again."""
        return max(0.0, self._until - self._clock())

    def take(self) -> float:
        """Always given."""
        return 0.0

    def pause(self, seconds: float, reason: str) -> None:
        """Nobody in this process calls the channel for this long."""
        self._until = max(self._until, self._clock() + min(seconds, PAUSE_CAP_SECONDS))

    def close(self) -> None:
        """Nothing to let go of."""


class DatabaseGate:
    """A gate shared by all processes on one database: a pause in `cloudsales.channel_pause`, permits in a bucket table.

    The bucket is pyrate-limiter's: a permit is a row, taken under `LOCK TABLE … NOWAIT`, so whoever finds the table locked is
    told to ask again after some milliseconds. All times are the database's, so that clocks of machines may differ. Its
    connections have their own settings: UTC, because the bucket's column has no zone; no wait for the disk at commit, because
    the last few permits lost in a crash do no harm.
    """

    def __init__(
        self,
        database: Engine,
        channel: str,
        requests_per_minute: int,
        *,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from pyrate_limiter import PostgresBucket, Rate

        self._channel = channel
        self._random = random
        self._clock = clock
        self._lock = threading.Lock()
        self._leaked_at = clock()
        self._read_at: tuple[float, float] | None = None  # our clock, and the database's, at the same moment
        self._pool = _pool(database)
        try:
            with _clear_errors():
                self._pool.open(wait=True, timeout=POOL_SECONDS)
                self._bucket: PostgresBucket = PostgresBucket(
                    self._pool, bucket_table(channel), [Rate(requests_per_minute, MINUTE_MS)]
                )
        except BaseException:
            self._pool.close()
            raise

    def paused_for(self) -> float:
        """Seconds until the channel may be called again."""
        with _clear_errors(), self._pool.connection() as connection:
            connection.autocommit = True  # known to the client alone: one round trip instead of three
            try:
                row = connection.execute(PAUSE, (self._channel,)).fetchone()
            finally:
                connection.autocommit = False
        assert row is not None
        self._read_at = (self._clock(), row[1])
        return max(0.0, row[0] or 0.0)

    def take(self) -> float:
        """Take a permit: 0 where it was given, else the seconds after which to ask again."""
        from pyrate_limiter import RateItem

        with _clear_errors(), self._lock:  # in one process, queue here instead of failing at the table's lock
            now = self._database_ms()
            self._forget_old(now)
            decision = cast("Decision", self._bucket.put_decision(RateItem("call", now)))
        if decision.allowed:
            return 0.0
        if decision.retry_after_ms is None:
            return CONTENTION_SECONDS * (0.5 + self._random())
        return max(CONTENTION_SECONDS, decision.retry_after_ms / 1000)

    def _database_ms(self) -> int:
        """The database's time: as read with the pause just before a call, plus what has passed here since."""
        if self._read_at is None or self._clock() - self._read_at[0] > CLOCK_GOOD_FOR_SECONDS:
            self.paused_for()
        assert self._read_at is not None
        read_at, database_seconds = self._read_at
        return int((database_seconds + self._clock() - read_at) * 1000)

    def _forget_old(self, now_ms: int) -> None:
        """The bucket counts by reading its whole table, so rows past the minute are deleted now and then."""
        if self._clock() - self._leaked_at > LEAK_EVERY_SECONDS:
            self._leaked_at = self._clock()
            self._bucket.leak(now_ms)

    def pause(self, seconds: float, reason: str) -> None:
        """No process calls the channel for this long, at most an hour; a longer pause that is already there stays."""
        with _clear_errors(), self._pool.connection() as connection:
            connection.execute(
                "insert into cloudsales.channel_pause (channel, paused_until, reason)"
                " values (%s, clock_timestamp() + make_interval(secs => %s), %s)"
                " on conflict (channel) do update set paused_until = excluded.paused_until, reason = excluded.reason"
                " where channel_pause.paused_until < excluded.paused_until",
                (self._channel, min(seconds, PAUSE_CAP_SECONDS), reason),
            )

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()


def bucket_table(channel: str) -> str:
    """The bucket's name for a channel: readable, distinct by case too, and within PostgreSQL's 63 bytes with its prefixes."""
    readable = re.sub(r"[^a-z0-9]", "_", channel.lower())[:24]
    return f"{readable}_{hashlib.blake2b(channel.encode(), digest_size=4).hexdigest()}"


def _pool(database: Engine) -> ConnectionPool:
    from psycopg_pool import ConnectionPool

    from cloudsales_pipeline.database.engine import become_pipeline

    _, parameters = database.dialect.create_connect_args(database.url)
    options = f"{parameters.get('options', '')} -c search_path=cloudsales -c timezone=UTC -c synchronous_commit=off".strip()
    kwargs = {**parameters, "options": options, "connect_timeout": int(POOL_SECONDS), "application_name": "cloudsales limiter"}
    return ConnectionPool(
        kwargs=kwargs,
        configure=become_pipeline,
        min_size=1,
        max_size=2,
        num_workers=1,
        open=False,
        timeout=POOL_SECONDS,
        name="cloudsales-limiter",
    )


class _clear_errors:  # noqa: N801 - a context manager, read as a verb
    """A driver's error as ours: its own text may carry the connection's parameters."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import psycopg
        from psycopg_pool import PoolTimeout

        if isinstance(error, psycopg.Error | PoolTimeout):
            raise DatabaseError(
                f"The channel's shared limit can't be read from the database ({type(error).__name__}).",
                next_step="check that the database is up and that `cloudsales init` has been run",
            ) from None


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as a date; None where it is absent or unreadable."""
    if not value or not value.strip():
        return None
    text = value.strip()
    try:
        seconds = float(text)
        return None if isnan(seconds) else max(0.0, seconds)
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
