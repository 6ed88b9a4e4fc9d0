"""The data-quality guard of the matching: a plan is audited before it is applied, the catalogue is checked after.

What belongs here: running the rules, the rows at fault, and the audit's mark on the plan. What does not: what the rules say
(rules.py, checks/*.sql) and how Great Expectations is spoken to (expectations.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog import expectations
from cloudsales_pipeline.catalog.plan import LARGE, tune_for_bulk
from cloudsales_pipeline.catalog.rules import (
    CATALOGUE_RULES,
    PLAN_RULES,
    SAMPLE_ROWS,
    Rule,
    RuleResult,
    without_comments,
)
from cloudsales_pipeline.codes import code_key, read_ean
from cloudsales_pipeline.database.engine import statement
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.settings import QualitySettings

READ_AGAIN_ROWS = 20_000  # about half a second of Python

Values = Mapping[str, object]


@dataclass(frozen=True)
class AuditReport:
    """What the audit of a plan found; `passed` where every blocking rule did."""

    plan_id: int
    passed: bool
    results: tuple[RuleResult, ...]


def audit_plan(engine: Engine, plan_id: int, bounds: QualitySettings) -> AuditReport:
    """Audit a plan: run the rules, keep the results and the matched products' fingerprints with it, and mark it.

    The plan must be committed. A repeat gives the same marks.

    Raises:
        InputError: there is no such plan.
        RefusedError: it is applied already.
    """
    channel = _auditable(engine, plan_id)
    _count_for_the_planner(engine, plan_id)
    values = {"plan_id": plan_id, "channel": channel, **bounds.model_dump()}
    queries = {rule.name: _literal(rule.sql, values) for rule in PLAN_RULES if not rule.in_python}
    results = _run(engine, PLAN_RULES, queries, plan_id)
    report = AuditReport(plan_id, _passed(PLAN_RULES, results), results)
    _mark(engine, report)
    return report


def check_catalogue(engine: Engine, channel: str, plan_id: int | None = None) -> tuple[RuleResult, ...]:
    """Check the catalogue as an apply left it.

    With `plan_id`, only what that plan touched is looked at, so that the cost is the change's; without, or where the plan's
    rows are no longer all there, everything of the channel. Products that the retailer's own file changed since the audit
    are not judged by `matched_products_unchanged`, which says how many.
    """
    with engine.connect() as connection:
        scoped = plan_id is not None and _rows_are_kept(connection, plan_id)
        audited = plan_id if plan_id is not None else _last_applied(connection, channel)
    values = {"channel": channel, "plan_id": audited}
    queries = {rule.name: _literal(_in_scope(rule, scoped), values) for rule in CATALOGUE_RULES}
    return _run(engine, CATALOGUE_RULES, queries, audited)


# ------------------------------------------------------------------------------------------------ running rules


def _run(engine: Engine, rules: tuple[Rule, ...], queries: Mapping[str, str], plan_id: int | None) -> tuple[RuleResult, ...]:
    counts = expectations.validate(engine, queries)
    return tuple(
        _read_again(engine, rule, plan_id) if rule.in_python else _result(engine, rule, counts[rule.name], queries[rule.name])
        for rule in rules
    )


def _passed(rules: tuple[Rule, ...], results: tuple[RuleResult, ...]) -> bool:
    return all(result.passed or not rule.blocking for rule, result in zip(rules, results, strict=True))


def _result(engine: Engine, rule: Rule, counts: expectations.Counts, query: str) -> RuleResult:
    if counts.error:
        return _not_run(rule, counts.error)
    try:
        sample = () if counts.passed and not rule.figures else _sample(engine, rule, query)
        note = _note(engine, rule, query) if counts.passed else rule.what_to_do
    except sa.exc.SQLAlchemyError as error:
        return _not_run(rule, type(error).__name__)
    return RuleResult(rule.name, rule.description, counts.passed, True, counts.checked, counts.offending, sample, note)


def _not_run(rule: Rule, error: str) -> RuleResult:
    advice = f"the rule could not be evaluated ({error}): run `cloudsales init`, see that the database is up, and try again"
    return RuleResult(rule.name, rule.description, False, False, 0, 0, (), advice)


def _sample(engine: Engine, rule: Rule, query: str) -> tuple[dict[str, object], ...]:
    """Rows at fault (all rows of figures, those at fault first), without what is empty."""
    wanted = "true" if rule.figures else "fault is not false"
    text = f"select * from ({query}) q where {wanted} order by fault desc limit {SAMPLE_ROWS}"  # noqa: S608 - our own file
    with engine.connect() as connection:
        rows = connection.execute(sa.text(text)).mappings().all()
    hidden = () if rule.figures else ("fault",)
    return tuple({name: value for name, value in row.items() if value is not None and name not in hidden} for row in rows)


def _note(engine: Engine, rule: Rule, query: str) -> str:
    """What a reader of a green result should know."""
    if rule.name != "matched_products_unchanged":
        return ""
    with engine.connect() as connection:
        by_file = connection.scalar(sa.text(f"select count(*) from ({query}) q where by_file"))  # noqa: S608 - our own
    return f"{by_file} products were changed by the retailer's catalogue file since the audit, and not judged" if by_file else ""


def _literal(sql: str, values: Values) -> str:
    """The query with its values written into it, quoted by SQLAlchemy: Great Expectations takes text alone.

    The text goes through SQLAlchemy's `text()` twice: no percent sign in it, and `cast(:name as type)`, not `:name::type`.
    """
    clause = sa.text(sql)
    used = {name: value for name, value in values.items() if f":{name}" in sql}
    dialect = PGDialect()  # type: ignore[no-untyped-call]
    return str(clause.bindparams(**used).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


# ------------------------------------------------------------------------------------------------ codes, read again


def _read_again(engine: Engine, rule: Rule, plan_id: int | None) -> RuleResult:
    """Read codes again as they came, by the Python that defines how, and compare with the keys that matching used."""
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.text(_READ_AGAIN), {"plan_id": plan_id, "limit": READ_AGAIN_ROWS}).all()
    except sa.exc.SQLAlchemyError as error:
        return _not_run(rule, type(error).__name__)
    faults = [
        {"listing_id": row.listing_id, "code_key": row.code_key, "ean_key": row.ean_key}
        for row in rows
        if (row.code_key, row.ean_key, row.ean_state) != (code_key(row.code), *read_ean(row.ean))
    ]
    advice = rule.what_to_do if faults else ""
    sample = tuple(faults[:SAMPLE_ROWS])
    return RuleResult(rule.name, rule.description, not faults, True, len(rows), len(faults), sample, advice)


_READ_AGAIN = """
select l.listing_id, l.code, l.ean, l.code_key, l.ean_key, l.ean_state
from cloudsales.plan_row r
join cloudsales.listing l on l.listing_id = r.listing_id
where r.plan_id = :plan_id
  -- a little more than wanted where the plan is bigger, so that the limit cuts hardly any
  and random() < 1.02 * :limit / greatest((select rows from cloudsales.plan where plan_id = :plan_id), 1)
limit :limit
"""

# ------------------------------------------------------------------------------------------------ the plan's mark


def _auditable(engine: Engine, plan_id: int) -> str:
    """The channel of a plan that may be audited."""
    with engine.connect() as connection:
        plan = connection.execute(
            sa.text("select channel, state from cloudsales.plan where plan_id = :plan_id"), {"plan_id": plan_id}
        ).one_or_none()
    if plan is None:
        raise InputError(f"There is no plan {plan_id}.", next_step="make one: cloudsales catalog plan CHANNEL")
    if plan.state == "applied":
        raise RefusedError(f"Plan {plan_id} is applied already; what it did is checked by the catalogue's rules.")
    return str(plan.channel)


def _count_for_the_planner(engine: Engine, plan_id: int) -> None:
    """A large plan's rows are new: without statistics PostgreSQL takes one in 200 to be linked, and walks indexes by row."""
    with engine.begin() as connection:
        if connection.scalar(sa.text("select rows from cloudsales.plan where plan_id = :id"), {"id": plan_id}) > LARGE:
            connection.execute(sa.text("analyze cloudsales.plan_row"))


def _mark(engine: Engine, report: AuditReport) -> None:
    """Keep the audit with the plan: results, state, and how each matched product looks now."""
    audit = {result.rule: asdict(result) for result in report.results}
    values = {"plan_id": report.plan_id, "state": "audited" if report.passed else "rejected", "audit": json.dumps(audit)}
    with engine.begin() as connection:
        tune_for_bulk(connection)
        marked = connection.execute(
            sa.text(
                "update cloudsales.plan set state = :state, audited_at = now(), audit = cast(:audit as jsonb)"
                " where plan_id = :plan_id and state <> 'applied'"
            ),
            values,
        )
        if marked.rowcount != 1:
            raise RefusedError(f"Plan {report.plan_id} was applied while it was being audited.")
        connection.execute(sa.text("delete from cloudsales.plan_product where plan_id = :plan_id"), values)
        if not report.passed:
            return  # never applied, so there is nothing to prove
        connection.execute(
            sa.text(
                "insert into cloudsales.plan_product (plan_id, product_id, fingerprint)"  # noqa: S608 - our own file
                f" select :plan_id, product_id, fingerprint from ({_fingerprints(_LINKED, 'true')}) f"
            ),
            values,
        )


_LINKED = "select distinct product_id from cloudsales.plan_row where plan_id = :plan_id and outcome = 'linked'"
_MATCHED = "select product_id from cloudsales.plan_product where plan_id = :plan_id"
# What the retailer's own file or a person added since the audit is no import's doing.
_CODES_SINCE = "not (c.source <> 'channel' and c.added_at > (select audited_at from cloudsales.plan where plan_id = :plan_id))"


def _fingerprints(products: str, codes: str) -> str:
    text = without_comments(statement("cloudsales_pipeline.catalog", "checks/product_fingerprint"))
    return text.replace("{products}", products).replace("{codes}", codes)


# ------------------------------------------------------------------------------------------------ what a check looks at

_LISTINGS = "select listing_id from cloudsales.plan_row where plan_id = :plan_id"
_PRODUCTS = (
    "select o.product_id from cloudsales.plan_row r join cloudsales.match_outcome o on o.listing_id = r.listing_id"
    " where r.plan_id = :plan_id and o.product_id is not null"
)
_KEYS = f"select t.key from cloudsales.product_code t where t.product_id in ({_PRODUCTS})"  # noqa: S608 - our own


def _in_scope(rule: Rule, scoped: bool) -> str:
    """The rule's query, narrowed to what the plan touched, or not."""
    narrowing = {
        "{listings}": f"l.listing_id in ({_LISTINGS})",
        "{products}": f"c.product_id in ({_PRODUCTS})",
        "{keys}": f"key in ({_KEYS})",
    }
    sql = rule.sql.replace("{fingerprints}", _fingerprints(_MATCHED, _CODES_SINCE))
    for place, condition in narrowing.items():
        sql = sql.replace(place, condition if scoped else "true")
    return sql


def _rows_are_kept(connection: Connection, plan_id: int) -> bool:
    """Whether the plan's rows are all there: they are unlogged, and only the last plan's are kept."""
    text = (
        "select rows = (select count(*) from cloudsales.plan_row r where r.plan_id = p.plan_id)"
        " from cloudsales.plan p where plan_id = :plan_id"
    )
    return bool(connection.scalar(sa.text(text), {"plan_id": plan_id}))


def _last_applied(connection: Connection, channel: str) -> int | None:
    """The channel's last applied plan; None before the first."""
    text = "select max(plan_id) from cloudsales.plan where channel = :channel and state = 'applied'"
    found: int | None = connection.scalar(sa.text(text), {"channel": channel})
    return found
