"""E-invoices on their way to the tax authority: what is due is handed over once, its state kept (`document_submission`).

What belongs here: taking what is due, and what the answer means. What does not: the door itself and its days (`submission`).

A row is leased before the call and marked after it. One whose call never came back to us is handed over again under the same
name, which the authority's door promises to keep once; where a door can't promise it, it raises `SubmissionUnclearError`.
"""

from __future__ import annotations

import json
import time
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.submission import (
    Folder,
    SubmissionRefusedError,
    SubmissionUnclearError,
    TaxAuthority,
)
from cloudsales_pipeline.errors import CloudSalesError, InputError, RefusedError
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings

BATCH = 50
LEASE_SECONDS = 180.0


class Submitted(Struct, frozen=True, kw_only=True):
    """What a pass did. `open`: no authority is set up, so e-invoices wait for a person."""

    sent: int = 0
    rejected: int = 0
    unknown: int = 0
    again: int = 0
    open: bool = True


def authority_of(settings: Settings) -> TaxAuthority | None:
    """The door that the settings name; None where a person hands e-invoices over."""
    folder = settings.documents.e_invoice_folder
    return None if folder is None else Folder(folder)


def submit_due(engine: Engine, authority: TaxAuthority | None, *, seconds: float = 60.0) -> Submitted:
    """Hand over the e-invoices that are made and due, until none is or the time is over."""
    if authority is None:
        return Submitted(open=False)
    deadline = time.monotonic() + seconds
    counts = {"sent": 0, "rejected": 0, "unknown": 0, "again": 0}
    while time.monotonic() < deadline:
        rows = order_work(engine, _lease, doing="take e-invoices that are due")
        if not rows:
            break
        answers = [_sent(authority, row) for row in rows]
        _mark(engine, answers)
        for answer in answers:
            counts[answer["outcome"]] += 1
        if all(answer["outcome"] == "again" for answer in answers):
            break  # the door is shut
    return Submitted(sent=counts["sent"], rejected=counts["rejected"], unknown=counts["unknown"], again=counts["again"])


def e_invoices(connection: Connection, *, open_only: bool = False, limit: int = 200) -> list[dict[str, Any]]:
    """Where e-invoices stand, by their last day; `open_only`: those that are neither sent nor accepted."""
    return [dict(row) for row in _run(connection, "list", open_only=open_only, limit=limit).mappings()]


def decide(engine: Engine, series: str, number: int, *, reference: str | None) -> str:
    """A person's word on an e-invoice: it is there under `reference`, or (None) it is not, and is handed over again; its state.

    Raises:
        InputError: no such document, or one that needs no e-invoice.
        RefusedError: it is with the authority already.
    """

    def work(connection: Connection) -> str:
        found = _run(connection, "one", series=series, number=number).one_or_none()
        if found is None:
            raise InputError(f"There is no e-invoice {series} {number}.", next_step="see cloudsales documents e-invoices")
        if found.state in ("sent", "accepted"):
            raise RefusedError(f"{series} {number} is {found.state} already.")
        state = "due" if reference is None else "sent"
        _run(connection, "decide", document_id=found.document_id, state=state, reference=reference)
        return state

    return order_work(engine, work, doing="decide on an e-invoice")


def _lease(connection: Connection) -> Any:
    return _run(connection, "lease", most=BATCH, lease=LEASE_SECONDS).all()


def _sent(authority: TaxAuthority, row: Any) -> dict[str, Any]:
    try:
        reference, outcome, reason = authority.send(row.name, bytes(row.content)), "sent", None
    except SubmissionRefusedError as error:
        reference, outcome, reason = None, "rejected", error.reason
    except SubmissionUnclearError:
        reference, outcome, reason = None, "unknown", "no_answer"
    except (CloudSalesError, OSError) as error:
        reference, outcome, reason = None, "again", type(error).__name__
    return {"document_id": row.document_id, "outcome": outcome, "reference": reference, "reason": reason}


def _mark(engine: Engine, answers: list[dict[str, Any]]) -> None:
    def work(connection: Connection) -> None:
        _run(connection, "mark", rows=json.dumps(answers))
        _run(connection, "quarantine", rows=json.dumps(answers))

    order_work(engine, work, doing="mark e-invoices")


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(__package__, "submitting")[step]), values)
