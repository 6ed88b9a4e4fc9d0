"""Metadata worth opening, from plain rows: tables, counts, a table's schema. No asset's own story is told here.

Text from outside goes into table cells and text, which Dagster shows as they are, never into markdown (I-48).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

CELL_LENGTH = 80
PROGRESS_SECONDS = 5.0
Cell = str | int | float | bool | None


class Counted(Protocol):
    """What every pass over rows reports: rows_in = loaded + unchanged + quarantined (I-44)."""

    @property
    def rows_in(self) -> int: ...  # noqa: D102
    @property
    def loaded(self) -> int: ...  # noqa: D102
    @property
    def unchanged(self) -> int: ...  # noqa: D102
    @property
    def quarantined(self) -> int: ...  # noqa: D102


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """Rows as a table; the word `none` where there are no rows, for an empty table shows nothing."""
    if not rows:
        return dg.MetadataValue.text("none")
    names = list(rows[0])
    schema = dg.TableSchema([dg.TableColumn(name, _column_type([row.get(name) for row in rows])) for name in names])
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in rows]
    return dg.MetadataValue.table(records, schema)


def counts(result: Counted, seconds: float) -> dict[str, Any]:
    """The four counts and the rate in rows a second."""
    rate = round(result.rows_in / seconds) if seconds > 0 else 0
    return {
        "rows_in": result.rows_in,
        "loaded": result.loaded,
        "unchanged": result.unchanged,
        "quarantined": result.quarantined,
        "seconds": round(seconds, 3),
        "rows_per_second": rate,
    }


def described(connection: Connection, view: str) -> dict[str, Any]:
    """Name and columns of a view of the analysts' schema, as Dagster's own metadata keys; from the catalogue's comments."""
    import sqlalchemy as sa

    rows = connection.execute(
        sa.text(
            "select a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum)"
            " from pg_attribute a where a.attrelid = to_regclass(:view) and a.attnum > 0 and not a.attisdropped"
            " order by a.attnum"
        ),
        {"view": f"analytics.{view}"},
    )
    columns = [dg.TableColumn(name, kind, description=comment) for name, kind, comment in rows]
    database = connection.engine.url.database
    return {"dagster/table_name": f"{database}.analytics.{view}", "dagster/column_schema": dg.TableSchema(columns)}


def progress(log: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> Callable[[object], None]:
    """A callback for long work: a line at most each few seconds, of the counts in the frozen object that it is given."""
    last = clock()

    def report(stand: object) -> None:
        nonlocal last
        if clock() - last >= PROGRESS_SECONDS:
            last = clock()
            log(_spoken(stand))

    return report


def _spoken(stand: object) -> str:
    values: Mapping[Any, object]
    if dataclasses.is_dataclass(stand):
        values = {field.name: getattr(stand, field.name) for field in dataclasses.fields(stand)}
    elif isinstance(stand, Mapping):
        values = stand
    else:
        return str(stand)
    return ", ".join(f"{str(name).replace('_', ' ')} {value}" for name, value in values.items())


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime):
        value = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if value.tzinfo else f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple | set):
        value = ", ".join(str(part) for part in value)
    text = str(value)
    return text if len(text) <= CELL_LENGTH else text[: CELL_LENGTH - 1] + "…"


def _number(value: Decimal) -> int | str:
    """A sum of counts as the whole number that it is; what has decimals as it is written: 186852.60 is no 186852.6."""
    return int(value) if value.as_tuple().exponent == 0 else f"{value:f}"


def _column_type(values: Sequence[Any]) -> str:
    found = {type(_number(value) if isinstance(value, Decimal) else value) for value in values if value is not None}
    if found and found <= {int}:
        return "int"
    return "float" if found and found <= {int, float} else "string"


def select(connection: Connection, sql: str, **values: Any) -> list[dict[str, Any]]:
    """A query's rows, for `table`."""
    import sqlalchemy as sa

    return [dict(row) for row in connection.execute(sa.text(sql), values).mappings()]
