"""Labels of waybills that were made: fetched by whoever finds them missing, and kept with the other files.

What belongs here: which are due, what a label must be, keeping it. What does not: making waybills (`waybills`).

A label names the buyer. It lies among the personal data, and goes when the order is erased (orders/privacy.sql).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.couriers.port import Courier, CourierAwayError, CourierError
from cloudsales_pipeline.documents.couriers.rounds import Open, clock_of, opened
from cloudsales_pipeline.documents.shipping import Outcome
from cloudsales_pipeline.documents.standing import locked, quarantine
from cloudsales_pipeline.documents.waybill_desk import later, note_standing, order_of
from cloudsales_pipeline.errors import describe_unexpected
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.outbox.files import File, store_files
from cloudsales_pipeline.settings import Settings

BATCH = 10
ATTEMPTS = 8
CLAIM_SECONDS = 600
LARGEST = 5_000_000
"""Bytes. A label is a page."""


@dataclass
class LabelResult:
    """What a pass did. refused: what came was no label, quarantined and tried again a few times; again: the courier was away."""

    labelled: int = 0
    refused: int = 0
    again: int = 0
    complaints: dict[str, str] = field(default_factory=dict)


def fetch_due(
    engine: Engine,
    settings: Settings,
    couriers: Open | Mapping[str, Courier],
    *,
    now: datetime | None = None,
    seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> LabelResult:
    """Fetch the labels that are missing, in batches, until none is due. Several may run at once; done again, it does nothing.

    Raises:
        DatabaseError: the database can't be reached.
    """
    result, deadline, moment = LabelResult(), clock() + seconds, clock_of(now)

    def serve(name: str, courier: Courier) -> Counter[str]:
        done: Counter[str] = Counter()
        while clock() < deadline and (rows := _claim(engine, name, moment())):
            done += _keep(engine, name, rows, _ask_all(courier, rows), moment())
        return done

    with engine.connect() as connection:
        names = list(_run(connection, "couriers", now=moment(), most=ATTEMPTS).scalars())
    with opened(settings, couriers) as ways:
        done = sum(ways.each(names, serve), Counter[str]())
        result.complaints.update(ways.complaints)
    result.labelled, result.refused, result.again = done["labelled"], done["refused"], done["away"]
    return result


def ask_again(connection: Connection, waybill_id: int, now: datetime) -> None:
    """A label that was given up is due again, on a person's word."""
    _run(connection, "again", waybill_id=waybill_id, now=now)


def _claim(engine: Engine, courier: str, now: datetime) -> Sequence[sa.Row[Any]]:
    values = {"courier": courier, "now": now, "most": ATTEMPTS, "batch": BATCH, "lasts": CLAIM_SECONDS}
    return order_work(engine, lambda c: _run(c, "claim", **values).all(), doing="claim labels")


def _ask_all(courier: Courier, rows: Sequence[sa.Row[Any]]) -> list[File | Outcome]:
    """An answer for each. Once the courier is away, the rest is not asked for and waits as long."""
    answers: list[File | Outcome] = []
    for row in rows:
        last = answers[-1] if answers else None
        answers.append(last if isinstance(last, Outcome) and last.kind == "away" else _ask(courier, row))
    return answers


def _ask(courier: Courier, row: sa.Row[Any]) -> File | Outcome:
    try:
        content = courier.label(row.number)
    except CourierAwayError as error:
        return Outcome(kind="away", reason=error.reason, what=error.message, retry_at=error.retry_at)
    except CourierError as error:
        return Outcome(kind="refused", reason=getattr(error, "reason", "unclear"), what=error.message)
    except Exception as error:  # a defect of ours or of the library
        return Outcome(kind="refused", reason="unexpected", what=describe_unexpected(error))
    if not _is_label(content):
        return Outcome(kind="refused", reason="label_not_pdf", what="What came is not a whole PDF of at most 5 MB.")
    return File(f"{row.courier}-{row.number}.pdf", "application/pdf", content)


def _is_label(content: object) -> bool:
    return (
        isinstance(content, bytes)
        and len(content) <= LARGEST
        and content.startswith(b"%PDF-")
        and b"%%EOF" in content[-1024:]  # else it was cut
    )


def _keep(
    engine: Engine,
    courier: str,
    rows: Sequence[sa.Row[Any]],
    answers: Sequence[File | Outcome],
    now: datetime,
) -> Counter[str]:
    files = [(row, answer) for row, answer in zip(rows, answers, strict=True) if isinstance(answer, File)]
    failed = [(row, answer) for row, answer in zip(rows, answers, strict=True) if isinstance(answer, Outcome)]

    def work(connection: Connection) -> int:
        standing = next((answer for _, answer in failed if answer.kind == "away"), Outcome(kind="absent"))
        note_standing(connection, courier, standing, now)
        locked(connection, [row.order_id for row in rows])
        kept = _store(connection, files)
        _put_off(connection, failed, now)
        _run(connection, "settle", orders=[row.order_id for row, _ in files])
        return kept

    kept = order_work(engine, work, doing="keep labels")
    return Counter(labelled=kept) + Counter(str(answer.kind) for _, answer in failed)


def _store(connection: Connection, files: Sequence[tuple[sa.Row[Any], File]]) -> int:
    wanted = set(_run(connection, "wanted", waybills=[row.waybill_id for row, _ in files]).scalars())
    kept = [(row.waybill_id, file) for row, file in files if row.waybill_id in wanted]
    ids = store_files(connection, [file for _, file in kept])
    _run(connection, "keep", waybills=[waybill for waybill, _ in kept], files=ids)
    return len(kept)


def _put_off(connection: Connection, failed: Sequence[tuple[sa.Row[Any], Outcome]], now: datetime) -> None:
    if not failed:
        return
    rows = [
        {
            "waybill_id": row.waybill_id,
            "due_at": later(row.attempts, answer, now).isoformat(),
            "counts": answer.kind == "refused",
        }
        for row, answer in failed
    ]
    _run(connection, "later", rows=json.dumps(rows))
    refused = [(row, answer) for row, answer in failed if answer.kind == "refused"]
    quarantine(
        connection,
        [
            (
                order_of(row),
                "label_refused",
                {"courier": row.courier, "number": row.number, "why": answer.reason, "what": answer.what},
            )
            for row, answer in refused
        ],
    )


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "labels")[step]), values)
