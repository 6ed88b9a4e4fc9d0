"""What must always hold of purchasing, worked out again from the tables, apart from the constraints and triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and what each is (checks/*.sql, one query a rule, with a
boolean `fault`; no personal data). What does not: correcting anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.audit import AuditRule, audit
from cloudsales_pipeline.catalog.rules import RuleResult
from cloudsales_pipeline.settings import Settings

GRACE_SECONDS = 3600
"""A close that is an hour late is missed; before, it may be under way, or the schedule's next tick does it."""


_BY_HAND = "somebody wrote to the database past the constraints, or a backup was put back in part: restore these rows"

PURCHASING_RULES: tuple[AuditRule, ...] = (
    AuditRule(
        "supplier_lines_equal_their_requirement",
        "What a supplier line says was required is the sum of what it was bought for; the rest is surplus (I-29).",
        _BY_HAND,
    ),
    AuditRule(
        "nothing_bought_twice",
        "No order's line has more on order than it is of, and a supplier has one order for a date (I-27, I-28).",
        _BY_HAND,
    ),
    AuditRule(
        "ties_within_what_comes",
        "Lines expect no more of a supplier line than still comes of it.",
        "the next close or receipt puts it right where pieces were written off; if the same rows come back, report a defect",
    ),
    AuditRule(
        "nothing_waits_forgotten",
        "Every piece that waits is on order or to be bought, or its order, product or channel says why not.",
        "report these lines as a defect: what is to be bought is derived, and can't be forgotten by a step",
    ),
    AuditRule(
        "closes_complete",
        "No date is missed between a supplier's first close and now.",
        "cloudsales purchasing close: it closes what is due, each date as of its own cut-off; then see why the schedule did not",
    ),
)


def check_purchasing(engine: Engine, settings: Settings, rules: Sequence[AuditRule] = PURCHASING_RULES) -> tuple[RuleResult, ...]:
    """Check purchasing by these rules. Each rule sees one moment of the database, so that changes under way are no faults."""
    values = {"catch_up_days": settings.purchasing.catch_up_days, "timezone": settings.timezone, "grace": GRACE_SECONDS}
    return tuple(audit(engine, "cloudsales_pipeline.purchasing", rule, values) for rule in rules)
