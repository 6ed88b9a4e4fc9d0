"""What Dagster alone knows, kept in our own tables: failed jobs, red checks, and that the daemon lives.

What belongs here: writing it down, so that `status` and the metrics need no Dagster. What does not: asking Dagster
(`sensors.operators`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps

FIRST_LOOK_BACK = timedelta(days=1)
FORGOTTEN_AFTER = timedelta(days=14)
OVERLAP = timedelta(minutes=2)  # between Dagster's clock and ours; what was seen before counts once


class FailedRun(Struct, frozen=True):
    """A run that failed. `channel`: its partition; `error`: the class of what was raised, never its text."""

    job: str
    channel: str
    run_id: str
    error: str
    failed_at: datetime


class RedCheck(Struct, frozen=True):
    """A check whose last evaluation did not pass. `warns`: it says that a person should look, not that something is broken."""

    asset: str
    rule: str
    warns: bool
    rows_offending: int | None
    red_since: datetime


def read_from(connection: Connection, now: datetime) -> datetime:
    """From when on Dagster's runs are still to be read."""
    until = run(connection, "read_until").scalar_one_or_none()
    return (until - OVERLAP) if until is not None else now - FIRST_LOOK_BACK


def open_failures(connection: Connection) -> list[FailedRun]:
    """The jobs whose last known run failed."""
    return [FailedRun(row.job, row.channel, row.run_id, "", row.failed_at) for row in run(connection, "open_failures")]


def note_failed(connection: Connection, runs: Sequence[FailedRun]) -> None:
    """Note failed runs; a run that was noted is not counted again."""
    _with_rows(connection, "failed", [_plain(one) for one in runs])


def note_succeeded(connection: Connection, jobs: Sequence[FailedRun]) -> None:
    """These jobs have succeeded since they failed."""
    _with_rows(connection, "succeeded", [{"job": one.job, "channel": one.channel} for one in jobs])


def forget_old(connection: Connection, now: datetime) -> None:
    """Forget jobs that have not failed for two weeks and were run no more."""
    run(connection, "forget", before=now - FORGOTTEN_AFTER)


def note_checks(connection: Connection, red: Sequence[RedCheck], now: datetime, *, undecided: Sequence[str] = ()) -> None:
    """These checks are red now, and no others; `undecided` (asset.rule): evaluated just now, they stay as they were."""
    run(connection, "checks", rows=json.dumps([_plain(one) for one in red]), now=now, undecided=list(undecided))


def note_read(connection: Connection, until: datetime) -> None:
    """Dagster's runs were read until then."""
    run(connection, "seen", process="record", now=until)


def note_alive(connection: Connection, now: datetime) -> None:
    """Dagster's daemon lives."""
    run(connection, "seen", process="daemon", now=now)


def run(connection: Connection, step: str, **values: object) -> sa.CursorResult[Any]:
    """A step of records.sql."""
    return connection.execute(sa.text(steps(__package__, "records")[step]), values)


def _with_rows(connection: Connection, step: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        run(connection, step, rows=json.dumps(rows))


def _plain(one: Struct) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in one.__struct_fields__}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
