"""What an import would do, row by row: decide every pending listing, and write nothing but the plan.

The decision itself is one statement (plan.sql); docs/matching.md tells it with examples. Finding probable duplicates lives in
holding.py, judging a plan in quality.py, carrying it out in apply.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from cloudsales_pipeline.codes import RULES_VERSION
from cloudsales_pipeline.database.engine import statement
from cloudsales_pipeline.database.locks import lock_catalogue, next_revision
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.settings import CatalogSettings

OUTCOMES = ("linked", "created", "suggested", "conflict", "invalid", "duplicate_in_listing")
LARGE = 10_000  # rows; from here the planner must know how many there are

# Measured (docs/performance.md): hash joins that stay in memory, and no row-by-row index walk where everything is pending;
# workers also where every row comes back from them, since deciding it is most of the work.
BULK_SETTINGS = ("work_mem = '256MB'", "max_parallel_workers_per_gather = 2", "parallel_tuple_cost = 0.005", "jit = off")


@dataclass(frozen=True)
class PlanSummary:
    """A plan in figures; `outcomes` has every outcome, also those that are 0."""

    plan_id: int
    channel: str
    state: str
    rows: int
    outcomes: dict[str, int]


def make_plan(engine: Engine, channel: str, policy: CatalogSettings, *, run_id: str | None = None) -> PlanSummary:
    """Decide all pending listings of `channel` and keep the decisions as a plan.

    Raises:
        InputError: the channel has never been imported.
    """
    with engine.begin() as connection:
        _require_channel(connection, channel)
        lock_catalogue(connection)
        _drop_old_plans(connection, channel)
    with engine.begin() as connection:
        lock_catalogue(connection)
        tune_for_bulk(connection)
        pending = connection.scalar(
            sa.text("select count(*) from cloudsales.listing_pending where channel = :channel"), {"channel": channel}
        )
        if pending and pending > LARGE:
            connection.execute(sa.text("analyze cloudsales.listing_pending"))
        plan_id = connection.scalar(
            sa.text(
                "insert into cloudsales.plan (channel, revision, rules_version, run_id)"
                " values (:channel, :revision, :rules, :run_id) returning plan_id"
            ),
            {"channel": channel, "revision": next_revision(connection), "rules": RULES_VERSION, "run_id": run_id},
        )
        assert isinstance(plan_id, int)
        _decide(connection, plan_id, channel, hold=policy.on_no_match == "hold")
        if policy.suggestions is not None:
            from cloudsales_pipeline.catalog.holding import hold_probable

            hold_probable(connection, plan_id, policy.suggestions.hold_above)
        return _count(connection, plan_id)


def tune_for_bulk(connection: Connection) -> None:
    """Settings for this transaction alone."""
    for setting in BULK_SETTINGS:
        connection.exec_driver_sql(f"set local {setting}")


def read_plan(connection: Connection, channel: str | None, plan_id: int | None) -> Row[tuple[object, ...]]:
    """A plan's row: the one named, or the channel's last.

    Raises:
        InputError: there is none, or it is another channel's.
    """
    row = connection.execute(
        sa.text(
            "select * from cloudsales.plan where channel = coalesce(:channel, channel)"
            " and plan_id = coalesce(:plan_id, plan_id) order by plan_id desc limit 1"
        ),
        {"channel": channel, "plan_id": plan_id},
    ).one_or_none()
    if row is None:
        what = f"plan {plan_id}" if plan_id is not None else "plan"
        where = f" of {channel}" if channel else ""
        raise InputError(f"There is no {what}{where}.", next_step=f"cloudsales catalog plan {channel or 'CHANNEL'}")
    return row


def summary_of(row: Row[tuple[object, ...]]) -> PlanSummary:
    """A plan's row in figures."""
    columns = {name: "duplicate" if name == "duplicate_in_listing" else name for name in OUTCOMES}
    return PlanSummary(
        plan_id=row.plan_id,
        channel=row.channel,
        state=row.state,
        rows=row.rows,
        outcomes={name: getattr(row, column) for name, column in columns.items()},
    )


def require_rows(connection: Connection, row: Row[tuple[object, ...]]) -> None:
    """Raise RefusedError where the plan's rows are gone: dropped for a newer plan, or lost when the server crashed."""
    found = connection.scalar(
        sa.text("select count(*) from cloudsales.plan_row where plan_id = :plan_id"), {"plan_id": row.plan_id}
    )
    if found != row.rows:
        raise RefusedError(
            f"Plan {row.plan_id} has lost its rows ({found} of {row.rows} are left).",
            next_step=f"cloudsales catalog plan {row.channel}",
        )


def _require_channel(connection: Connection, channel: str) -> None:
    if not connection.scalar(sa.text("select 1 from cloudsales.channel where channel = :channel"), {"channel": channel}):
        raise InputError(f"The channel {channel!r} is not known to the database.", next_step="cloudsales init")


def _decide(connection: Connection, plan_id: int, channel: str, *, hold: bool) -> None:
    """Make the plan's rows as a table of their own: CREATE TABLE AS writes them at a third of INSERT's cost."""
    connection.execute(sa.text(statement(__package__, "plan_later")), {"channel": channel})
    connection.exec_driver_sql("analyze cloudsales.later_row")
    table = f"cloudsales.plan_row_{plan_id}"
    connection.execute(
        sa.text(f"create unlogged table {table} as {statement(__package__, 'plan')}"),
        {"plan_id": plan_id, "channel": channel, "hold": hold},
    )
    connection.exec_driver_sql("drop table cloudsales.later_row")
    columns = ("plan_id", "listing_id", "outcome", "code_hits", "ean_hits")
    # One pass over the rows for all of it; the constraint proves to the attach what it would else read them again for.
    checks = [f"alter {column} set not null" for column in columns] + [f"add constraint in_plan check (plan_id = {plan_id})"]
    connection.exec_driver_sql(f"alter table {table} {', '.join(checks)}")
    connection.exec_driver_sql(f"alter table cloudsales.plan_row attach partition {table} for values in ({plan_id})")
    connection.exec_driver_sql(f"alter table {table} drop constraint in_plan")
    # The audit and the apply join these rows at once: without statistics the planner takes them for a few, and loops.
    connection.exec_driver_sql(f"analyze {table}")


def _drop_old_plans(connection: Connection, channel: str) -> None:
    """Keep the last plan's rows alone; the plans' figures stay.

    Somebody may be reading an old plan: then it is left for the next time, and nobody waits for long.
    """
    connection.execute(
        sa.text(
            "delete from cloudsales.plan_suggestion s using cloudsales.plan p"
            " where p.plan_id = s.plan_id and p.channel = :channel"
        ),
        {"channel": channel},
    )
    connection.execute(  # the last applied plan's fingerprints stay: `verify` looks at them
        sa.text(
            "delete from cloudsales.plan_product f using cloudsales.plan p where p.plan_id = f.plan_id and p.channel = :channel"
            " and p.plan_id < (select max(plan_id) from cloudsales.plan where channel = :channel and state = 'applied')"
        ),
        {"channel": channel},
    )
    old = connection.scalars(
        sa.text(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'cloudsales'"
            " join cloudsales.plan p on c.relname = 'plan_row_' || p.plan_id where p.channel = :channel"
        ),
        {"channel": channel},
    ).all()
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("set local lock_timeout = '2s'")
            for name in old:
                connection.exec_driver_sql(f"drop table cloudsales.{name}")
            connection.exec_driver_sql("set local lock_timeout = 0")
    except sa.exc.OperationalError:
        return


def _count(connection: Connection, plan_id: int) -> PlanSummary:
    counted = connection.execute(
        sa.text(
            "with counted as ("
            " select count(*) as rows,"
            " count(*) filter (where outcome = 'linked') as linked,"
            " count(*) filter (where outcome = 'created') as created,"
            " count(*) filter (where outcome = 'suggested') as suggested,"
            " count(*) filter (where outcome = 'conflict') as conflict,"
            " count(*) filter (where outcome = 'invalid') as invalid,"
            " count(*) filter (where outcome = 'duplicate_in_listing') as duplicate"
            " from cloudsales.plan_row where plan_id = :plan_id)"
            " update cloudsales.plan p set rows = c.rows, linked = c.linked, created = c.created, suggested = c.suggested,"
            " conflict = c.conflict, invalid = c.invalid, duplicate = c.duplicate"
            " from counted c where p.plan_id = :plan_id returning p.*"
        ),
        {"plan_id": plan_id},
    ).one()
    return summary_of(counted)
