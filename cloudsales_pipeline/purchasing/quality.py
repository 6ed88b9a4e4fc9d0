"""What must always hold of purchasing, worked out again from the tables, apart from the constraints and triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and running them (checks/*.sql, one query a rule, with a boolean
`fault`; no personal data). What does not: correcting anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.plan import tune_for_bulk
from cloudsales_pipeline.catalog.rules import SAMPLE_ROWS, RuleResult, without_comments
from cloudsales_pipeline.database.engine import statement
from cloudsales_pipeline.settings import Settings

GRACE_SECONDS = 3600
"""A close that is an hour late is missed; before, it may be under way, or the schedule's next tick does it."""


@dataclass(frozen=True)
class PurchasingRule:
    """One thing that must hold of purchasing; `name` is also the name of its SQL file. `warns`: for a person, and no defect."""

    name: str
    description: str
    what_to_do: str
    warns: bool = False


_BY_HAND = "somebody wrote to the database past the constraints, or a backup was put back in part: restore these rows"

PURCHASING_RULES: tuple[PurchasingRule, ...] = (
    PurchasingRule(
        "supplier_lines_equal_their_requirement",
        "What a supplier line says was required is the sum of what it was bought for; the rest is surplus (I-29).",
        _BY_HAND,
    ),
    PurchasingRule(
        "nothing_bought_twice",
        "No order's line has more on order than it is of, and a supplier has one order for a date (I-27, I-28).",
        _BY_HAND,
    ),
    PurchasingRule(
        "ties_within_what_comes",
        "Lines expect no more of a supplier line than still comes of it.",
        "the next close or receipt puts it right where pieces were written off; if the same rows come back, report a defect",
    ),
    PurchasingRule(
        "nothing_waits_forgotten",
        "Every piece that waits is on order or to be bought, or its order, product or channel says why not.",
        "report these lines as a defect: what is to be bought is derived, and can't be forgotten by a step",
    ),
    PurchasingRule(
        "closes_complete",
        "No date is missed between a supplier's first close and now.",
        "cloudsales purchasing close: it closes what is due, each date as of its own cut-off; then see why the schedule did not",
    ),
)


def check_purchasing(
    engine: Engine, settings: Settings, rules: Sequence[PurchasingRule] = PURCHASING_RULES
) -> tuple[RuleResult, ...]:
    """Check purchasing by these rules. Each rule sees one moment of the database, so that changes under way are no faults."""
    values = {"catch_up_days": settings.purchasing.catch_up_days, "timezone": settings.timezone, "grace": GRACE_SECONDS}
    return tuple(_check(engine, rule, values) for rule in rules)


def _check(engine: Engine, rule: PurchasingRule, values: dict[str, object]) -> RuleResult:
    """One rule in a transaction of its own: one that is broken neither passes nor hides the others."""
    try:
        with engine.begin() as connection:
            checked, offending, sample = _run(connection, rule, values)
    except sa.exc.SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__  # never its text, which may hold values
        advice = f"the rule could not be evaluated ({cause}): run `cloudsales init`, see that the database is up, and try again"
        return RuleResult(rule.name, rule.description, False, False, 0, 0, (), advice)
    advice = rule.what_to_do if offending else ""
    return RuleResult(rule.name, rule.description, not offending, True, checked, offending, sample, advice)


def _run(
    connection: Connection, rule: PurchasingRule, values: dict[str, object]
) -> tuple[int, int, tuple[dict[str, object], ...]]:
    """How many rows the rule looked at, how many are at fault, and some of these; a fault that is null counts as one."""
    tune_for_bulk(connection)
    query = without_comments(statement("cloudsales_pipeline.purchasing", f"checks/{rule.name}"))
    row = connection.execute(
        sa.text(
            f"with looked as materialized ({query})"  # noqa: S608 - our own file
            " select count(*), count(*) filter (where fault is not false),"
            " (select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(f) - 'fault')), '[]')"
            f" from (select * from looked where fault is not false limit {SAMPLE_ROWS}) f)"
            " from looked"
        ),
        values,
    ).one()
    return row[0], row[1], tuple(row[2])
