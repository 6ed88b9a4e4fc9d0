"""What must always hold of stock, worked out again from the tables, apart from the triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and running them (checks/*.sql, one query a rule: ids, codes
and figures of the rows that it looks at, and a boolean `fault`). What does not: correcting anything, and plans (catalog.quality).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.plan import tune_for_bulk
from cloudsales_pipeline.catalog.rules import SAMPLE_ROWS, RuleResult, without_comments
from cloudsales_pipeline.database.engine import statement


@dataclass(frozen=True)
class StockRule:
    """One thing that must hold of stock; `name` is also the name of its SQL file."""

    name: str
    description: str
    what_to_do: str


_BY_HAND = "somebody wrote to the database past the triggers, or a backup was put back in part: restore these rows"

STOCK_RULES: tuple[StockRule, ...] = (
    StockRule(
        "ledger_equals_levels",
        "What is on hand is the sum of the ledger, per product and warehouse (I-09).",
        f"{_BY_HAND}; a count of these products corrects the shelf, not this",
    ),
    StockRule("no_negative_levels", "0 ≤ reserved ≤ on hand, per product and warehouse (I-06).", _BY_HAND),
    StockRule(
        "reserved_equals_reservations",
        "What is reserved is the sum of the open reservations, per product and warehouse (I-09).",
        _BY_HAND,
    ),
    StockRule(
        "transfers_sum_to_nothing",
        "Of each transfer and product, as much came in as went out (I-11).",
        "count these products in both warehouses; the ledger's rows stay, a correction is a new row",
    ),
    StockRule(
        "published_within_rule",
        "Every listing's figure is what its channel's rule gives, and what was acknowledged last is that figure (I-22, I-23).",
        "apply the rules of the settings again; what stays belongs in a defect report",
    ),
    StockRule(
        "references_posted_once",
        "Each line of a business document moved stock once (I-10).",
        "post the opposite movement under a reference of its own for the second of each, and report the rows as a defect",
    ),
)


def check_stock(engine: Engine, rules: Sequence[StockRule] = STOCK_RULES) -> tuple[RuleResult, ...]:
    """Check the whole of stock by these rules: ledger, levels, reservations, what each channel should show.

    Each rule sees one moment of the database, so that changes under way are no faults. It reads everything: the cost is that
    of the ledger's whole length.
    """
    return tuple(_check(engine, rule) for rule in rules)


def _check(engine: Engine, rule: StockRule) -> RuleResult:
    """One rule in a transaction of its own: one that is broken neither passes nor hides the others."""
    try:
        with engine.begin() as connection:
            checked, offending, sample = _run(connection, rule)
    except sa.exc.SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__  # never its text, which may hold values
        advice = f"the rule could not be evaluated ({cause}): run `cloudsales init`, see that the database is up, and try again"
        return RuleResult(rule.name, rule.description, False, False, 0, 0, (), advice)
    advice = rule.what_to_do if offending else ""
    return RuleResult(rule.name, rule.description, not offending, True, checked, offending, sample, advice)


def _run(connection: Connection, rule: StockRule) -> tuple[int, int, tuple[dict[str, object], ...]]:
    """How many rows the rule looked at, how many are at fault, and some of these; a fault that is null counts as one.

    One statement, so that the count and the rows are of the same moment.
    """
    tune_for_bulk(connection)
    query = without_comments(statement("cloudsales_pipeline.stock", f"checks/{rule.name}"))
    row = connection.execute(
        sa.text(
            f"with looked as materialized ({query}) "  # noqa: S608 - our own file
            "select count(*), count(*) filter (where fault is not false),"
            " (select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(f) - 'fault')), '[]')"
            f" from (select * from looked where fault is not false limit {SAMPLE_ROWS}) f)"
            " from looked"
        )
    ).one()
    return row[0], row[1], tuple(row[2])
