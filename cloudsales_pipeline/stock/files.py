"""Files of movements: reference, warehouse, sku, reason, quantity[, occurred_at], as CSV or spreadsheet.

What belongs here: a file's rows as movements, taking a file in once by its content, and the quarantine of rows that can't be
posted. What does not: judging a movement (`movements`) and how a file is read as text (`catalog.file`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.file import FileRow, content_hash, read_rows
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.stock.file_names import plain_name
from cloudsales_pipeline.stock.movements import (
    ANOTHER_POSTED_IT,
    Movement,
    PostResult,
    Refused,
    Then,
    nothing,
    post_movements,
)

COLUMNS = ("reference", "warehouse", "sku", "reason", "quantity")
LONGEST_TEXT = 200  # of a field that is kept as evidence
MOST_ROWS = 500_000  # all of them are judged in one transaction
TAIL = 65_536  # bytes at a file's end that are looked at
FAULTS = {
    "unfinished_line": "the last line has no end: was the file cut? The row may be more than what is here",
    "nul_character": "the row has a character that is none: write the file again",
}
UNFITTING = "the row has more or fewer fields than the header: was the file cut?"


@dataclass(frozen=True)
class FileCounts:
    """What a file of another kind came to; rows_in = loaded + unchanged + quarantined (I-44)."""

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int


FileWork = Callable[[Connection, int], FileCounts]
"""What a file of another kind does, in the transaction that notes the file; the number is the file's."""


@dataclass(frozen=True)
class FileResult:
    """What became of a file; rows_in = loaded + unchanged + quarantined (I-44). taken_before: the same content was in already."""

    file_id: int
    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    taken_before: bool = False
    refused: tuple[Refused, ...] = ()


def load_file(
    engine: Engine,
    path: Path,
    *,
    timezone: str,
    encoding: str | None = None,
    channel: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    then: Then = nothing,
) -> FileResult:
    """Take a file of movements in, whole, in one transaction; the same content again, under any name, does nothing (F-30).
    That also makes it safe to try again after a deadlock, or a connection lost while committing (F-21, F-22).

    Rows that can't be posted are in quarantine with their row number, reason and evidence; the others are posted. `channel`
    is the store that dropped it: its sales are facts, and take precedence over reservations; and its last row is held where
    the file's last line has no end, for a cut `120` reads as `12`. `then` serves who waits.

    Raises:
        InputError: the file can't be read as a whole: no such file, no header, not a spreadsheet, a quote that never closes,
            more than 500,000 rows.
        RefusedError: it changed while it was read: nothing was posted.
        DatabaseError: the database can't be reached, or others kept changing the same rows.
    """
    rows, content = _read_whole(path, encoding)
    if channel and rows and is_unfinished(path):
        rows[-1] = replace(rows[-1], fault=rows[-1].fault or "unfinished_line")
    name = plain_name(path.name)
    facts = {"channel": channel, "name": name, "hash": content, "bytes": path.stat().st_size}
    good, bad = _parse(rows, ZoneInfo(timezone))

    def work(connection: Connection) -> FileResult:
        return _take_in(connection, facts, good, bad, now(), then)

    return unit_of_work(engine, work, also=ANOTHER_POSTED_IT, repeatable=True)


def take_file(engine: Engine, path: Path, channel: str, work: FileWork, *, stage: str) -> FileCounts | None:
    """Take in a dropped file that another stage reads: once by its content, in one transaction with what it does (F-30).

    Returns:
        None: the same content was in already.
    """
    facts = {
        "channel": channel,
        "name": plain_name(path.name),
        "hash": content_hash(path),
        "bytes": path.stat().st_size,
    }
    queries = steps(__package__, "files")

    def take(connection: Connection) -> FileCounts | None:
        file_id = connection.scalar(sa.text(queries["claim"]), facts)
        if file_id is None:
            return None
        counts = work(connection, file_id)
        connection.execute(sa.text(queries["count"]), {"file_id": file_id, **_counts(counts)})
        connection.execute(sa.text(queries["summary"]), {"stage": stage, "channel": channel, **_counts(counts)})
        return counts

    return unit_of_work(engine, take, also=ANOTHER_POSTED_IT, repeatable=True)


def _take_in(
    connection: Connection, facts: dict[str, Any], good: list[Movement], bad: list[Refused], now: datetime, then: Then
) -> FileResult:
    """All that a file changes, in the caller's transaction; nothing where its content was in already."""
    queries = steps(__package__, "files")
    file_id = connection.scalar(sa.text(queries["claim"]), facts)
    if file_id is None:
        before = connection.execute(sa.text(queries["before"]), facts).one()
        return FileResult(before.file_id, before.rows_in, before.loaded, before.unchanged, before.quarantined, taken_before=True)
    name, channel = facts["name"], facts["channel"]
    posted = post_movements(connection, good, now=now, facts=bool(channel), file_id=file_id, then=then)
    result = _counted(file_id, len(good) + len(bad), posted, bad)
    _settle(connection, good, posted)  # before this file's own rows are held
    _quarantine(connection, f"{name} (file {file_id})" if channel else name, channel, result)
    connection.execute(sa.text(queries["count"]), {"file_id": file_id, **_counts(result)})
    connection.execute(sa.text(queries["summary"]), {"stage": "stock", "channel": channel, **_counts(result)})
    return result


def _read_whole(path: Path, encoding: str | None) -> tuple[list[FileRow], bytes]:
    """The rows and the hash of one and the same content."""
    before = content_hash(path) if path.is_file() else b""  # a missing one is read_rows' to name
    rows = list(islice(read_rows(path, required=COLUMNS, encoding=encoding), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise InputError(f"{path.name} has more than {MOST_ROWS:,} rows.", next_step="split it into several files")
    if content_hash(path) != before:
        raise RefusedError(f"{path.name} changed while it was read; nothing was posted.", next_step="load it when it is complete")
    return rows, before


def is_unfinished(path: Path) -> bool:
    """Whether a CSV's last line has something in it and no end. A spreadsheet can't be read at all where it was cut."""
    if path.suffix.lower() not in (".csv", ".txt", ".tsv"):
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        line = re.split(rb"[\r\n]", file.read())[-1]
    return bool(line.strip(b" \t,;|\x00\xef\xbb\xbf"))


def _counted(file_id: int, rows_in: int, posted: PostResult, bad: list[Refused]) -> FileResult:
    refused = tuple(sorted([*bad, *posted.refused], key=lambda one: one.movement.row))
    return FileResult(file_id, rows_in, posted.posted, posted.unchanged, len(refused), refused=refused)


def _counts(result: FileResult | FileCounts) -> dict[str, int]:
    return {name: getattr(result, name) for name in ("rows_in", "loaded", "unchanged", "quarantined")}


def _parse(rows: list[FileRow], zone: ZoneInfo) -> tuple[list[Movement], list[Refused]]:
    good: list[Movement] = []
    bad: list[Refused] = []
    for row in rows:
        movement, fault = parse_row(row, zone)
        if fault:
            bad.append(Refused(movement, *fault))
        else:
            good.append(movement)
    return good, bad


def parse_row(row: FileRow, zone: ZoneInfo) -> tuple[Movement, tuple[str, dict[str, object]] | None]:
    """A row as a movement, and a reason code with evidence where it is none. Pure. A time without a zone is in `zone` (F-33)."""
    fields = {name: row.fields.get(name, "").strip() for name in (*COLUMNS, "occurred_at")}
    movement = Movement(fields["reference"], fields["warehouse"], fields["sku"], fields["reason"].lower(), 0, row=row.number)
    if row.fault:
        return movement, (row.fault, {"what": FAULTS.get(row.fault, UNFITTING)})
    quantity, fault = read_quantity(fields["quantity"])
    if fault:
        return movement, (fault, {"what": "a whole number of pieces is expected", "found": fields["quantity"][:LONGEST_TEXT]})
    try:
        at = read_instant(fields["occurred_at"], zone)
    except ValueError:
        evidence: dict[str, object] = {"what": "a time such as 2026-11-24 18:30", "found": fields["occurred_at"][:LONGEST_TEXT]}
        return movement, ("bad_time", evidence)
    return Movement(movement.reference, movement.warehouse, movement.sku, movement.reason, quantity, at, row.number), None


def read_quantity(text: str) -> tuple[int, str | None]:
    """A whole number of pieces, and a reason code where it is none: `3` and `3.0` are, `2.5`, `1e12` and words are not."""
    whole = re.fullmatch(r"([+-]?\d{1,18})(?:\.0+)?", text)
    if whole:
        return int(whole[1]), None
    return 0, "quantity_fraction" if re.fullmatch(r"[+-]?\d+[.,]\d+", text) else "bad_quantity"


def read_instant(text: str, zone: ZoneInfo) -> datetime | None:
    """A moment in ISO 8601, in `zone` where it names none (F-33); None where there is none.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _quarantine(connection: Connection, name: str, channel: str, result: FileResult) -> None:
    """By file and row. A till calls each day's file the same: its number keeps today's rows apart from yesterday's."""
    if not result.refused:
        return
    rows = [
        {
            "reference": f"{name}:{one.movement.row}",
            "reason": one.reason,
            "detail": {
                **{field: getattr(one.movement, field)[:LONGEST_TEXT].replace("\x00", "") for field in COLUMNS[:4]},
                "quantity": one.movement.quantity,
                "file_id": result.file_id,
                "row": one.movement.row,
                **one.detail,
            },
        }
        for one in result.refused
    ]
    connection.execute(sa.text(steps(__package__, "files")["quarantine"]), {"channel": channel, "rows": json.dumps(rows)})


def _settle(connection: Connection, good: list[Movement], posted: PostResult) -> None:
    """Lines that waited in quarantine since an earlier file and are posted now are settled."""
    refused = {id(one.movement) for one in posted.refused}
    settled = [line for line in good if id(line) not in refused]
    names = ("reference", "warehouse", "sku", "reason")
    values = {name: [getattr(line, name) for line in settled] for name in names}
    connection.execute(sa.text(steps(__package__, "files")["settle"]), values)
