"""Rules of a stage, each a query of its own with a boolean `fault`: run them and say what they found.

What belongs here: the shape of such a rule, and running it. What does not: any stage's rules (its `quality`), nor the catalogue's
own, which Great Expectations runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.plan import tune_for_bulk
from cloudsales_pipeline.catalog.rules import SAMPLE_ROWS, RuleResult, without_comments
from cloudsales_pipeline.database.engine import statement


@dataclass(frozen=True)
class AuditRule:
    """One thing that must hold; `name` is also its SQL file's, in the stage's folder `checks`. `warns`: no defect."""

    name: str
    description: str
    what_to_do: str
    warns: bool = False


def audit(engine: Engine, package: str, rule: AuditRule, values: Mapping[str, object], *, before: str = "") -> RuleResult:
    """Run one rule in a transaction of its own, so that one that is broken neither passes nor hides the others.

    It sees one moment of the database: changes under way are no faults.

    Args:
        package: the stage's, such as cloudsales_pipeline.orders; the query is its checks/NAME.sql.
        values: what the query's parameters are.
        before: common table expressions that the query names, with a comma at the end.
    """
    try:
        with engine.begin() as connection:
            checked, offending, sample = _run(connection, package, rule, values, before)
    except sa.exc.SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__  # never its text, which may hold values
        advice = f"the rule could not be evaluated ({cause}): run `cloudsales init`, see that the database is up, and try again"
        return RuleResult(rule.name, rule.description, False, False, 0, 0, (), advice)
    advice = rule.what_to_do if offending else ""
    return RuleResult(rule.name, rule.description, not offending, True, checked, offending, sample, advice)


def _run(
    connection: Connection, package: str, rule: AuditRule, values: Mapping[str, object], before: str
) -> tuple[int, int, tuple[dict[str, object], ...]]:
    """How many rows the rule looked at, how many are at fault, and some of these; a fault that is null counts as one.

    One statement, so that the count and the rows are of the same moment.
    """
    tune_for_bulk(connection)
    query = without_comments(statement(package, f"checks/{rule.name}"))
    row = connection.execute(
        sa.text(
            f"with {before} looked as materialized ({query})"  # noqa: S608 - our own file
            " select count(*), count(*) filter (where fault is not false),"
            " (select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(f) - 'fault')), '[]')"
            f" from (select * from looked where fault is not false limit {SAMPLE_ROWS}) f)"
            " from looked"
        ),
        dict(values),
    ).one()
    return row[0], row[1], tuple(row[2])
