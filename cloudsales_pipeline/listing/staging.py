"""Pages into the stage, and the life of a listing_import row: the only module that writes those tables.

What belongs here: opening, resuming, giving up; storing a page with its cursor in one transaction (I-42). What does not:
the listing itself (merge.py), and any call to a channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import copy_rows
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.listing.rows import PageRows, placed

RESUMABLE_FOR = timedelta(hours=6)
"""An older unfinished import is started over: its first pages show a listing of long ago."""

COPY_PRODUCT = (
    "copy cloudsales.stage_product (import_id, page, external_id, code, name, brand, description, category_ids, images,"
    " characteristics, status, updated_at, raw, raw_hash) from stdin"
)
COPY_VARIANT = (
    "copy cloudsales.stage_variant (import_id, page, external_id, raw_hash, variant_id, position, code, ean, code_key,"
    " ean_key, ean_state, size, colour, price, currency, vat_rate, channel_stock, row_hash) from stdin"
)
COPY_REJECT = (
    "copy cloudsales.stage_reject (import_id, page, external_id, raw_hash, reference, reason, detail, whole_product) from stdin"
)


@dataclass(frozen=True, slots=True)
class OpenImport:
    """An import under way, as its row stands."""

    import_id: int
    channel: str
    mode: str
    updated_since: datetime | None
    state: str
    next_cursor: str | None
    pages: int
    products_read: int
    started_at: datetime


def find_open(connection: Connection, channel: str) -> OpenImport | None:
    """The channel's unfinished import. Waits for a dying process's last transaction: its row lock is the fence."""
    row = connection.execute(
        sa.text(
            "select import_id, channel, mode, updated_since, state, next_cursor, pages, products_read, started_at"
            " from cloudsales.listing_import where channel = :channel and state in ('reading', 'read') for update"
        ),
        {"channel": channel},
    ).one_or_none()
    return None if row is None else OpenImport(*row)


def begin(
    connection: Connection, channel: str, mode: str, updated_since: datetime | None, started_at: datetime, run_id: str | None
) -> OpenImport:
    """A new import's row."""
    import_id = connection.scalar(
        sa.text(
            "insert into cloudsales.listing_import (channel, mode, updated_since, started_at, run_id)"
            " values (:channel, :mode, :since, :started_at, :run_id) returning import_id"
        ),
        {"channel": channel, "mode": mode, "since": updated_since, "started_at": started_at, "run_id": run_id},
    )
    assert import_id is not None
    return OpenImport(import_id, channel, mode, updated_since, "reading", None, 0, 0, started_at)


def end_without_merge(connection: Connection, import_id: int, state: str, reason: str, at: datetime) -> None:
    """Close an import as `abandoned` or `refused`, and let its staged pages go."""
    connection.execute(
        sa.text(
            "update cloudsales.listing_import set state = :state, refusal = :reason, finished_at = :at"
            " where import_id = :import_id"
        ),
        {"state": state, "reason": reason, "at": at, "import_id": import_id},
    )
    clear_stage(connection, import_id)


def clear_stage(connection: Connection, import_id: int) -> None:
    """Delete what an import staged."""
    for table in ("stage_product", "stage_variant", "stage_reject", "listing_import_page"):
        connection.execute(
            sa.text(f"delete from cloudsales.{table} where import_id = :import_id"),  # noqa: S608 - names of our own
            {"import_id": import_id},
        )


def stage_is_whole(connection: Connection, import_id: int) -> bool:
    """Whether the unlogged stage still holds what the pages put there: a crash of PostgreSQL empties it."""
    return bool(
        connection.scalar(
            sa.text(
                "select coalesce(sum(staged), 0) ="
                " (select count(*) from cloudsales.stage_product where import_id = :import_id)"
                " + (select count(*) from cloudsales.stage_reject where import_id = :import_id and whole_product)"
                " from cloudsales.listing_import_page where import_id = :import_id"
            ),
            {"import_id": import_id},
        )
    )


def stored_hashes(connection: Connection, channel: str, external_ids: list[str]) -> dict[str, bytes]:
    """The stored payload hashes of these products: one query a page. What must be read again in any case has none."""
    rows = connection.execute(
        sa.text(
            "select external_id, raw_hash from cloudsales.listing_product"
            " where channel = :channel and external_id = any(:ids) and missing_since is null and not incomplete"
        ),
        {"channel": channel, "ids": external_ids},
    )
    return {external_id: bytes(raw_hash) for external_id, raw_hash in rows}


def store_page(
    engine: Engine, import_id: int, page: int, cursor: str | None, next_cursor: str | None, products: int, rows: PageRows
) -> None:
    """Put a page into the stage and move the cursor, in one transaction (I-42).

    Raises:
        RefusedError: the import is not where we left it: another process took it over.
    """
    with engine.begin() as connection:
        _move_cursor(connection, import_id, page, next_cursor, products, rows.latest_update)
        connection.execute(
            sa.text(
                "insert into cloudsales.listing_import_page (import_id, page, cursor, next_cursor, unchanged_ids, staged)"
                " values (:import_id, :page, :cursor, :next_cursor, :unchanged_ids, :staged)"
            ),
            {
                "import_id": import_id,
                "page": page,
                "cursor": cursor,
                "next_cursor": next_cursor,
                "unchanged_ids": rows.unchanged_ids,
                "staged": rows.staged,
            },
        )
        for copy, staged in ((COPY_PRODUCT, rows.products), (COPY_VARIANT, rows.variants), (COPY_REJECT, rows.rejects)):
            if staged:
                copy_rows(connection, copy, placed(staged, import_id, page))


def _move_cursor(
    connection: Connection, import_id: int, page: int, next_cursor: str | None, products: int, latest: datetime | None
) -> None:
    moved = connection.execute(
        sa.text(
            "update cloudsales.listing_import set pages = :page, next_cursor = :next_cursor, state = :state,"
            " products_read = products_read + :products, latest_update = greatest(latest_update, :latest)"
            " where import_id = :import_id and state = 'reading' and pages = :page - 1"
        ),
        {
            "import_id": import_id,
            "page": page,
            "next_cursor": next_cursor,
            "state": "read" if next_cursor is None else "reading",
            "products": products,
            "latest": latest,
        },
    )
    if moved.rowcount != 1:
        raise RefusedError(
            f"The import {import_id} was taken over by another process at page {page}.",
            next_step="let that one finish; there is nothing to repair",
        )
