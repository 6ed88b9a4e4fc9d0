"""The data dictionary: docs/data-dictionary.md, made from the comments that the schema itself carries.

`python -m cloudsales_pipeline.database.dictionary` migrates an empty database in a throw-away embedded server and prints
the page, so that it never depends on somebody's data. What does not belong here: any sentence about a table; those are
comments in the migrations.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from cloudsales_pipeline.database import migrate, server
from cloudsales_pipeline.database.engine import create_engine, statement

PACKAGE = "cloudsales_pipeline.database"
VERSION_TABLE = "schema_version"

HEAD = """\
# Data dictionary

Made by `make docs-data` from the comments in the database's schema; a test checks that it is current. Correct the comment
in a migration, never this page.
"""


class Column(NamedTuple):
    """One column of a table or view, with its relation's facts beside it."""

    schema_name: str
    relation: str
    is_view: bool
    relation_comment: str
    column_name: str
    column_type: str
    required: bool
    column_comment: str


def read_columns(engine: Engine) -> list[Column]:
    """Every column of the schemas analytics and cloudsales, by schema, relation and position."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text(statement(PACKAGE, "dictionary"))).all()
    return [Column(*row) for row in rows if row.relation != VERSION_TABLE]


def read_schema_comments(engine: Engine) -> dict[str, str]:
    """What the two schemas say of themselves."""
    query = "select nspname, coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace where nspname = any (:names)"
    with engine.connect() as connection:
        rows = connection.execute(sa.text(query), {"names": ["analytics", "cloudsales"]})
        return {str(name): str(comment) for name, comment in rows}


def page(engine: Engine) -> str:
    """The dictionary of a migrated database as Markdown."""
    comments = read_schema_comments(engine)
    parts = [HEAD]
    for schema, columns in groupby(read_columns(engine), key=lambda column: column.schema_name):
        parts.append(f"\n## Schema `{schema}`\n\n{comments[schema]}\n")
        for _, relation in groupby(columns, key=lambda column: column.relation):
            parts.extend(_section(list(relation)))
    return "".join(parts)


def _section(columns: Sequence[Column]) -> Iterator[str]:
    """One table or view: its comment, then a line a column."""
    first = columns[0]
    yield f"\n### {first.schema_name}.{first.relation}\n\n{first.relation_comment}\n\n"
    yield "| column | type | |\n|---|---|---|\n"
    for column in columns:
        kind = column.column_type + (", required" if column.required else "")
        yield f"| {column.column_name} | {kind} | {_cell(column.column_comment)} |\n"


def _cell(text: str) -> str:
    """Text that stays in one cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())


def main() -> None:
    """Print the page of this code's schema."""
    with tempfile.TemporaryDirectory(prefix="cs-dictionary-", ignore_cleanup_errors=True) as folder:
        url = make_url(server.start(Path(folder)))
        try:
            migrate.ensure_database(url, "dictionary")
            engine = create_engine(url.set(database="dictionary"), as_owner=True)
            migrate.upgrade(engine)
            sys.stdout.write(page(engine))
            engine.dispose()
        finally:
            server.stop(Path(folder))


if __name__ == "__main__":
    main()
