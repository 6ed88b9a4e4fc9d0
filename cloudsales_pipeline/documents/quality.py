"""What must always hold of documents, worked out again from the tables, apart from the keys and triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and running them (checks/*.sql, one query a rule: channel, ids,
numbers and figures of the rows that it looks at, and a boolean `fault`; no personal data). What does not: correcting anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.plan import tune_for_bulk
from cloudsales_pipeline.catalog.rules import SAMPLE_ROWS, RuleResult, without_comments
from cloudsales_pipeline.database.engine import statement


@dataclass(frozen=True)
class DocumentCheck:
    """One thing that must hold of documents; `name` is also the name of its SQL file. `asset`: whose check it is in Dagster."""

    name: str
    description: str
    what_to_do: str
    asset: str = "invoices"


_BY_HAND = "somebody wrote to the database past the triggers, or a backup was put back in part: restore these rows"

DOCUMENT_CHECKS: tuple[DocumentCheck, ...] = (
    DocumentCheck(
        "series_without_gaps",
        "Of each series, the numbers run from 1 to the last without a gap or a repeat (I-32).",
        f"{_BY_HAND}; ask your accountant before any number is given again",
    ),
    DocumentCheck("numbers_grow_with_dates", "In each series, a higher number never has an earlier date (I-32).", _BY_HAND),
    DocumentCheck(
        "one_live_invoice",
        "An order has at most one live fiscal invoice, and one that lives no more is corrected in whole (I-31).",
        _BY_HAND,
    ),
    DocumentCheck(
        "totals_match_orders",
        "An invoice's total is its order's, unless it is flagged total_differs; and its row says what stands on it (I-34).",
        f"compare the invoice with the order; where both are right, {_BY_HAND}",
    ),
    DocumentCheck(
        "handed_over_in_time",
        "Every issued document was given to its channel within documents.unknown_after.",
        "see that the channel answers; the next pass hands over again. What it refused is for a person",
    ),
    DocumentCheck(
        "nothing_unclear",
        "No waybill and no hand-over to the tax authority is unclear for longer than documents.unknown_after.",
        "see that the courier answers; look the parcel up in its portal by our reference",
        asset="waybills",
    ),
    DocumentCheck(
        "one_live_waybill",
        "A parcel has at most one waybill that lives, and a courier's number belongs to one alone (I-37).",
        _BY_HAND,
        asset="waybills",
    ),
    DocumentCheck(
        "waybills_complete",
        "What was made is handed over to its channel, its order is frozen, and it has its label within documents.unknown_after.",
        "see cloudsales quarantine list --stage documents, and that the courier answers; cloudsales waybills label asks again",
        asset="waybills",
    ),
    DocumentCheck(
        "waybills_of_cancelled_orders",
        "No parcel of a cancelled order waits at the courier for longer than documents.unknown_after.",
        "see that the courier answers; what it does not take back is stopped by telephone",
        asset="waybills",
    ),
    DocumentCheck(
        "parcels_go_forward",
        "A parcel is never less far than what its courier said of it (F-18), and what has ended says when.",
        _BY_HAND,
        asset="waybills",
    ),
)


def check_documents(
    engine: Engine, unknown_after: timedelta, checks: Sequence[DocumentCheck] = DOCUMENT_CHECKS
) -> tuple[RuleResult, ...]:
    """Check all documents by these rules. Each sees one moment of the database, and reads every document there is."""
    return tuple(_check(engine, one, unknown_after) for one in checks)


def _check(engine: Engine, rule: DocumentCheck, unknown_after: timedelta) -> RuleResult:
    """One rule in a transaction of its own: one that is broken neither passes nor hides the others."""
    try:
        with engine.begin() as connection:
            checked, offending, sample = _run(connection, rule, unknown_after)
    except sa.exc.SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__  # never its text, which may hold values
        advice = f"the rule could not be evaluated ({cause}): run `cloudsales init`, see that the database is up, and try again"
        return RuleResult(rule.name, rule.description, False, False, 0, 0, (), advice)
    advice = rule.what_to_do if offending else ""
    return RuleResult(rule.name, rule.description, not offending, True, checked, offending, sample, advice)


def _run(connection: Connection, rule: DocumentCheck, unknown_after: timedelta) -> tuple[int, int, tuple[dict[str, object], ...]]:
    """How many rows the rule looked at, how many are at fault, and some of these; a fault that is null counts as one."""
    tune_for_bulk(connection)
    query = without_comments(statement(__package__, f"checks/{rule.name}"))
    values = {"unknown_after": unknown_after.total_seconds()} if ":unknown_after" in query else {}
    row = connection.execute(
        sa.text(
            f"with looked as materialized ({query}) "  # noqa: S608 - our own file
            "select count(*), count(*) filter (where fault is not false),"
            " (select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(f) - 'fault')), '[]')"
            f" from (select * from looked where fault is not false limit {SAMPLE_ROWS}) f)"
            " from looked"
        ),
        values,
    ).one()
    return row[0], row[1], tuple(row[2])
