"""Looking at the listing's tables in tests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

# Everything that an import decides, without the times and numbers that tell when and how often it ran.
CONTENT = {
    "product": "select external_id, code, name, brand, description, category_ids, images::text, characteristics::text, status,"
    " updated_at, raw, raw_hash, incomplete, missing_since is null from cloudsales.listing_product order by 1",
    "listing": "select variant_id, product_external_id, position, code, ean, code_key, ean_key, ean_state, size, colour, price,"
    " currency, vat_rate, channel_stock, row_hash, missing_since is null from cloudsales.listing order by 1",
    "key": "select k.key, l.variant_id, k.is_ean from cloudsales.listing_key k join cloudsales.listing l using (listing_id)"
    " order by 2, 3",
    "shared": "select key from cloudsales.listing_shared_key order by 1",
    "pending": "select l.variant_id from cloudsales.listing_pending join cloudsales.listing l using (listing_id) order by 1",
    "quarantine": "select reference, reason, detail::text from cloudsales.quarantine where resolved_at is null order by 1, 2",
    "image": "select url, channel, state from cloudsales.image order by 1",
}
WRITTEN = ("listing_product", "listing", "listing_key", "listing_shared_key", "listing_pending", "quarantine", "image")


def rows(engine: Engine, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """A query's rows as tuples."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql), values)]


def scalar(engine: Engine, sql: str, **values: Any) -> Any:
    """A query's one value."""
    return rows(engine, sql, **values)[0][0]


def content(engine: Engine, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the listing's tables hold."""
    return {name: rows(engine, CONTENT[name]) for name in names or CONTENT}


def present(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """What the listing shows now, without what is missing and what is due."""
    shown = {name: [row for row in rows(engine, CONTENT[name]) if row[-1]] for name in ("product", "listing")}
    return shown | content(engine, "key", "shared", "quarantine")


def footprints(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Where each row version lies and which transaction wrote it: equal means that nothing was written."""
    return {name: rows(engine, f"select ctid::text, xmin::text from cloudsales.{name} order by 1") for name in WRITTEN}


def variants(engine: Engine, what: str = "variant_id", where: str = "missing_since is null") -> list[Any]:
    """One column of the listing, in the order of variant ids."""
    return [row[0] for row in rows(engine, f"select {what} from cloudsales.listing where {where} order by variant_id")]


def quarantined(engine: Engine) -> list[tuple[str, str]]:
    """Open quarantine rows: reference and reason."""
    return [(r[0], r[1]) for r in rows(engine, CONTENT["quarantine"])]


def staged(engine: Engine) -> tuple[int, ...]:
    """How many products, variants, rejections and pages are in the stage."""
    names = ("stage_product", "stage_variant", "stage_reject", "listing_import_page")
    return tuple(scalar(engine, f"select count(*) from cloudsales.{name}") for name in names)


def forget_everything(engine: Engine) -> None:
    """Back to a fresh database."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "truncate cloudsales.listing_import, cloudsales.listing_import_page, cloudsales.stage_product,"
            " cloudsales.stage_variant, cloudsales.stage_reject, cloudsales.listing_product, cloudsales.listing,"
            " cloudsales.listing_key, cloudsales.listing_shared_key, cloudsales.listing_pending, cloudsales.quarantine,"
            " cloudsales.image, cloudsales.run_summary restart identity cascade"
        )
        connection.exec_driver_sql("update cloudsales.channel set listing_seen_at = null, listing_watermark = null")
