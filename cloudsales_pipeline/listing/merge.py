"""The staged pages into the listing: compare, ask the guards, write. One transaction, a handful of statements.

What belongs here: the order of the steps, the guards, and the figures. What does not: pages and cursors (staging.py). The
steps themselves are in compare.sql, merge.sql, keys.sql and record.sql, each with what it reads and writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, CursorResult, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import lock_catalogue
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.listing.staging import OpenImport, clear_stage
from cloudsales_pipeline.settings import LimitSettings

SHARE_FLOOR = 50
"""A delta may bring two products: shares of so few mean nothing, and are taken of this many rows instead."""

ANALYSE_FROM = 100
"""Rows from which the planner is told what a table holds; below, its guess costs less than telling it."""

ANALYSE_LISTING_FROM = 5_000
"""Changed variants from which the listing's own statistics are renewed at once: autovacuum comes a minute too late for the
matching that follows a first import."""

_PACKAGE = "cloudsales_pipeline.listing"
_STAGE = "cloudsales.stage_product, cloudsales.stage_variant, cloudsales.stage_reject"
_LISTING = "cloudsales.listing_product, cloudsales.listing, cloudsales.listing_key, cloudsales.listing_pending, cloudsales.image"


@dataclass(frozen=True, slots=True)
class Figures:
    """What an import amounts to, in variants; an unreadable product counts as one.

    `present`: how many there were before it; of a full listing, or where more than SHARE_FLOOR are gone, else None.
    """

    loaded: int
    unchanged: int
    quarantined: int
    unreadable: int
    gone: int
    present: int | None

    @property
    def rows_in(self) -> int:
        """All rows that came (I-44)."""
        return self.loaded + self.unchanged + self.quarantined


def merge(
    connection: Connection, opened: OpenImport, limits: LimitSettings, *, allow_shrink: bool, now: datetime, run_id: str | None
) -> Figures:
    """Bring the listing to what the staged pages show, inside the caller's transaction.

    Raises:
        RefusedError: a guard said no, before any row of the listing was touched; the caller rolls back.
    """
    values: dict[str, Any] = {
        "channel": opened.channel,
        "import_id": opened.import_id,
        "full": opened.mode == "full",
        "floor": SHARE_FLOOR,
        "now": now,
        "started_at": opened.started_at,
        "run_id": run_id,
    }
    _prepare(connection, opened.import_id)
    figures = _compare(connection, values)
    guard(figures, opened.channel, limits, full=opened.mode == "full", allow_shrink=allow_shrink)
    lock_catalogue(connection)
    _run(connection, "merge", values)
    if figures.loaded + figures.gone >= ANALYSE_FROM:
        connection.execute(sa.text("analyze touched"))
    _run(connection, "keys", values)
    amounts = {
        "rows_in": figures.rows_in,
        "loaded": figures.loaded,
        "unchanged": figures.unchanged,
        "quarantined": figures.quarantined,
        "missing": figures.gone,
    }
    _run(connection, "record", values | amounts)
    clear_stage(connection, opened.import_id)
    return figures


def guard(figures: Figures, channel: str, limits: LimitSettings, *, full: bool, allow_shrink: bool) -> None:
    """Refuse an import that looks like a fault of the channel rather than its listing (I-43).

    A first listing without any product is taken as it is: a new shop has none, and there is nothing to lose.

    Raises:
        RefusedError: with the figures, and what to do.
    """
    base = figures.rows_in if full else max(figures.rows_in, SHARE_FLOOR)
    if base and figures.unreadable / base > limits.max_unreadable_share:
        raise RefusedError(
            f"{channel}: {figures.unreadable} of {figures.rows_in} rows of the listing can't be read, more than"
            f" the {limits.max_unreadable_share:.0%} that the settings allow. The listing was left as it is.",
            next_step="look at the channel's answers; raise limits.max_unreadable_share if this is right",
        )
    # of a delta, figures.present is known where so many are gone that their share matters
    if allow_shrink or not figures.present:
        return
    if full and figures.rows_in == 0:
        raise RefusedError(
            f"{channel}: the listing came back empty; {figures.present} variants are known. The listing was left as it is.",
            next_step="look at the channel; if it really has nothing any more: cloudsales run import_listing --allow-shrink",
        )
    if figures.gone / figures.present > limits.hold_if_listing_shrinks_by:
        raise RefusedError(
            f"{channel}: {figures.gone} of {figures.present} variants are gone from the listing, more than"
            f" the {limits.hold_if_listing_shrinks_by:.0%} that the settings allow. The listing was left as it is.",
            next_step="look at the channel; if this is right: cloudsales run import_listing --allow-shrink",
        )


def renew_statistics(engine: Engine, figures: Figures) -> None:
    """After a large merge, tell the planner what the listing's tables now hold; in a transaction of its own."""
    if figures.loaded + figures.gone >= ANALYSE_LISTING_FROM:
        with engine.begin() as connection:
            connection.execute(sa.text(f"analyze {_LISTING}"))


def _prepare(connection: Connection, import_id: int) -> None:
    """A whole listing is joined by hashing, not by sorting on disk; and the planner knows how much was staged."""
    connection.execute(sa.text("set local work_mem = '64MB'"))
    staged = connection.scalar(
        sa.text("select sum(staged) from cloudsales.listing_import_page where import_id = :import_id"), {"import_id": import_id}
    )
    if staged is not None and staged >= ANALYSE_FROM:
        connection.execute(sa.text(f"analyze {_STAGE}"))


def _compare(connection: Connection, values: Mapping[str, Any]) -> Figures:
    row = _run(connection, "compare", values).one()
    return Figures(row.loaded, row.unchanged, row.quarantined, row.unread, row.gone_rows, row.present)


def _run(connection: Connection, file: str, values: Mapping[str, Any]) -> CursorResult[Any]:
    """The file's statements one after the other; returns the last one's result."""
    for name, sql in steps(_PACKAGE, file).items():
        result = connection.execute(sa.text(sql), values)
        if result.rowcount >= ANALYSE_FROM and f"create temporary table {name} " in sql:
            connection.execute(sa.text(f"analyze {name}"))
    return result
