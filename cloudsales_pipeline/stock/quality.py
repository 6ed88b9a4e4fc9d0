"""What must always hold of stock, worked out again from the tables, apart from the triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and what each is (checks/*.sql, one query a rule: ids, codes
and figures of the rows that it looks at, and a boolean `fault`). What does not: correcting anything, and plans (catalog.quality).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.audit import AuditRule, audit
from cloudsales_pipeline.catalog.rules import RuleResult

_BY_HAND = "somebody wrote to the database past the triggers, or a backup was put back in part: restore these rows"

STOCK_RULES: tuple[AuditRule, ...] = (
    AuditRule(
        "ledger_equals_levels",
        "What is on hand is the sum of the ledger, per product and warehouse (I-09).",
        f"{_BY_HAND}; a count of these products corrects the shelf, not this",
    ),
    AuditRule("no_negative_levels", "0 ≤ reserved ≤ on hand, per product and warehouse (I-06).", _BY_HAND),
    AuditRule(
        "reserved_equals_reservations",
        "What is reserved is the sum of the open reservations, per product and warehouse (I-09).",
        _BY_HAND,
    ),
    AuditRule(
        "transfers_sum_to_nothing",
        "Of each transfer and product, as much came in as went out (I-11).",
        "count these products in both warehouses; the ledger's rows stay, a correction is a new row",
    ),
    AuditRule(
        "published_within_rule",
        "Every listing's figure is what its channel's rule gives, and what was acknowledged last is that figure (I-22, I-23).",
        "apply the rules of the settings again; what stays belongs in a defect report",
    ),
    AuditRule(
        "references_posted_once",
        "Each line of a business document moved stock once (I-10).",
        "post the opposite movement under a reference of its own for the second of each, and report the rows as a defect",
    ),
)


def check_stock(engine: Engine, rules: Sequence[AuditRule] = STOCK_RULES) -> tuple[RuleResult, ...]:
    """Check the whole of stock by these rules: ledger, levels, reservations, what each channel should show.

    Each rule sees one moment of the database, so that changes under way are no faults. It reads everything: the cost is that
    of the ledger's whole length.
    """
    return tuple(audit(engine, "cloudsales_pipeline.stock", rule, {}) for rule in rules)
