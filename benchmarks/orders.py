"""Taking stored orders in, with reservation, against pgbench's TPC-B on the same server with as many sessions, in turn.

Ours reads the payload, finds the products, locks and moves levels, marks the shop's publications, writes order, lines, buyer,
reservations and events, and settles the payload; TPC-B is three updates, a select and an insert. Both commit to the disk. The
physical limit: the rows that were written, COPYed again into the same tables with their indexes and foreign keys but without our
triggers, and one UPDATE of the levels.
"""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from statistics import median

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Engine

from benchmarks import order_world
from benchmarks.measure import Cost, Report, measured
from benchmarks.movements import pgbench, tpcb
from benchmarks.order_worker import take_all
from benchmarks.server import Server, analyse
from cloudsales_pipeline.database.engine import copy_rows

PRODUCTS = {"quick": 200, "usual": 50_000, "full": 50_000}
ORDERS = {"quick": 100, "usual": 20_000, "full": 100_000}
ROUNDS = {"quick": 1, "usual": 5, "full": 5}
SINGLE = {"quick": 5, "usual": 300, "full": 1_000}
PGBENCH_SECONDS = {"quick": 1, "usual": 3, "full": 10}
SCALE = {"quick": 1, "usual": 10, "full": 10}
WORKERS = {"quick": (1, 2), "usual": (1, 4, 8), "full": (1, 4, 8)}
A_MILLION = 1_000_000
TABLES = (
    "cloudsales.sales_order", "cloudsales.sales_order_line", "cloudsales.sales_order_discount", "personal.buyer",
    "cloudsales.reservation", "cloudsales.event",
)  # fmt: skip


class Rate(Struct, frozen=True):
    """How many a second: by the wall, and by the CPU of client and server."""

    wall: float
    cpu: float


class _Case(Struct):
    """A kind of orders: where they go, where they come from, how many were stored."""

    engine: Engine
    source: Iterator[bytes]
    stored: int = 0


def run(server: Server, report: Report, size: str) -> None:
    """Orders a CPU second ≥ 4 × TPC-B's, by wall ≥ 3 ×, hot at 8 workers ≥ 5 ×; ≥ a quarter of the limit; a single ≥ half."""
    orders, products = ORDERS[size], PRODUCTS[size]
    report.begin("orders", f"{orders:,} orders of 1 to 4 lines, {products:,} products, against TPC-B (scale {SCALE[size]})")
    with (
        server.database("bench_zipf") as zipf,
        server.database("bench_hot") as hot,
        server.database("bench_tpcb") as bank,
    ):
        cases = {"Zipf": _Case(zipf, order_world.orders(products, hot=False, seed=1))}
        cases["one hot"] = _Case(hot, order_world.orders(products, hot=True, seed=2))
        for case in cases.values():
            order_world.fill(case.engine, products, orders)
        pgbench(bank, "-i", "-q", "-s", str(SCALE[size]))
        analyse(bank)
        rates: dict[int, dict[str, Rate]] = {}
        for workers in WORKERS[size]:
            rates[workers] = _rates(server, report, cases, bank, workers, size)
        single = _single(server, report, cases["Zipf"], bank, size)
        limit = _limit(server, report, zipf, cases["Zipf"].stored)
        for name, case in cases.items():
            order_world.check(report, case.engine, name, case.stored)
    _judge(report, rates, limit, single)


def _rates(server: Server, report: Report, cases: dict[str, _Case], bank: Engine, workers: int, size: str) -> dict[str, Rate]:
    """The orders in parts, each kind and TPC-B in turn; medians."""
    found: dict[str, list[Rate]] = defaultdict(list)
    costs: dict[str, list[Cost]] = defaultdict(list)
    part = ORDERS[size] // ROUNDS[size]
    for _ in range(ROUNDS[size]):
        found["TPC-B"].append(_tpcb(server, bank, workers, PGBENCH_SECONDS[size]))
        for name, case in cases.items():
            order_world.store_orders(case.engine, case.source, part)
            case.stored += part
            cost, taken = take_all(server, case.engine, workers)
            report.correct(f"{taken:,} taken in", taken == part) if taken != part else None
            costs[name].append(cost)
            found[name].append(Rate(taken / cost.wall, taken / cost.cpu))
    rates = {name: Rate(median(one.wall for one in some), median(one.cpu for one in some)) for name, some in found.items()}
    for name, rate in rates.items():
        report.figure(f"{name}, {workers} at once, a second", rate.wall)
        report.figure(f"{name}, {workers} at once, a CPU second", rate.cpu)
    for name, some in costs.items():
        report.figure(f"{name}, {workers} at once, client's share of CPU", median(one.client / one.cpu for one in some))
    return rates


def _tpcb(server: Server, bank: Engine, sessions: int, seconds: int) -> Rate:
    before, on_server = resource.getrusage(resource.RUSAGE_CHILDREN), server.cpu_seconds()
    a_second = tpcb(bank, seconds, sessions)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime + server.cpu_seconds() - on_server
    return Rate(a_second, a_second * seconds / cpu)


def _single(server: Server, report: Report, case: _Case, bank: Engine, size: str) -> float:
    """Orders taken in one by one a CPU second, of TPC-B's transactions a CPU second."""
    ratios = []
    for _ in range(ROUNDS[size]):
        rate = _tpcb(server, bank, 1, PGBENCH_SECONDS[size])
        order_world.store_orders(case.engine, case.source, SINGLE[size])
        case.stored += SINGLE[size]
        cost, taken = take_all(server, case.engine, 1, batch=1)
        ratios.append(taken / cost.cpu / rate.cpu)
        report.cost(f"{taken:,} orders one by one", cost)
    return median(ratios)


def _limit(server: Server, report: Report, engine: Engine, orders: int) -> Rate:
    """Orders a second of the physical limit, of all that were taken in."""
    copies = {name: _copied(engine, name) for name in TABLES}
    with engine.connect() as connection:
        levels = connection.execute(sa.text("select product_id, warehouse, reserved from cloudsales.stock_level")).all()
    tables = ", ".join(TABLES)
    with engine.begin() as connection:
        for name in TABLES:
            connection.execute(sa.text(f"alter table {name} disable trigger user"))
        connection.execute(sa.text("alter table cloudsales.stock_level disable trigger user"))
        # Emptied in a transaction that is undone at the end: the checks want what was taken in.
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            # Requirements of purchasing hang on the lines, and refuse to be emptied; the foreign keys are back for the COPY.
            connection.execute(sa.text("set local session_replication_role = replica"))
            connection.execute(sa.text(f"truncate {tables} cascade"))
            connection.execute(sa.text("set local session_replication_role = origin"))
            cost, _ = measured(server, partial(_write_all, connection, copies, [tuple(row) for row in levels]))
            transaction.rollback()
    finally:
        with engine.begin() as connection:
            for name in (*TABLES, "cloudsales.stock_level"):
                connection.execute(sa.text(f"alter table {name} enable trigger user"))
    report.cost(f"COPY of {orders:,} orders' rows, one UPDATE", cost)
    return Rate(orders / cost.wall, orders / cost.cpu)


def _copied(engine: Engine, table: str) -> tuple[str, bytes]:
    """The table's columns that can be written, and its rows as COPY gives them."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        names = connection.execute(
            sa.text(
                "select string_agg(attname, ', ' order by attnum) from pg_attribute"
                " where attrelid = cast(:table as regclass) and attnum > 0 and attgenerated = '' and not attisdropped"
            ),
            {"table": table},
        ).scalar_one()
        with driver.cursor() as cursor, cursor.copy(f"copy {table} ({names}) to stdout") as copy:
            return names, b"".join(bytes(part) for part in copy)


def _write_all(connection: sa.Connection, copies: dict[str, tuple[str, bytes]], levels: list[tuple[object, ...]]) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    for table, (names, content) in copies.items():
        with driver.cursor() as cursor, cursor.copy(f"copy {table} ({names}) from stdin") as copy:
            copy.write(content)
    connection.execute(sa.text("create temp table wanted (product_id bigint, warehouse text, reserved integer) on commit drop"))
    copy_rows(connection, "copy wanted from stdin", levels)
    connection.execute(sa.text(_LEVELS))


def _judge(report: Report, rates: dict[int, dict[str, Rate]], limit: Rate, single: float) -> None:
    for workers, found in rates.items():
        bank = found["TPC-B"]
        for name in ("Zipf", "one hot"):
            ours = found[name]
            report.at_least(f"{name}, {workers} at once: orders / TPC-B a CPU second", 4, ours.cpu / bank.cpu)
            report.at_least(f"{name}, {workers} at once: orders / TPC-B by wall", 3, ours.wall / bank.wall)
    most = max(rates)
    report.at_least(
        f"one hot, {most} at once: orders / TPC-B by wall", 5, rates[most]["one hot"].wall / rates[most]["TPC-B"].wall
    )
    report.at_least("Zipf, 1 at once: orders / the physical limit a CPU second", 0.25, rates[1]["Zipf"].cpu / limit.cpu)
    report.at_least("Zipf, 1 at once: orders / the physical limit by wall", 0.25, rates[1]["Zipf"].wall / limit.wall)
    report.at_least("one order by itself / TPC-B a CPU second", 0.5, single)
    report.figure("CPU hours for a million orders", A_MILLION / rates[1]["Zipf"].cpu / 3600, "h")


_LEVELS = """
update cloudsales.stock_level l set reserved = w.reserved, version = l.version + 1, changed_at = clock_timestamp()
from wanted w where w.product_id = l.product_id and w.warehouse = l.warehouse and w.reserved > 0
"""
