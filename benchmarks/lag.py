"""How long after its commit a change of stock is with the shops: through the real daemon and its sensor, and with the worker.

A temporary project on the benchmarks' server: `cloudsales up` and `cloudsales work` as a user starts them, the shops in a
process of their own, movements posted from here. The shop's log says when a figure came: from the commit's return to the
request's last byte. The lag that the pipeline itself notes, to the acknowledgement, is read from its tables. The targets are
times, so a bare NOTIFY is measured alongside: it says what the machine was worth meanwhile.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil
from sqlalchemy.engine import Engine

from benchmarks import stock_server, stock_world
from benchmarks.lag_load import Load, Sale, bare_notify, lags, quantile
from benchmarks.lag_project import Project
from benchmarks.measure import Report
from benchmarks.server import Server
from benchmarks.stock_server import Shops
from cloudsales_pipeline.settings import LimitSettings
from cloudsales_pipeline.stock.pushes import minutes

NAMES = ["shop1", "shop2"]
PRODUCTS = {"quick": 200, "usual": 5_000, "full": 5_000}
STEADY_SECONDS = {"quick": 1.0, "usual": 30.0, "full": 120.0}
LULLS = {"quick": 1, "usual": 4, "full": 8}
SINGLE = {"quick": 20, "usual": 300, "full": 1_000}
RATE, BATCH = 200, 10
LULL_SECONDS = 6.3
"""Longer than a tick and the daemon's pause; not a multiple of its loop, so that lulls end anywhere in it."""
QUICK_LULL_SECONDS = 0.5
"""The worker has no tick to wait for: the quick run only shows that a lull is measured."""
DRAIN_SECONDS = 60.0


def run(server: Server, report: Report, size: str) -> None:
    """The sensor: p50 < 0.2 s, p99 < 1 s, after a lull < 6 s; the worker: p99 < 0.2 s; to the wire p99 < 25 ms."""
    seconds = STEADY_SECONDS[size]
    report.begin("lag", f"{RATE} movements a second for {seconds:g} s, {len(NAMES)} shops × {PRODUCTS[size]:,} listings")
    folder = Path(tempfile.mkdtemp(prefix="lag-", dir=server.folder))
    with server.database("bench_lag") as engine, stock_server.serving() as shops:
        settings = stock_world.settings_of(engine, shops, NAMES, LimitSettings())
        stock_world.fill(engine, settings, PRODUCTS[size])
        bench = _Bench(report, engine, shops, PRODUCTS[size])
        project = Project(folder, "project", settings)
        if size == "quick":  # starting Dagster takes longer than all the rest, and tests/dagster_side does it
            with project.worker():
                bench.settle()
                bench.of_worker(seconds, LULLS[size], lull=QUICK_LULL_SECONDS)
        else:
            with project.up():
                bench.of_sensor(seconds, LULLS[size])
                with project.worker():
                    time.sleep(2 * LULL_SECONDS)  # the sensor's tick ends, and the worker has the lease
                    bench.of_worker(seconds, LULLS[size])
        with Project(folder, "fast", stock_world.settings_of(engine, shops, NAMES)).worker():
            bench.settle()
            bench.to_the_wire(SINGLE[size], 0.025)


class _Bench:
    """What is measured, phase by phase, each on figures that all shops have already."""

    def __init__(self, report: Report, engine: Engine, shops: Shops, products: int) -> None:
        self._report, self._engine, self._shops = report, engine, shops
        self._load = Load(engine, products)

    def settle(self) -> None:
        """Have a first change sent: connections are open then."""
        self._lags(self._load.batch(1))

    def of_sensor(self, seconds: float, lulls: int) -> None:
        """The daemon and its sensor alone."""
        self.settle()
        self._steady("sensor", seconds, {0.5: 0.2, 0.99: 1.0})
        self._lulls("sensor", lulls, 6.0)

    def of_worker(self, seconds: float, lulls: int, lull: float = LULL_SECONDS) -> None:
        """The worker, be it beside the daemon."""
        self._steady("worker", seconds, {0.99: 0.2})
        self._lulls("worker", lulls, 0.2, lull)

    def _steady(self, who: str, seconds: float, limits: dict[float, float]) -> None:
        """A steady load; the quantiles' limits in seconds, of both lags."""
        self._forget_minutes()
        psutil.cpu_percent()
        with bare_notify(self._engine) as notify:
            started = time.perf_counter()
            sales = self._load.steadily(seconds, RATE, BATCH)
            took = time.perf_counter() - started
            busy = psutil.cpu_percent()
            received = self._lags(sales)
        self._report.figure(f"{who}: movements a second", seconds * RATE / took)
        self._report.figure(f"{who}: CPU of the whole machine", busy, "%")
        self._report.figure(f"{who}: bare NOTIFY, p99", 1000 * quantile(notify, 0.99), "ms")
        told = {name: self._acknowledged(name) for name in NAMES}
        for share in (0.5, 0.99):
            got, noted = quantile(received, share), max(told[name][share] for name in NAMES)
            self._report.figure(f"{who}: commit to the shop, p{100 * share:g}", got, "s")
            self._report.figure(f"{who}: to the acknowledgement (bucket), p{100 * share:g}", noted, "s")
            if share in limits:
                self._report.at_most(f"{who}, steady: commit to the shop, p{100 * share:g}", limits[share], got, "s")
                self._report.at_most(f"{who}, steady: to the acknowledgement, p{100 * share:g}", limits[share], noted, "s")
        self._agree(f"{who}, steady: {len(received):,} figures")

    def _lulls(self, who: str, count: int, limit: float, seconds: float = LULL_SECONDS) -> None:
        """The first change after nothing moved for a while; the limit is for the longest."""
        found: list[float] = []
        for _ in range(count):
            time.sleep(seconds)
            found += self._lags(self._load.batch(1))
        self._report.at_most(f"{who}, after a lull: commit to the shop, longest of {len(found)}", limit, max(found), "s")

    def to_the_wire(self, count: int, limit: float) -> None:
        """Single changes, one after the other, at a publisher that listens and is not paced."""
        sales: list[Sale] = []
        with bare_notify(self._engine) as notify:
            for _ in range(count):
                sales += self._load.batch(1)
                time.sleep(0.05)
            found = self._lags(sales)
        self._report.figure("bare NOTIFY, p99", 1000 * quantile(notify, 0.99), "ms")
        self._report.figure("to the wire, p50", 1000 * quantile(found, 0.5), "ms")
        self._report.at_most("in a loop: commit to the wire, p99", 1000 * limit, 1000 * quantile(found, 0.99), "ms")
        self._agree(f"to the wire: {len(found):,} figures")

    def _lags(self, sales: list[Sale]) -> list[float]:
        """Of these sales at all shops, once all have them."""
        until = time.monotonic() + DRAIN_SECONDS
        while True:
            log = self._shops.log()
            found = [lag for name in NAMES for lag in lags(sales, log, name)]
            came = [lag for lag in found if lag is not None]
            if len(came) == len(found):
                return came
            if time.monotonic() > until:
                self._report.correct(f"all {len(found)} figures reached the shops ({len(came)} did)", False)
            time.sleep(0.5)

    def _agree(self, what: str) -> None:
        time.sleep(0.5)  # the last acknowledgement is written
        told = self._shops.told()
        same = all(told[name].shows.items() <= stock_world.shown(self._engine, name).items() for name in NAMES)
        self._report.correct(
            f"{what} came, shops show the wanted ones, none went back", same and not any(told[n].stale for n in NAMES)
        )

    def _forget_minutes(self) -> None:
        with self._engine.begin() as connection:
            connection.exec_driver_sql("delete from cloudsales.stock_push_minute")

    def _acknowledged(self, name: str) -> dict[float, float]:
        with self._engine.connect() as connection:
            row = minutes(connection, name, 60)
        return {0.5: row["lag_p50"], 0.99: row["lag_p99"]}
