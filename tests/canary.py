"""Canaries: unique strings that stand for names, mails, phones and secrets, and a scan of all places for them (I-46).

A test puts them where a person's data or a secret comes in, lets everything run, failing runs too, and asks where they can be seen:
in every table of the database but those of the schema personal, in every file of a folder and in its name, also inside SQLite files,
and in texts such as a command's output.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import Connection, Engine

from tests.conftest import SERVER_VARIABLE

KEPT_APART = ("personal",)
TABLES = """
select n.nspname, c.relname,
       coalesce(array_agg(a.attname) filter (where a.atttypid = 'bytea'::regtype), '{}')
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%%'
group by 1, 2 order by 1, 2
"""


class Canaries:
    """The canaries of one test; each is a string nobody else writes, and is known by what it stands for."""

    def __init__(self) -> None:
        self._needles: dict[str, str] = {}

    def text(self, stands_for: str, form: str = "{}") -> str:
        """A new canary, in a form such as "{}@example.invalid"."""
        needle = f"kq{uuid.uuid4().hex[:14]}"
        self._needles[needle] = stands_for
        return form.format(needle)

    def phone(self, stands_for: str = "phone") -> str:
        """A new canary that is a phone number."""
        needle = f"7{uuid.uuid4().int % 10**8:08}"
        self._needles[needle] = stands_for
        return f"+40{needle}"

    def seen_in(self, content: str | bytes) -> set[str]:
        """What the canaries stand for that can be seen in this, plain, as hex digits or compressed; whatever their case."""
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        looked = [data.lower()]
        if (packed := _unpacked(data)) is not None:
            looked.append(packed.lower())
        return {what for needle, what in self._needles.items() if any(_is_in(needle.encode(), one) for one in looked)}

    @property
    def all(self) -> set[str]:
        """What they stand for."""
        return set(self._needles.values())


def in_database(canaries: Canaries, owner: Engine, *, apart: Iterable[str] = KEPT_APART) -> list[str]:
    """Where they are seen, as `schema.table: what`; every row of every table but those of the schemas `apart`.

    Args:
        owner: an engine that may read everything.
    """
    with owner.connect() as connection:
        tables = [row for row in connection.exec_driver_sql(TABLES) if row[0] not in set(apart)]
        assert len(tables) > 20, "this is not our database"
        return sorted(
            f"{schema}.{table}: {what}"
            for schema, table, packed in tables
            for what in _in_table(canaries, connection, f'"{schema}"."{table}"', packed)
        )


def in_files(canaries: Canaries, folder: Path) -> list[str]:
    """Where they are seen, as `path: what`, in names of files and folders, in files, and in the rows of SQLite files."""
    found = set()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        found |= {f"name of a file: {what}" for what in canaries.seen_in(name)}
        if path.is_file():
            found |= {f"{name}: {what}" for part in _parts(path) for what in canaries.seen_in(part)}
    return sorted(found)


def server_log() -> str:
    """What the tests' database server has written so far."""
    return "".join(
        path.read_text("utf-8", "replace") for path in Path(os.environ[SERVER_VARIABLE]).rglob("log") if path.is_file()
    )


def _in_table(canaries: Canaries, connection: Connection, table: str, packed: list[str]) -> set[str]:
    seen = set()
    for row in connection.exec_driver_sql(f"select t::text from {table} t"):
        seen |= canaries.seen_in(row[0])
    for column in packed:
        for row in connection.exec_driver_sql(f'select "{column}" from {table} where "{column}" is not null'):
            seen |= canaries.seen_in(bytes(row[0]))
    return seen


def _parts(path: Path) -> Iterator[str | bytes]:
    content = path.read_bytes()
    yield content
    if content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as database:
            for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
                for row in database.execute(f'select * from "{table}"'):
                    yield from (value for value in row if isinstance(value, str | bytes))


def _is_in(needle: bytes, data: bytes) -> bool:
    return needle in data or needle.hex().encode() in data


def _unpacked(data: bytes) -> bytes | None:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return None
