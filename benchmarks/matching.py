"""Matching: `make_plan` against the bare join of the same columns, and against a row-by-row ORM loop.

Yardstick 1 is the join that any matching must do: the listing's two keys (listing_pending) with the catalogue's keys
(code_key), counted, nothing written, under the same session settings. Two ways to write it are measured, and the faster one
counts. Yardstick 2 is the loop of orm_loop.py on a sample, its rate per CPU second of client and server together.
"""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import synthetic
from benchmarks.measure import Cost, Report, interleaved, measured
from benchmarks.orm_loop import OrmLoop
from benchmarks.server import Server
from cloudsales_pipeline.catalog.apply import apply_plan
from cloudsales_pipeline.catalog.plan import make_plan, tune_for_bulk
from cloudsales_pipeline.settings import CatalogSettings

CHANNEL = "fashionup"
SIZES = {"quick": (500, 1_000), "usual": (10_000, 100_000, 1_000_000), "full": (10_000, 100_000, 1_000_000)}
SAMPLE = {"quick": 100, "usual": 2_000, "full": 5_000}
REPETITIONS = {"quick": 1, "usual": 5, "full": 7}

BARE_JOINS = {
    "bare join, keys as two columns": """
        select count(*) from cloudsales.listing_pending p
        left join cloudsales.code_key a on a.key = p.code_key
        left join cloudsales.code_key b on b.key = p.ean_key
        where p.channel = 'fashionup' and (a.product_id is null or b.product_id is null or a.product_id is not null)""",
    "bare join, keys as rows": """
        select count(*) from (
            select code_key as key from cloudsales.listing_pending where channel = 'fashionup' union all
            select ean_key from cloudsales.listing_pending where channel = 'fashionup') k
        join cloudsales.code_key c on c.key = k.key""",
}
PLAN = "plan (match, write the outcomes)"


def run(server: Server, report: Report, size: str) -> None:
    """Plan ≤ 2.5 × bare join; ≥ 200 × the ORM loop's rate per CPU second; growth from 10 k to 1 M."""
    growth: dict[int, Cost] = {}
    for listings in SIZES[size]:
        report.begin(f"matching {listings:,}", f"{listings:,} listings × {listings:,} products with three codes each")
        with server.database(f"bench_matching_{listings}") as engine:
            filling, _ = measured(server, partial(synthetic.fill, engine, CHANNEL, listings))
            report.cost("filling (not judged)", filling)
            costs = _plan_against_join(server, report, engine, listings, REPETITIONS[size])
            growth[listings] = costs[PLAN]
            _judge_join(report, costs, judged=listings == SIZES[size][-1])
            if listings == SIZES[size][-1]:
                _judge_loop(server, report, engine, listings, costs[PLAN], SAMPLE[size])
                _apply(server, report, engine, listings)
    _print_growth(report, growth)


def _plan_against_join(server: Server, report: Report, engine: Engine, listings: int, repetitions: int) -> dict[str, Cost]:
    works = {name: partial(_count, engine, sql) for name, sql in BARE_JOINS.items()}
    costs = interleaved(server, {**works, PLAN: partial(_plan, engine, listings)}, repetitions)
    for name, cost in costs.items():
        report.cost(name, cost)
    expected = {outcome: share * listings // 100 for outcome, share in synthetic.EXPECTED.items()}
    report.correct(f"each plan's outcomes are {expected}", True)  # _plan raised otherwise
    return costs


def _count(engine: Engine, sql: str) -> int:
    with engine.begin() as connection:
        tune_for_bulk(connection)
        found = connection.scalar(sa.text(sql))
    assert isinstance(found, int)
    return found


def _plan(engine: Engine, listings: int) -> int:
    made = make_plan(engine, CHANNEL, CatalogSettings())
    outcomes = {outcome: count for outcome, count in made.outcomes.items() if count}
    expected = {outcome: share * listings // 100 for outcome, share in synthetic.EXPECTED.items()}
    if outcomes != expected:
        raise SystemExit(f"WRONG RESULT in matching: {outcomes}, not {expected}")
    return made.plan_id


def _judge_join(report: Report, costs: dict[str, Cost], *, judged: bool) -> None:
    plan = costs[PLAN]
    wall = plan.wall / min(costs[name].wall for name in BARE_JOINS)
    cpu = plan.cpu / min(costs[name].cpu for name in BARE_JOINS)
    if judged:
        report.at_most("plan / bare join, wall", 2.5, wall)
        report.at_most("plan / bare join, CPU", 2.5, cpu)
    else:
        report.figure("plan / bare join, wall", wall, "×")
        report.figure("plan / bare join, CPU", cpu, "×")


def _judge_loop(server: Server, report: Report, engine: Engine, listings: int, plan: Cost, sample: int) -> None:
    loop = OrmLoop(engine, CHANNEL)
    loop.run(0, min(100, sample))  # warms up
    cost, outcomes = measured(server, lambda: loop.run(100, 100 + sample))
    report.cost(f"ORM loop, {sample:,} listings", cost)
    report.correct(f"the loop links and creates as the plan does: {outcomes}", outcomes == loop.planned(100, 100 + sample))
    report.figure("ORM loop, CPU a listing", 1000 * cost.cpu / sample, "ms")
    report.figure("plan, CPU a listing", 1000 * plan.cpu / listings, "ms")
    report.at_least("plan / ORM loop, listings per CPU second", 200, (listings / plan.cpu) / (sample / cost.cpu))


def _apply(server: Server, report: Report, engine: Engine, listings: int) -> None:
    """What carrying the plan out costs beside; no target."""
    plan_id = _plan(engine, listings)
    with engine.begin() as connection:  # the audit has its own benchmark
        connection.execute(
            sa.text("update cloudsales.plan set state = 'audited', audited_at = now() where plan_id = :id"), {"id": plan_id}
        )
    cost, result = measured(server, lambda: apply_plan(engine, plan_id))
    report.cost("apply (links, products, outcomes; not judged)", cost)
    report.correct("the apply links 98 of 100", result.links_made == listings * 98 // 100)


def _print_growth(report: Report, growth: dict[int, Cost]) -> None:
    report.begin("growth", "of the plan with the number of listings")
    smallest = next(iter(growth))
    for listings, cost in growth.items():
        report.cost(f"plan of {listings:,}", cost)
        per_row = (cost.cpu / listings) / (growth[smallest].cpu / smallest)
        report.figure(f"CPU a listing, against that of {smallest:,}", per_row, "×")
