"""Fetching the listing's images behind the import's back: claim, fetch, check, store, note.

What belongs here: which addresses are due, leases, retries, the only writes to image and image_content after an import.
What does not: what is an image (image_files.py), and whether an address may be called (the transport's guard).

No transaction is open during HTTP: a claim moves `due_at` ahead and counts the attempt, so that a killed worker's addresses
come back by themselves, and two workers never fetch the same one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import AddressRefusedError, BodyTooLargeError, RateLimitedError
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.listing.image_files import MAX_BYTES, CheckedImage, NotAnImageError, check_image, store_image

LEASE = timedelta(minutes=15)
BACKOFF = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""After the first, second, third, fourth failed attempt; after the fifth it is given up."""
CLAIM = 4
FETCH_SECONDS = 30.0
ACCEPT = "image/jpeg, image/png, image/webp, image/gif"

State = Literal["stored", "already_had", "refused", "failed", "retry_later"]


class FetchedImage(Protocol):
    """What came back."""

    @property
    def content(self) -> bytes:
        """The body, decoded."""

    @property
    def media_type(self) -> str:
        """What the server says it is; not believed."""


class ImageFetcher(Protocol):
    """The guarded fetch of the transport: refuses addresses that point inside, follows no redirect there, caps the bytes."""

    def __call__(self, url: str, *, max_bytes: int, deadline_seconds: float, accept: str) -> FetchedImage:
        """One image.

        Raises:
            ChannelError: its subclass AddressRefusedError where the address may not be called.
        """


@dataclass(frozen=True)
class ImageResult:
    """What became of the addresses that were due. already_had: new addresses of content that was there."""

    stored: int
    already_had: int
    refused: int
    failed: int
    retry_later: int
    still_due: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    state: State
    reason: str | None = None
    image: CheckedImage | None = None
    size: int = 0
    due_at: datetime | None = None
    attempt_counts: bool = True


@dataclass
class _Work:
    """What the workers of one call share."""

    engine: Engine
    fetch: ImageFetcher
    data_dir: Path
    channel: str | None
    left: int | None
    deadline: float
    progress: Callable[[Counter[str]], None]
    done: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)


def fetch_images(
    engine: Engine,
    fetch: ImageFetcher,
    data_dir: Path,
    *,
    channel: str | None = None,
    limit: int | None = None,
    deadline_seconds: float,
    workers: int = 8,
    progress: Callable[[Counter[str]], None] | None = None,
) -> ImageResult:
    """Fetch what is due, of one channel or of all, until nothing is, `limit` were tried, or the time is up.

    Args:
        data_dir: images are stored under `images/` in it, by their content's hash.
        deadline_seconds: for the whole call; a fetch under way ends within its own 30 s.

    Raises:
        CloudSalesError: the data folder can't be written (a full disk); nothing is lost, the addresses stay due.
    """
    work = _Work(engine, fetch, data_dir, channel, limit, time.monotonic() + deadline_seconds, progress or (lambda _: None))
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="cloudsales-images") as executor:
        for future in [executor.submit(_worker, work) for _ in range(workers)]:
            future.result()
    states: tuple[State, ...] = ("stored", "already_had", "refused", "failed", "retry_later")
    return ImageResult(**{state: work.done[state] for state in states}, still_due=_still_due(engine, channel))


def _worker(work: _Work) -> None:
    while not work.stop.is_set() and time.monotonic() < work.deadline:
        claimed = _claim(work)
        if not claimed:
            return
        for place, (url, channel, attempts) in enumerate(claimed):
            if work.stop.is_set() or time.monotonic() >= work.deadline:
                _give_back(work.engine, [row[0] for row in claimed[place:]])
                return
            try:
                _note(work, url, _fetched(work, url, attempts))
            except OSError as error:
                work.stop.set()
                _give_back(work.engine, [row[0] for row in claimed[place:]])
                raise CloudSalesError(
                    f"{channel}: an image could not be written to the data folder ({error.strerror}).",
                    next_step="make room in data_dir, then run the images again: those left are still due",
                ) from None


def _claim(work: _Work) -> list[tuple[str, str, int]]:
    """A few due addresses with their attempts, this one counted; theirs for the length of the lease."""
    with work.lock:
        take = CLAIM if work.left is None else min(CLAIM, work.left)
        if work.left is not None:
            work.left -= take
    if take <= 0:
        return []
    with work.engine.begin() as connection:
        rows = connection.execute(
            sa.text(
                # materialized: a join that ran the locking part again would claim more than :take
                "with due as materialized (select url from cloudsales.image where state = 'due' and due_at <= :now"
                " and (cast(:channel as text) is null or channel = :channel) order by due_at limit :take for update skip locked)"
                " update cloudsales.image i set attempts = i.attempts + 1, due_at = :until from due"
                " where i.url = due.url returning i.url, i.channel, i.attempts"
            ),
            {"until": _now() + LEASE, "now": _now(), "channel": work.channel, "take": take},
        )
        return [(url, channel, attempts) for url, channel, attempts in rows]


def _fetched(work: _Work, url: str, attempts: int) -> _Outcome:
    """One address tried: its content stored, or why not.

    Raises:
        OSError: the data folder can't be written.
    """
    seconds = max(0.1, min(FETCH_SECONDS, work.deadline - time.monotonic()))
    try:
        content = work.fetch(url, max_bytes=MAX_BYTES, deadline_seconds=seconds, accept=ACCEPT).content
        image = check_image(content)
    except NotAnImageError as error:
        return _Outcome("refused", error.reason)
    except Exception as error:  # whatever a library makes of one address, it must not end the run for the others
        return _after_failure(error, attempts)
    store_image(work.data_dir, content, image)
    return _Outcome("stored", None, image, len(content))


def _after_failure(error: Exception, attempts: int) -> _Outcome:
    if isinstance(error, AddressRefusedError):
        return _Outcome("refused", "address")
    if isinstance(error, BodyTooLargeError):
        return _Outcome("refused", "too_large")
    reason = type(error).__name__.removesuffix("Error")
    if isinstance(error, RateLimitedError):
        return _Outcome("retry_later", reason, due_at=error.retry_at, attempt_counts=False)
    if attempts > len(BACKOFF):
        return _Outcome("failed", reason)
    return _Outcome("retry_later", reason, due_at=_now() + BACKOFF[attempts - 1])


def _note(work: _Work, url: str, outcome: _Outcome) -> None:
    """The outcome into the tables; content that another address brought before is only pointed to."""
    state = outcome.state
    with work.engine.begin() as connection:
        if outcome.image is not None:
            added = connection.execute(
                sa.text(
                    "insert into cloudsales.image_content (sha256, media_type, width, height, bytes)"
                    " values (:sha256, :media_type, :width, :height, :bytes) on conflict (sha256) do nothing"
                ),
                {
                    "sha256": outcome.image.sha256,
                    "media_type": outcome.image.media_type,
                    "width": outcome.image.width,
                    "height": outcome.image.height,
                    "bytes": outcome.size,
                },
            )
            state = "stored" if added.rowcount else "already_had"
        connection.execute(
            sa.text(
                "update cloudsales.image set state = :state, reason = :reason, sha256 = :sha256,"
                " due_at = coalesce(:due_at, due_at), attempts = attempts - :uncount,"
                " fetched_at = case when :state = 'stored' then :now else fetched_at end where url = :url"
            ),
            {
                "url": url,
                "state": {"retry_later": "due", "already_had": "stored"}.get(state, state),
                "reason": outcome.reason,
                "sha256": outcome.image.sha256 if outcome.image else None,
                "due_at": outcome.due_at,
                "uncount": 0 if outcome.attempt_counts else 1,
                "now": _now(),
            },
        )
    with work.lock:
        work.done[state] += 1
        work.progress(work.done)


def _give_back(engine: Engine, urls: list[str]) -> None:
    """Claimed and not tried: due at once, the attempt not counted."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update cloudsales.image set due_at = :now, attempts = attempts - 1 where url = any(:urls) and state = 'due'"
            ),
            {"now": _now(), "urls": urls},
        )


def _still_due(engine: Engine, channel: str | None) -> int:
    with engine.connect() as connection:
        return int(
            connection.scalar(
                sa.text(
                    "select count(*) from cloudsales.image where state = 'due' and due_at <= :now"
                    " and (cast(:channel as text) is null or channel = :channel)"
                ),
                {"now": _now(), "channel": channel},
            )
            or 0
        )


def _now() -> datetime:
    return datetime.now(UTC)
