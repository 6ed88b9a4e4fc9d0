"""What must always hold of documents, worked out again from the tables, apart from the keys and triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and each one (checks/*.sql, one query a rule: channel, ids,
numbers and figures of the rows that it looks at, and a boolean `fault`; no personal data). What does not: correcting anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.audit import AuditRule, audit
from cloudsales_pipeline.catalog.rules import RuleResult
from cloudsales_pipeline.settings import Settings

_BY_HAND = "somebody wrote to the database past the triggers, or a backup was put back in part: restore these rows"

INVOICE_RULES: tuple[AuditRule, ...] = (
    AuditRule(
        "series_without_gaps",
        "Of each series, the numbers run from 1 to the last without a gap or a repeat (I-32).",
        f"{_BY_HAND}; ask your accountant before any number is given again",
    ),
    AuditRule("numbers_grow_with_dates", "In each series, a higher number never has an earlier date (I-32).", _BY_HAND),
    AuditRule(
        "one_live_invoice",
        "An order has at most one live fiscal invoice, and one that lives no more is corrected in whole (I-31).",
        _BY_HAND,
    ),
    AuditRule(
        "totals_match_orders",
        "An invoice's total is its order's, unless it is flagged total_differs; and its row says what stands on it (I-34).",
        f"compare the invoice with the order; where both are right, {_BY_HAND}",
    ),
    AuditRule(
        "handed_over_in_time",
        "Every issued document and waybill was given to its channel within documents.unknown_after.",
        "see that the channel answers; the next pass hands over again. What it refused is for a person:"
        " cloudsales quarantine list --stage documents, then cloudsales documents hand-over --refused",
    ),
    AuditRule(
        "submitted_in_time",
        "No e-invoice's last day for handing it to the tax authority is over, or is today, while it is not handed over.",
        "hand these over today: cloudsales documents get NUMBER --xml, or set documents.e_invoice_folder",
    ),
)
WAYBILL_RULES: tuple[AuditRule, ...] = (
    AuditRule(
        "nothing_unclear",
        "No waybill and no hand-over to the tax authority is unclear for longer than documents.unknown_after.",
        "see that the courier answers; look the parcel up in its portal by our reference",
    ),
    AuditRule(
        "one_live_waybill",
        "A parcel has at most one waybill that lives, and a courier's number belongs to one alone (I-37).",
        _BY_HAND,
    ),
    AuditRule(
        "waybills_complete",
        "What was made is handed over to its channel, its order is frozen, and it has its label within documents.unknown_after.",
        "see cloudsales quarantine list --stage documents, and that the courier answers; cloudsales waybills label asks again",
    ),
    AuditRule(
        "waybills_of_cancelled_orders",
        "No parcel of a cancelled order waits at the courier for longer than documents.unknown_after.",
        "see that the courier answers; what it does not take back is stopped by telephone",
    ),
    AuditRule(
        "parcels_go_forward",
        "A parcel is never less far than what its courier said of it (F-18), and what has ended says when.",
        _BY_HAND,
    ),
)
DOCUMENT_RULES = (*INVOICE_RULES, *WAYBILL_RULES)


def check_documents(engine: Engine, settings: Settings, rules: Sequence[AuditRule] = DOCUMENT_RULES) -> tuple[RuleResult, ...]:
    """Check all documents by these rules. Each sees one moment of the database, and reads every document there is."""
    values = {"unknown_after": settings.documents.unknown_after.total_seconds(), "zone": settings.timezone}
    return tuple(audit(engine, __package__, rule, values) for rule in rules)
