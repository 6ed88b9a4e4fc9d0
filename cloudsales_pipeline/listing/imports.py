"""A channel's listing into ours: read page by page, stage, then merge at once.

`import_listing` reads as the flow: lock → open or resume → pages → merge. What does not belong here: SQL (staging.py,
merge.py and the .sql files), what a payload means (the channel's adapter), matching (catalog/).

Interrupted anywhere, the next call goes on behind the last stored page, and ends as if nothing had happened (I-41, F-12,
F-24, F-25): a page and its cursor are one transaction, the merge is another, and no HTTP happens inside either (I-42).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import AuthenticationError, ChannelRefusedError
from cloudsales_pipeline.channels.pages import read_pages
from cloudsales_pipeline.channels.port import Paging, SalesChannel
from cloudsales_pipeline.database.locks import listing_import_lock
from cloudsales_pipeline.errors import DatabaseError, RefusedError
from cloudsales_pipeline.listing import staging
from cloudsales_pipeline.listing.merge import Figures, merge, renew_statistics
from cloudsales_pipeline.listing.rows import identify, page_rows
from cloudsales_pipeline.listing.staging import OpenImport
from cloudsales_pipeline.settings import LimitSettings

Mode = Literal["full", "delta"]
OPERATION = "listProducts"
# What a channel commits late is stamped earlier; what is asked for twice is known by its hash.
OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True)
class ListingProgress:
    """Where an import stands, after each stored page and before the merge (`merging`)."""

    import_id: int
    pages: int
    products_read: int
    merging: bool = False


@dataclass(frozen=True)
class ListingResult:
    """What an import did. Rows are variants (an unreadable product counts as one); rows_in = loaded + unchanged + quarantined."""

    import_id: int
    mode: Mode
    resumed_from_page: int | None
    pages: int
    products_read: int
    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    missing: int
    seconds: float


def utc_now() -> datetime:
    """The clock of this stage, unless a caller brings another."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Import:
    """One call of import_listing: what its steps share."""

    engine: Engine
    channel: SalesChannel
    limits: LimitSettings
    progress: Callable[[ListingProgress], None]
    now: Callable[[], datetime]
    run_id: str | None
    allow_shrink: bool


def import_listing(
    engine: Engine,
    channel: SalesChannel,
    limits: LimitSettings,
    *,
    mode: Mode | None = None,
    full_every: timedelta = timedelta(hours=24),
    run_id: str | None = None,
    progress: Callable[[ListingProgress], None] | None = None,
    now: Callable[[], datetime] = utc_now,
    allow_shrink: bool = False,
) -> ListingResult:
    """Take a channel's products and variants into the listing.

    Args:
        mode: `full` reads everything and marks what is gone; `delta` reads what changed since the last import. None: goes on
            with an unfinished import, else a delta where the channel can and the last full one is younger than `full_every`.
        progress: called after each stored page, outside any transaction.
        allow_shrink: a person's word that an empty or sharply shrunken listing is right, for this one import.

    Raises:
        RefusedError: another import of this channel is under way; a delta is impossible; or a guard said no, and then
            nothing but the import's own row has changed.
        ChannelError: the channel failed; the next call resumes behind the last stored page.
    """
    started = time.monotonic()
    work = _Import(engine, channel, limits, progress or (lambda _: None), now, run_id, allow_shrink)
    with listing_import_lock(engine, channel.name) as held:
        if not held:
            raise RefusedError(
                f"{channel.name}: another import of its listing is under way.",
                next_step="wait until it is done; it goes on where it stands if it is killed",
            )
        opened = _open(work, mode, full_every)
        resumed_from = opened.pages + 1 if opened.pages else None
        try:
            read = _read(work, opened)
        except ChannelRefusedError as error:
            if resumed_from is None or isinstance(error, AuthenticationError) or _pages(work, opened) != opened.pages:
                raise
            # the stored cursor itself is what the channel no longer takes
            opened, resumed_from = _start_over(work, opened, "the channel refused the stored cursor"), None
            read = _read(work, opened)
        figures = _merge(work, read)
        renew_statistics(engine, figures)
    return ListingResult(
        import_id=read.import_id,
        mode="full" if read.mode == "full" else "delta",
        resumed_from_page=resumed_from,
        pages=read.pages,
        products_read=read.products_read,
        rows_in=figures.rows_in,
        loaded=figures.loaded,
        unchanged=figures.unchanged,
        quarantined=figures.quarantined,
        missing=figures.gone,
        seconds=time.monotonic() - started,
    )


def _open(work: _Import, mode: Mode | None, full_every: timedelta) -> OpenImport:
    """The import to go on with, or a new one."""
    now = work.now()
    with work.engine.begin() as connection:
        found = staging.find_open(connection, work.channel.name)
        if found is not None:
            reason = _why_not_resume(found, mode, now)
            if reason is None and not staging.stage_is_whole(connection, found.import_id):
                reason = "its staged pages were lost in a crash of the database"
            if reason is None:
                return found
            staging.end_without_merge(connection, found.import_id, "abandoned", reason, now)
        chosen, since = _mode_and_start(connection, work.channel, mode, full_every, now)
        return staging.begin(connection, work.channel.name, chosen, since, now, work.run_id)


def _why_not_resume(found: OpenImport, mode: Mode | None, now: datetime) -> str | None:
    if mode is not None and found.mode != mode:
        return f"a {mode} import was asked for"
    if now - found.started_at > staging.RESUMABLE_FOR:
        return "too old to go on with"
    return None


def _mode_and_start(
    connection: sa.Connection, channel: SalesChannel, mode: Mode | None, full_every: timedelta, now: datetime
) -> tuple[Mode, datetime | None]:
    """Full, or delta with the time to ask from.

    Raises:
        RefusedError: a delta was asked for where there can be none.
    """
    seen_at, watermark = connection.execute(
        sa.text("select listing_seen_at, listing_watermark from cloudsales.channel where channel = :channel"),
        {"channel": channel.name},
    ).one()
    possible = channel.capabilities.catalogue_delta and seen_at is not None and watermark is not None
    if mode == "delta" and not possible:
        raise RefusedError(
            f"{channel.name}: only a full import is possible: there was none yet, or the channel can't tell what changed.",
            next_step="import the full listing",
        )
    if mode == "delta" or (mode is None and possible and now - seen_at < full_every):
        return "delta", watermark - OVERLAP
    return "full", None


def _start_over(work: _Import, opened: OpenImport, reason: str) -> OpenImport:
    now = work.now()
    with work.engine.begin() as connection:
        staging.end_without_merge(connection, opened.import_id, "abandoned", reason, now)
        return staging.begin(connection, opened.channel, opened.mode, opened.updated_since, now, work.run_id)


def _read(work: _Import, opened: OpenImport) -> OpenImport:
    """Stage the pages that are still to come; returns the import as it then stands."""
    if opened.state == "reading":
        capabilities = work.channel.capabilities
        pages = read_pages(
            lambda cursor: work.channel.products(cursor, opened.updated_since),
            start_cursor=opened.next_cursor,
            first_page=opened.pages + 1,
            in_flight=capabilities.pages_in_flight if capabilities.paging is Paging.NUMBERED else 1,
            channel=opened.channel,
            operation=OPERATION,
        )
        cursor, products_read = opened.next_cursor, opened.products_read
        for number, page in enumerate(pages, start=opened.pages + 1):
            _store(work, opened, number, cursor, page.next_cursor, page.payloads)
            cursor = page.next_cursor
            products_read += len(page.payloads)
            work.progress(ListingProgress(opened.import_id, number, products_read))
    with work.engine.begin() as connection:
        read = staging.find_open(connection, opened.channel)
    if read is None or read.import_id != opened.import_id or read.state != "read":
        raise RefusedError(
            f"The import {opened.import_id} was closed by another process.", next_step="let that one finish, then import again"
        )
    return read


def _store(
    work: _Import, opened: OpenImport, number: int, cursor: str | None, next_cursor: str | None, payloads: tuple[bytes, ...]
) -> None:
    items = identify(work.channel, payloads)
    with work.engine.connect() as connection:
        stored = staging.stored_hashes(connection, opened.channel, [item.external_id for item in items])
    rows = page_rows(work.channel, items, stored)
    staging.store_page(work.engine, opened.import_id, number, cursor, next_cursor, len(payloads), rows)


def _pages(work: _Import, opened: OpenImport) -> int:
    with work.engine.begin() as connection:
        now_open = staging.find_open(connection, opened.channel)
    return now_open.pages if now_open is not None else -1


def _merge(work: _Import, read: OpenImport) -> Figures:
    """Merge what was read; a guard's refusal closes the import, any other fault leaves it to be merged by the next call."""
    work.progress(ListingProgress(read.import_id, read.pages, read.products_read, merging=True))
    try:
        with work.engine.begin() as connection:
            _require_whole(connection, read)
            return merge(connection, read, work.limits, allow_shrink=work.allow_shrink, now=work.now(), run_id=work.run_id)
    except RefusedError as error:
        with work.engine.begin() as connection:
            staging.end_without_merge(connection, read.import_id, "refused", error.message, work.now())
        raise


def _require_whole(connection: sa.Connection, read: OpenImport) -> None:
    if staging.find_open(connection, read.channel) != read or not staging.stage_is_whole(connection, read.import_id):
        raise DatabaseError(
            f"What the import {read.import_id} had staged was lost in a crash of the database.",
            next_step="import again: it starts over by itself",
        )
