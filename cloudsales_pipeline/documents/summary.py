"""How documents and waybills stand: what is due, what was issued today and by which rule. For Dagster's pages; nothing of buyers.

What belongs here: reading the standing. What does not: issuing and handing over.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.issuing import channels_differ
from cloudsales_pipeline.documents.waybills import due_now as waybills_due
from cloudsales_pipeline.settings import Settings

Rows = list[dict[str, Any]]


def due_now(connection: Connection, settings: Settings) -> dict[str, bool]:
    """What there is to do now, by kind of work: orders, papers, handovers, submissions, waybills, labels,
    parcels (to be asked about), channels.

    channels: the settings have other channels or rules than orders were judged by. Some index look-ups; no table is read.
    """
    found = {name: bool(value) for name, value in _rows(connection, "due")[0].items()}
    if settings.documents.e_invoice_folder is None:
        found["submissions"] = False
    return found | waybills_due(connection, settings) | {"channels": channels_differ(connection, settings)}


def standing_of(connection: Connection) -> dict[str, int]:
    """How much waits, by kind of work."""
    return {name: int(value) for name, value in _rows(connection, "standing")[0].items()}


def issued_on(connection: Connection, today: date) -> int:
    """How many documents are dated that day."""
    return int(_run(connection, "issued_on", today=today).scalar_one())


def rows_of(connection: Connection, step: str, **values: Any) -> Rows:
    """A table: today, by_rule, by_day (with `today`); last, last_waybills, unclear (`limit`); waybills_by_state, couriers."""
    return _rows(connection, step, **values)


def _rows(connection: Connection, step: str, **values: Any) -> Rows:
    return [dict(row) for row in _run(connection, step, **values).mappings()]


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "summary")[step]), values)
