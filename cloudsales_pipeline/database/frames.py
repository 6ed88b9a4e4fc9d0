"""The analysts' tables as pandas frames, for notebooks and reports.

What belongs here: reading views of the schema analytics with types that lose nothing. What does not: anything the pipeline
itself works with; its own paths stay in SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from cloudsales_pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy.engine import Connection, Engine


def read_view(engine: Engine, view: str, *, limit: int | None = None, **equal: object) -> pd.DataFrame:
    """Rows of a view as a frame: codes stay text (00123 is no number), money stays Decimal, moments have a zone.

    Args:
        engine: on our database, see `database.engine.engine_for`.
        view: a name in the schema analytics, for example `match_outcome`.
        limit: at most so many rows.
        equal: columns that must have a value: `channel="fashionup", outcome="conflict"`.

    Raises:
        InputError: there is no such view, or it has no such column; says which there are.
    """
    import pandas as pd

    with engine.connect() as connection:
        table = _table(connection, view, tuple(equal))
        query = sa.select(table).limit(limit)
        for column, value in equal.items():
            query = query.where(table.c[column] == value)
        # object first: pandas would otherwise guess numbers in columns of codes
        frame = pd.read_sql(query, connection, dtype=object, coerce_float=False)
        for name, kind in ((column.name, column.type) for column in table.columns.values()):
            if isinstance(kind, sa.Text | sa.String):
                frame[name] = frame[name].astype("str")
            elif isinstance(kind, sa.TIMESTAMP):
                frame[name] = pd.to_datetime(frame[name], utc=True)
        return frame


def _table(connection: Connection, view: str, columns: tuple[str, ...]) -> sa.Table:
    views = sa.inspect(connection).get_view_names(schema="analytics")
    if view not in views:
        raise InputError(f"There is no view {view!r}; there are: {', '.join(sorted(views))}.")
    table = sa.Table(view, sa.MetaData(), schema="analytics", autoload_with=connection)
    for column in columns:
        if column not in table.c:
            raise InputError(f"The view {view} has no column {column!r}; it has: {', '.join(table.c.keys())}.")
    return table
