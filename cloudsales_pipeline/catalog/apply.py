"""Carry a plan out: exactly what it says, in one transaction, or nothing and a reason.

Refused: a plan that no audit has passed, one whose rows are gone, and one that the catalogue or the listing has outdated.
Details of products that were matched are never written here; the database refuses it too (I-03).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from cloudsales_pipeline.catalog.plan import LARGE, read_plan, require_rows, tune_for_bulk
from cloudsales_pipeline.codes import written_code
from cloudsales_pipeline.database.engine import copy_rows, statement, steps
from cloudsales_pipeline.database.locks import lock_catalogue, next_revision
from cloudsales_pipeline.errors import RefusedError


@dataclass(frozen=True)
class ApplyResult:
    """What an apply did; rows_in = loaded + unchanged + quarantined (I-44).

    loaded: listings that got their link now; unchanged: listings that had it already.
    """

    plan_id: int
    channel: str
    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    products_created: int
    links_made: int
    applied_before: bool


def apply_plan(engine: Engine, plan_id: int, *, run_id: str | None = None) -> ApplyResult:
    """Do what plan `plan_id` says. Applying it again changes nothing (`applied_before`).

    Raises:
        InputError: there is no such plan.
        RefusedError: the plan is not audited, was rejected, has lost its rows, or is outdated.
    """
    started_at = datetime.now(UTC)
    with engine.begin() as connection:
        lock_catalogue(connection)
        plan = read_plan(connection, None, plan_id)
        if plan.state == "applied":
            return _result(plan, applied_before=True, links_made=0, unchanged=_had_link(connection, plan))
        _require_audited(plan)
        require_rows(connection, plan)
        _require_current(connection, plan)
        tune_for_bulk(connection)
        unchanged = _had_link(connection, plan)
        links_made = _write(connection, plan)
        result = _result(plan, applied_before=False, links_made=links_made, unchanged=unchanged)
        _close(connection, plan, result, run_id, started_at)
    return result


def _require_audited(plan: Row[tuple[object, ...]]) -> None:
    if plan.state == "rejected":
        raise RefusedError(
            f"Plan {plan.plan_id} was rejected by the data-quality checks.",
            next_step=f"cloudsales catalog plan {plan.channel} shows what they found; correct it and plan again",
        )
    if plan.state != "audited":
        raise RefusedError(
            f"Plan {plan.plan_id} has not been audited.",
            next_step=f"run the checks: cloudsales catalog apply {plan.channel} --plan {plan.plan_id}",
        )


def _require_current(connection: Connection, plan: Row[tuple[object, ...]]) -> None:
    """Refuse where any of the plan's rows was touched after it: by another apply, an import, a load or a new code."""
    moved = connection.scalar(
        sa.text(
            "select count(*) from cloudsales.plan_row r left join cloudsales.listing_pending p using (listing_id)"
            " where r.plan_id = :plan_id and (p.listing_id is null or p.revision > :revision)"
        ),
        {"plan_id": plan.plan_id, "revision": plan.revision},
    )
    if not plan.rows:  # nothing was to be decided: outdated by whatever is now
        moved = connection.scalar(
            sa.text("select count(*) from cloudsales.listing_pending where channel = :channel"), {"channel": plan.channel}
        )
    if moved:
        raise RefusedError(
            f"Plan {plan.plan_id} is outdated: {moved} {f'of its {plan.rows} rows' if plan.rows else 'listings'} were touched by"
            " a later change of the catalogue or the listing. Nothing was applied.",
            next_step=f"cloudsales catalog plan {plan.channel}",
        )


def _write(connection: Connection, plan: Row[tuple[object, ...]]) -> int:
    """All that the plan says; returns how many links were made."""
    facts = {"plan_id": plan.plan_id, "channel": plan.channel, "rules_version": plan.rules_version}
    connection.exec_driver_sql("create temp table written_code (listing_id bigint primary key, sku text) on commit drop")
    connection.exec_driver_sql(
        "create temp table made (product_id bigint, listing_id bigint primary key, sku text, code_key text, ean_key text)"
        " on commit drop"
    )
    _write_unplain_codes(connection, plan.plan_id)
    _run(connection, "apply_products", facts)
    if plan.created > LARGE:
        connection.exec_driver_sql("analyze made")
    _run(connection, "apply_codes", facts)
    links = _run(connection, "apply_links", facts)
    _run(connection, "apply_outcomes", facts)
    _run(connection, "apply_quarantine", facts)
    _hold_suggested(connection, facts)
    connection.execute(
        sa.text(
            "delete from cloudsales.listing_pending p using cloudsales.plan_row r"
            " where r.plan_id = :plan_id and r.listing_id = p.listing_id"
        ),
        facts,
    )
    connection.exec_driver_sql('create temp table changed_key (key text collate "C") on commit drop')
    connection.exec_driver_sql(
        "insert into changed_key select code_key from made where code_key is not null"
        " union select ean_key from made where ean_key is not null"
    )
    mark_pending(connection, except_channel=plan.channel)
    return links


def mark_pending(connection: Connection, *, except_channel: str = "") -> int:
    """Have the listings decided again that hold a key of the temporary table `changed_key`; returns how many.

    `except_channel`: the channel whose own plan changed the codes; its rows were decided with each other in view.
    """
    return connection.execute(
        sa.text(statement(__package__, "mark_pending")),
        {"revision": next_revision(connection), "except_channel": except_channel},
    ).rowcount


def _run(connection: Connection, name: str, facts: dict[str, object]) -> int:
    return connection.execute(sa.text(statement(__package__, name)), facts).rowcount


def _write_unplain_codes(connection: Connection, plan_id: int) -> None:
    """SKUs of codes that carry wrappers or invisible characters: those few are written by the same function as ever."""
    rows = connection.execute(
        sa.text(
            "select l.listing_id, l.code from cloudsales.plan_row r join cloudsales.listing l using (listing_id)"
            " where r.plan_id = :plan_id and r.outcome = 'created' and l.code_key is not null"
            r" and (l.code ~ '[^ -~]' or l.code ~ '^\s*[''\"=`]|[''\"`]\s*$')"
        ),
        {"plan_id": plan_id},
    )
    copy_rows(connection, "copy written_code (listing_id, sku) from stdin", ((r.listing_id, written_code(r.code)) for r in rows))


def _hold_suggested(connection: Connection, facts: dict[str, object]) -> None:
    """What a person is asked: a row for each listing and product; what is no longer in question expires."""
    for step in steps(__package__, "apply_suggestions").values():
        connection.execute(sa.text(step), facts)


def _had_link(connection: Connection, plan: Row[tuple[object, ...]]) -> int:
    """How many of the plan's linked rows had their link before."""
    found = connection.scalar(
        sa.text(
            "select count(*) from cloudsales.plan_row where plan_id = :plan_id and reason in ('existing_link', 'code_drift')"
        ),
        {"plan_id": plan.plan_id},
    )
    return int(found or 0)


def _result(plan: Row[tuple[object, ...]], *, applied_before: bool, links_made: int, unchanged: int) -> ApplyResult:
    quarantined = plan.suggested + plan.conflict + plan.invalid + plan.duplicate
    return ApplyResult(
        plan_id=plan.plan_id,
        channel=plan.channel,
        rows_in=plan.rows,
        loaded=plan.rows - unchanged - quarantined,
        unchanged=unchanged,
        quarantined=quarantined,
        products_created=plan.created,
        links_made=links_made,
        applied_before=applied_before,
    )


def _close(
    connection: Connection, plan: Row[tuple[object, ...]], result: ApplyResult, run_id: str | None, started_at: datetime
) -> None:
    connection.execute(
        sa.text("update cloudsales.plan set state = 'applied', applied_at = now() where plan_id = :plan_id"),
        {"plan_id": plan.plan_id},
    )
    connection.execute(
        sa.text(
            "insert into cloudsales.run_summary"
            " (stage, channel, run_id, started_at, finished_at, rows_in, loaded, unchanged, quarantined)"
            " values ('catalog', :channel, :run_id, :started_at, clock_timestamp(), :rows_in, :loaded, :unchanged, :quarantined)"
        ),
        {
            "channel": plan.channel,
            "run_id": run_id,
            "started_at": started_at,
            "rows_in": result.rows_in,
            "loaded": result.loaded,
            "unchanged": result.unchanged,
            "quarantined": result.quarantined,
        },
    )
