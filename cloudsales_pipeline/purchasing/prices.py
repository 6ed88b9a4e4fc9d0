"""Suppliers' price lists: a file, CSV or XLSX, becomes dated prices with packs, minimums and who is preferred.

What belongs here: reading a row, and loading what is good of a file at once. What does not: which supplier a product is bought of
(cloudsales.suppliers_of), and how a file is read as text (`catalog.file`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.file import FileRow, content_hash, read_rows
from cloudsales_pipeline.codes import code_key
from cloudsales_pipeline.database.engine import copy_rows, steps
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import InputError, RefusedError

REQUIRED = ("supplier", "sku", "valid_from")
OPTIONAL = (
    "price",
    "currency",
    "supplier_code",
    "pack_size",
    "minimum_quantity",
    "lead_time_days",
    "preferred",
    "locked",
    "valid_until",
)
MOST_ROWS = 1_000_000
LARGEST_PACK = 1_000_000
LONGEST_TEXT = 200  # of a field that is kept as evidence
YES, NO = frozenset({"1", "yes", "y", "true", "da", "x"}), frozenset({"", "0", "no", "n", "false", "nu"})


class Price(NamedTuple):
    """A row's facts, in the order of the staging table's columns behind the row's number."""

    supplier: str
    sku: str
    sku_key: str
    supplier_code: str | None
    price: Decimal | None
    currency: str | None
    pack_size: int | None
    minimum_quantity: int | None
    lead_time_days: int | None
    preferred: bool
    locked: bool
    valid_from: date
    valid_until: date | None


@dataclass(frozen=True)
class RefusedPrice:
    """A row that was not loaded: its number as a person counts, a reason code, and the evidence."""

    row: int
    reason: str
    detail: dict[str, str]


@dataclass(frozen=True)
class PriceResult:
    """What became of a price list; rows_in = loaded + unchanged + quarantined (I-44)."""

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    refused: tuple[RefusedPrice, ...] = ()


class BadFieldError(ValueError):
    """A field that is not what it must be."""

    def __init__(self, reason: str, what: str, found: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = {"what": what, "found": found[:LONGEST_TEXT]}


def load_prices(engine: Engine, path: Path, *, encoding: str | None = None) -> PriceResult:
    """Load a price list in one transaction; the same file again changes nothing, a corrected one changes what it says.

    A row that can't be used is in quarantine (stage purchasing) with its row number and reason, until the file is loaded
    again and it is good: bad_quantity, bad_price, bad_currency, bad_date, bad_flag, bad_pack_size, unknown_supplier,
    unknown_sku, two_prices (of one supplier and product for one day: which holds is for a person, so none is taken).

    Raises:
        InputError: the file can't be read as a whole, or has more than a million rows.
        RefusedError: it changed while it was read: nothing was loaded.
        DatabaseError: the database can't be reached, or others kept changing the same rows.
    """
    rows = _read_whole(path, encoding)
    good: list[tuple[int, Price]] = []
    bad: list[RefusedPrice] = []
    for row in rows:
        try:
            good.append((row.number, parse_price(row)))
        except BadFieldError as error:
            bad.append(RefusedPrice(row.number, error.reason, _evidence(row) | error.detail))
    good, twice = _apart(good)
    return unit_of_work(engine, lambda connection: _load(connection, path.name, good, bad, twice), repeatable=True)


def parse_price(row: FileRow) -> Price:
    """A row as a price. Pure.

    Raises:
        BadFieldError: with the reason code.
    """
    if row.fault:
        raise BadFieldError(row.fault, "the row is not as long as the header, or is damaged", "")
    text = {name: row.fields.get(name, "").strip() for name in (*REQUIRED, *OPTIONAL)}
    starts, ends = _date(text["valid_from"]), _date(text["valid_until"]) if text["valid_until"] else None
    if ends is not None and ends < starts:
        raise BadFieldError("bad_date", "valid_until is before valid_from", text["valid_until"])
    price = _price(text["price"])
    return Price(
        text["supplier"],
        text["sku"],
        code_key(text["sku"]) or "",
        text["supplier_code"] or None,
        price,
        _currency(text["currency"], price),
        _whole(text["pack_size"], "bad_pack_size", least=1, most=LARGEST_PACK),
        _whole(text["minimum_quantity"], "bad_quantity", least=0, most=LARGEST_PACK),
        _whole(text["lead_time_days"], "bad_lead_time", least=0, most=365),
        _flag(text["preferred"]),
        _flag(text["locked"]),
        starts,
        ends,
    )


def _read_whole(path: Path, encoding: str | None) -> list[FileRow]:
    before = content_hash(path) if path.is_file() else b""  # a missing one is read_rows' to name
    rows = list(islice(read_rows(path, required=REQUIRED, encoding=encoding), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise InputError(f"{path.name} has more than {MOST_ROWS:,} rows.", next_step="split it into several files")
    if content_hash(path) != before:
        raise RefusedError(f"{path.name} changed while it was read; nothing was loaded.", next_step="load it when it is complete")
    return rows


def _whole(text: str, reason: str, *, least: int, most: int) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"-?\d{1,9}(\.0+)?", text) or not least <= int(text.split(".")[0]) <= most:
        raise BadFieldError(reason, f"a whole number from {least} to {most:,}", text)
    return int(text.split(".")[0])


def _price(text: str) -> Decimal | None:
    """A price with a point or a comma; `1.234,56` and `1,234.56` are read by their last sign."""
    if not text:
        return None
    plain = text.replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    if re.fullmatch(r"\d{1,3}(\.\d{3})+,\d+|\d+,\d+", plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d{1,3}(,\d{3})+\.\d+", plain):
        plain = plain.replace(",", "")
    if not re.fullmatch(r"\d{1,10}(\.\d{1,4}0*)?", plain):
        raise BadFieldError("bad_price", "a price such as 12.50, not negative, with at most 4 decimals", text)
    return Decimal(plain)


def _currency(text: str, price: Decimal | None) -> str | None:
    if not text:
        return None if price is None else "RON"
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise BadFieldError("bad_currency", "a code of three letters such as RON", text)
    return {"LEI": "RON"}.get(text.upper(), text.upper())


def _flag(text: str) -> bool:
    if text.casefold() not in YES | NO:
        raise BadFieldError("bad_flag", "yes or no (da, nu, 1, 0)", text)
    return text.casefold() in YES


def _date(text: str) -> date:
    """`2026-11-24`, as spreadsheets give it with a time behind, or `24.11.2026`."""
    try:
        if found := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", text):
            return date(int(found[3]), int(found[2]), int(found[1]))
        found_date = date.fromisoformat(re.sub(r"[T ]00:00(:00(\.0+)?)?$", "", text))
    except ValueError:
        raise BadFieldError("bad_date", "a date such as 2026-11-24", text) from None
    if not 1970 <= found_date.year <= 9998:
        raise BadFieldError("bad_date", "a date such as 2026-11-24", text)
    return found_date


def _evidence(row: FileRow) -> dict[str, str]:
    return {name: row.fields.get(name, "")[:LONGEST_TEXT].replace("\x00", "") for name in ("supplier", "sku", "valid_from")}


def _apart(good: Sequence[tuple[int, Price]]) -> tuple[list[tuple[int, Price]], int]:
    """Without rows that say the same again, and how many these were."""
    seen: dict[Price, int] = {}
    for number, price in good:
        seen.setdefault(price, number)
    return [(number, price) for price, number in seen.items()], len(good) - len(seen)


def _load(
    connection: Connection, name: str, good: Sequence[tuple[int, Price]], bad: Sequence[RefusedPrice], twice: int
) -> PriceResult:
    queries = steps(__package__, "prices")
    connection.execute(sa.text(queries["stage"]))
    copy_rows(connection, queries["copy"], ((number, *price) for number, price in good))
    connection.execute(sa.text(queries["resolve"]))
    connection.execute(sa.text(queries["judge"]))
    refused = [*bad, *(_refused(row) for row in connection.execute(sa.text(queries["refused"])))]
    loaded = connection.scalar(sa.text(queries["load"]))
    connection.execute(sa.text(queries["settle"]))
    _quarantine(connection, name, refused)
    rows_in = len(good) + len(bad) + twice
    counts = {"rows_in": rows_in, "loaded": loaded, "unchanged": rows_in - loaded - len(refused), "quarantined": len(refused)}
    connection.execute(sa.text(queries["summary"]), counts)
    return PriceResult(**counts, refused=tuple(sorted(refused, key=lambda one: one.row)))


def _refused(row: sa.Row[Any]) -> RefusedPrice:
    detail = {"supplier": row.supplier[:LONGEST_TEXT], "sku": row.sku[:LONGEST_TEXT], "valid_from": row.valid_from.isoformat()}
    return RefusedPrice(row.row_no, row.fault, detail)


def _quarantine(connection: Connection, name: str, refused: Sequence[RefusedPrice]) -> None:
    rows = [{"reference": f"{name}:{one.row}", "reason": one.reason, "detail": one.detail} for one in refused]
    if rows:
        connection.execute(sa.text(steps(__package__, "prices")["quarantine"]), {"rows": json.dumps(rows)})
