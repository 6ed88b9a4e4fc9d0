"""Take in the retailer's own catalogue: its word on products and their codes, clashes reported and kept.

A product is known by its SKU as it is written; the file adds products and changes those it names, and says nothing of the
others. Codes that the file no longer has go; codes added by hand or by a channel stay. One transaction: all or nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.apply import mark_pending
from cloudsales_pipeline.catalog.file import FileRow, content_hash, read_rows
from cloudsales_pipeline.catalog.plan import tune_for_bulk
from cloudsales_pipeline.codes import LONGEST_CODE, EanState, code_key, read_ean, written_code
from cloudsales_pipeline.database.engine import copy_rows, statement
from cloudsales_pipeline.database.locks import lock_catalogue

REQUIRED = ("sku",)
DETAILS = ("name", "brand", "style", "size", "colour", "category", "description", "currency", "supplier")
KNOWN = {"sku", "ean", "additional_codes", "price", *DETAILS}
REPORT_EVERY = 50_000  # rows
LONGEST_NAME = 1_000  # characters, the same bound as a listing's
CENT = Decimal("0.01")
# 1234 or 1234,50 or 1.234,50 or 1,234.50. Three digits behind a single separator may be thousands or not: that is not guessed.
_PRICE = re.compile(
    r"(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})+(?=,)|[0-9]{1,3}(?:,[0-9]{3})+(?=\.)|[0-9]+)"
    r"(?:[.,](?:(?P<cents>[0-9]{1,2})|(?P<decimals>[0-9]{4,30})))?"
)
KEY_SEPARATOR = "|"

STEPS = ("load_products", "load_codes", "load_touched", "load_code_keys", "load_quarantine", "load_counts")


@dataclass(frozen=True)
class LoadResult:
    """rows_in = loaded + unchanged + quarantined; `noted` rows were loaded, but something of them was left out.

    clashes: codes that the catalogue, as it now stands, gives to several products.
    """

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    noted: int
    clashes: int
    decided_again: int


def load_catalog(
    engine: Engine,
    path: Path,
    *,
    encoding: str | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> LoadResult:
    """Load a CSV or XLSX file of products.

    Columns: sku (required), ean, additional_codes (separated by |), name, brand, style, size, colour, category,
    description, price, currency, supplier; others are kept as they are in `extra`.

    Raises:
        InputError: the file can't be read as a whole; nothing was changed. Single bad rows go to quarantine instead.
    """
    started_at = datetime.now(UTC)
    with engine.begin() as connection:
        lock_catalogue(connection)
        tune_for_bulk(connection)
        connection.exec_driver_sql(statement(__package__, "load_stage"))
        read = _stage(connection, path, encoding, progress)
        for table in ("stage_catalog", "stage_code"):
            connection.exec_driver_sql(f"analyze {table}")
        # the guard on product lets the retailer's own file, and nothing else, change details
        connection.exec_driver_sql("set local cloudsales.product_update = 'catalogue file'")
        counts: dict[str, int] = {}
        for step in STEPS:
            counts.update(connection.execute(sa.text(statement(__package__, step)), {"file": path.name}).one()._mapping)
        result = LoadResult(
            rows_in=read,
            decided_again=mark_pending(connection),
            **{name: counts[name] for name in ("loaded", "unchanged", "quarantined", "noted", "clashes")},
        )
        _record(connection, path, result, started_at)
    return result


def _stage(connection: Connection, path: Path, encoding: str | None, progress: Callable[[int], None]) -> int:
    """COPY the file's rows, then their codes, into temporary tables; returns how many rows there were."""
    copied = copy_rows(
        connection,
        "copy stage_catalog (row_no, sku, fault, note, name, brand, style, size, colour, category, description, currency,"
        " supplier, price, extra, ean, additional_codes, sku_key, ean_key, ean_state) from stdin",
        _reporting(map(_staged, read_rows(path, required=REQUIRED, encoding=encoding)), progress),
    )
    connection.exec_driver_sql(statement(__package__, "load_stage_duplicates"))
    codes = connection.connection.driver_connection
    assert codes is not None
    # A server-side cursor, so that a million additional codes never lie in this process at once.
    with codes.cursor(name="additional") as cursor:
        cursor.execute("select row_no, additional_codes from stage_catalog where additional_codes <> '' and fault is null")
        while batch := cursor.fetchmany(REPORT_EVERY):
            copy_rows(connection, "copy stage_code (row_no, kind, key, code) from stdin", _additional(batch))
    connection.exec_driver_sql(statement(__package__, "load_stage_codes"))
    return copied


def _reporting(rows: Iterator[tuple[object, ...]], progress: Callable[[int], None]) -> Iterator[tuple[object, ...]]:
    for count, row in enumerate(rows, start=1):
        yield row
        if count % REPORT_EVERY == 0:
            progress(count)


def _staged(row: FileRow) -> tuple[object, ...]:
    """A row of the file as a row of stage_catalog."""
    text = {name: value.replace("\x00", "").strip() for name, value in row.fields.items()}
    sku = written_code(text.get("sku", ""))
    price, note = _price(text.get("price", ""))
    ean = read_ean(text.get("ean"))
    sku_key = code_key(sku)
    fault = row.fault or ("sku_too_long" if len(sku) > LONGEST_CODE else None) or (None if sku_key else "no_sku")
    if len(text.get("name", "")) > LONGEST_NAME:
        fault = fault or "name_too_long"
    if ean.state is EanState.BAD and ean.key is None:
        note = note or "ean_lost_digits"
    details = [text.get(name) or None for name in DETAILS]
    details[0] = details[0] or sku
    extra = {name: value for name, value in text.items() if name not in KNOWN and value}
    return (
        row.number, sku, fault, note, *details, price, json.dumps(extra, ensure_ascii=False),
        text.get("ean") or None, text.get("additional_codes") or "", sku_key, ean.key, ean.state.value,
    )  # fmt: skip


def _price(text: str) -> tuple[Decimal | None, str | None]:
    """A price, or None and a note: a product is not kept out of the catalogue for its price, or it would be made twice."""
    if not text:
        return None, None
    match = _PRICE.fullmatch("".join(text.split()))
    if match is None:
        return None, "bad_price"
    whole = match["whole"].replace(".", "").replace(",", "")
    price = Decimal(f"{whole}.{match['cents'] or match['decimals'] or '0'}")
    if price >= Decimal("1e11"):
        return None, "bad_price"
    return price.quantize(CENT, ROUND_HALF_UP), None


def _additional(batch: list[tuple[int, str]]) -> Iterator[tuple[object, ...]]:
    for row_no, codes in batch:
        for code in codes.split(KEY_SEPARATOR):
            key = code_key(code)
            if key:
                yield row_no, "additional", key, written_code(code)


def _record(connection: Connection, path: Path, result: LoadResult, started_at: datetime) -> None:
    facts = {
        "name": path.name,
        "hash": content_hash(path),
        "started_at": started_at,
        "rows_in": result.rows_in,
        "loaded": result.loaded,
        "unchanged": result.unchanged,
        "quarantined": result.quarantined,
        "clashes": result.clashes,
    }
    connection.execute(
        sa.text(
            "insert into cloudsales.catalog_load"
            " (file_name, content_hash, rows_in, loaded, unchanged, quarantined, clashes, started_at, finished_at)"
            " values (:name, :hash, :rows_in, :loaded, :unchanged, :quarantined, :clashes, :started_at,"
            " clock_timestamp())"
        ),
        facts,
    )
    connection.execute(
        sa.text(
            "insert into cloudsales.run_summary (stage, started_at, finished_at, rows_in, loaded, unchanged, quarantined)"
            " values ('catalog_load', :started_at, clock_timestamp(), :rows_in, :loaded, :unchanged, :quarantined)"
        ),
        facts,
    )
