"""The audit of a plan of 1 M rows against one hand-written SQL pass that counts the same violations.

Faults are planted in the plan's rows first, so that both must find the same number of each. Importing Great Expectations is
not counted: a process pays it once; what it costs is printed.
"""

from __future__ import annotations

import time
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import synthetic
from benchmarks.measure import Report, interleaved
from benchmarks.server import Server, analyse
from cloudsales_pipeline.catalog import expectations
from cloudsales_pipeline.catalog.plan import make_plan, tune_for_bulk
from cloudsales_pipeline.catalog.quality import audit_plan
from cloudsales_pipeline.settings import CatalogSettings, QualitySettings

CHANNEL = "fashionup"
SIZES = {"quick": 2_000, "usual": 1_000_000, "full": 1_000_000}
REPETITIONS = {"quick": 1, "usual": 3, "full": 5}
PLANTED = 7  # rows of each kind of fault

# What a person would write who wants all these numbers from one statement: the plan's rows with their listings once, the
# catalogue's codes once for the two keys of each, then counted. Shares are counted too, their bounds are not judged.
BY_HAND = """
with r as materialized (
    select r.*, l.code_key, l.ean_key, l.ean_state, l.missing_since, l.channel, p.listing_id is not null as pending,
           k.product_id as linked_product
    from cloudsales.plan_row r
    left join cloudsales.listing l on l.listing_id = r.listing_id
    left join cloudsales.listing_pending p on p.listing_id = r.listing_id
    left join cloudsales.link k on k.listing_id = r.listing_id
    where r.plan_id = :plan_id
), found as (
    select u.listing_id, min(c.product_id) as lowest, max(c.product_id) as highest,
           bit_or(case c.kind when 'sku' then 1 when 'gtin' then 2 else 4 end) as kinds
    from (select listing_id, code_key as key from r where outcome in ('linked', 'created') and code_key is not null union all
          select listing_id, ean_key from r where outcome in ('linked', 'created') and ean_key is not null) u
    join cloudsales.product_code c on c.key = u.key
    group by u.listing_id
), counted as (
    select count(*) as rows,
        count(*) filter (where outcome = 'created') as created, count(*) filter (where outcome = 'conflict') as conflict,
        count(*) filter (where outcome = 'duplicate_in_listing') as duplicate, count(*) filter (where outcome = 'linked') as linked,
        count(*) filter (where channel is null or missing_since is not null) as not_shown,
        count(*) filter (where not pending) as not_pending,
        count(*) filter (where case outcome
            when 'linked' then r.product_id is null or matched_by is null
            when 'created' then r.product_id is not null or matched_by is distinct from 'created' or code_hits + ean_hits > 0
            when 'conflict' then r.product_id is not null
            when 'duplicate_in_listing' then r.product_id is not null or earlier_listing is null
            else false end) as plan_rows_consistent,
        count(*) filter (where outcome = 'linked' and case when linked_product is not null then linked_product <> r.product_id
            else f.lowest is distinct from r.product_id or f.highest is distinct from r.product_id or f.kinds & case matched_by
                when 'sku' then 1 when 'gtin' then 2 when 'additional_code' then 4 else 0 end = 0 end) as plan_evidence_repeats,
        count(*) filter (where outcome = 'created' and f.listing_id is not null) as plan_creates_nothing_known,
        count(*) filter (where outcome = 'created' and ean_state <> 'empty' and (ean_state = 'bad' or ean_key !~ '^[0-9]{1,14}$'
            or (select sum((substr(lpad(ean_key, 14, '0'), i, 1))::int * case when i % 2 = 1 then 3 else 1 end) % 10
                from generate_series(1, 14) i) <> 0)) as plan_gtins_valid
    from r left join found f on f.listing_id = r.listing_id
), twice as (
    select count(*) as plan_creates_each_once from (
        select key from (select listing_id, code_key as key from r where outcome = 'created' and code_key is not null union all
                         select listing_id, ean_key from r where outcome = 'created' and ean_key is not null) k
        group by key having min(listing_id) <> max(listing_id)) x
)
select * from counted cross join twice
"""
SAME = (
    "plan_rows_consistent",
    "plan_evidence_repeats",
    "plan_creates_nothing_known",
    "plan_gtins_valid",
    "plan_creates_each_once",
)

FAULTS = (
    "update {rows} set product_id = product_id % 100 + 1 where listing_id in (select listing_id from {rows} where outcome = 'linked' and product_id > 200 order by listing_id limit {n})",
    "update {rows} set matched_by = 'sku' where listing_id in (select listing_id from {rows} where outcome = 'created' order by listing_id limit {n})",
    "update cloudsales.listing set code_key = 'twice' where listing_id in (select listing_id from {rows} where outcome = 'created' order by listing_id desc limit {n})",
)


def run(server: Server, report: Report, size: str) -> None:
    """audit_plan ≤ 6 × one hand-written pass."""
    rows = SIZES[size]
    report.begin("checks", f"the audit of a plan of {rows:,} rows, {PLANTED} rows of each of {len(FAULTS)} faults planted")
    _import_great_expectations(report)
    with server.database("bench_checks") as engine:
        synthetic.fill(engine, CHANNEL, rows)
        plan_id = make_plan(engine, CHANNEL, CatalogSettings()).plan_id
        right = interleaved(server, {"audit of the right plan, marks kept": partial(_audit, engine, plan_id)}, 1)
        _plant(engine, plan_id)
        _same_counts(report, engine, plan_id)
        works = {"one hand-written pass": partial(_by_hand, engine, plan_id), "audit": partial(_audit, engine, plan_id)}
        costs = interleaved(server, works, REPETITIONS[size])
    for name, cost in {**right, **costs}.items():
        report.cost(name, cost)
    hand = costs["one hand-written pass"]
    report.at_most("audit / one hand-written pass, wall", 6, costs["audit"].wall / hand.wall)
    report.at_most("audit / one hand-written pass, CPU", 6, costs["audit"].cpu / hand.cpu)
    passing = right["audit of the right plan, marks kept"]
    report.at_most("audit of a right plan (with its fingerprints) / one pass, CPU", 6, passing.cpu / hand.cpu)


def _import_great_expectations(report: Report) -> None:
    began = time.process_time()
    expectations._great_expectations()
    report.figure("import great_expectations (not counted)", time.process_time() - began, "CPU s")


def _audit(engine: Engine, plan_id: int) -> dict[str, int]:
    report = audit_plan(engine, plan_id, QualitySettings())
    assert all(result.ran for result in report.results), report.results
    return {result.rule: result.offending_rows for result in report.results}


def _by_hand(engine: Engine, plan_id: int) -> dict[str, int]:
    with engine.begin() as connection:
        tune_for_bulk(connection)
        return dict(connection.execute(sa.text(BY_HAND), {"plan_id": plan_id}).mappings().one())


def _plant(engine: Engine, plan_id: int) -> None:
    with engine.begin() as connection:
        for fault in FAULTS:
            connection.exec_driver_sql(fault.format(rows=f"cloudsales.plan_row_{plan_id}", n=PLANTED).replace("%", "%%"))
    analyse(engine)


def _same_counts(report: Report, engine: Engine, plan_id: int) -> None:
    audit, hand = _audit(engine, plan_id), _by_hand(engine, plan_id)
    found = {name: (audit[name], hand[name]) for name in SAME}
    report.correct(f"both count the same faults: {found}", all(ours == theirs for ours, theirs in found.values()))
    report.correct(
        "and those are the planted ones", found["plan_evidence_repeats"][0] == found["plan_rows_consistent"][0] == PLANTED
    )
