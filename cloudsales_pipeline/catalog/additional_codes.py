"""Additional codes by hand or from a file: how a product that a site knows under another code is spared a duplicate.

A code that another product has already is refused, never moved: I-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.apply import mark_pending
from cloudsales_pipeline.catalog.file import FileRow, read_rows
from cloudsales_pipeline.codes import code_key, written_code
from cloudsales_pipeline.database.engine import copy_rows, statement
from cloudsales_pipeline.database.locks import lock_catalogue
from cloudsales_pipeline.errors import InputError, RefusedError


@dataclass(frozen=True)
class CodesResult:
    """rows_in = loaded + unchanged + quarantined; `decided_again`: listings that the codes may now link."""

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    decided_again: int


def add_code(engine: Engine, sku: str, code: str) -> CodesResult:
    """Give the product `sku` the additional code `code`; again changes nothing.

    Raises:
        InputError: the code is empty, a placeholder or a number that lost digits.
        RefusedError: there is no such product, or another product has the code.
    """
    if code_key(code) is None:
        raise InputError(f"{code!r} identifies nothing: it is empty, a placeholder, or a number that lost digits.")
    with engine.begin() as connection:
        result, faults = _add(connection, [(1, sku, code, None)])
        if faults:
            reason, owner = faults[0]
            if reason == "unknown_sku":
                raise RefusedError(f"There is no product with the SKU {sku!r}.", next_step="check it: analytics.product")
            raise RefusedError(f"The code {code!r} belongs to the product {owner} already; nothing was changed.")
    return result


def load_codes(engine: Engine, path: Path, *, encoding: str | None = None) -> CodesResult:
    """Add the codes of a CSV or XLSX file with the columns sku and code; what can't be added goes to quarantine.

    Raises:
        InputError: the file can't be read as a whole; nothing was changed.
    """
    with engine.begin() as connection:
        result, _ = _add(connection, map(_from_file, read_rows(path, required=("sku", "code"), encoding=encoding)), path.name)
    return result


def _from_file(row: FileRow) -> tuple[int, str, str, str | None]:
    return row.number, row.fields.get("sku", ""), row.fields.get("code", ""), row.fault


def _add(
    connection: Connection, rows: Iterable[tuple[int, str, str, str | None]], file: str = "command line"
) -> tuple[CodesResult, list[tuple[str, str]]]:
    """Add what can be added; returns the figures and, for a single row, why it was not."""
    lock_catalogue(connection)
    connection.exec_driver_sql(
        'create temp table stage_code (row_no integer, sku text, code text, key text collate "C", fault text) on commit drop'
    )
    connection.exec_driver_sql('create temp table changed_key (key text collate "C") on commit drop')
    count = copy_rows(connection, "copy stage_code (row_no, sku, code, key, fault) from stdin", _staged(rows))
    connection.exec_driver_sql("analyze stage_code")
    connection.exec_driver_sql(statement(__package__, "additional_codes"))
    counted = connection.execute(
        sa.text("select (select count(*) from code_new) as loaded, (select count(*) from code_fault) as quarantined")
    ).one()
    faults = connection.execute(sa.text("select fault, owner from code_fault order by row_no limit 1")).all()
    if file != "command line":
        connection.execute(
            sa.text(
                "update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'"
                " where q.stage = 'catalog' and q.resolved_at is null and starts_with(q.reference, :file || ', row ')"
                " and not exists (select from code_fault f"
                " where q.reference = :file || ', row ' || f.row_no and q.reason = f.fault)"
            ),
            {"file": file},
        )
        connection.execute(
            sa.text(
                "insert into cloudsales.quarantine (stage, reference, reason, detail)"
                " select 'catalog', :file || ', row ' || row_no, fault,"
                " jsonb_strip_nulls(jsonb_build_object('sku', sku, 'code', code, 'belongs_to', nullif(owner, '')))"
                " from code_fault"
                " on conflict (stage, channel, reference, reason) where resolved_at is null do nothing"
            ),
            {"file": file},
        )
    result = CodesResult(
        rows_in=count,
        loaded=counted.loaded,
        quarantined=counted.quarantined,
        unchanged=count - counted.loaded - counted.quarantined,
        decided_again=mark_pending(connection),
    )
    return result, [(row.fault, row.owner) for row in faults]


def _staged(rows: Iterable[tuple[int, str, str, str | None]]) -> Iterator[tuple[object, ...]]:
    for number, sku, code, fault in rows:
        key = code_key(code)
        yield number, written_code(sku), written_code(code), key, fault or (None if key else "no_code")
