"""Publishing everything at once, against one listing a request; and that finding what differs costs by what differs.

The shops are stock_server.py in a process of its own; the adapter, the transport and the shared limit are the real ones. What
is sent one by one is written down as well, as the publisher does: same client, same server, same tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy.engine import Engine

from benchmarks import stock_server, stock_world
from benchmarks.measure import Cost, Report, measured, median_cost
from benchmarks.server import Server, analyse
from benchmarks.stock_server import Shops, Told
from cloudsales_pipeline.channels.port import SalesChannel, StockUpdate
from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock import pushes
from cloudsales_pipeline.stock.publisher import PublishResult
from cloudsales_pipeline.stock.publishing import publish_all

LISTINGS = {"quick": 550, "usual": 50_000, "full": 50_000}
CHANNELS = {"quick": 2, "usual": 5, "full": 5}
SAMPLE = {"quick": 5, "usual": 300, "full": 1000}
DIFFERENT = {"quick": (5, 50), "usual": (10, 500), "full": (10, 500)}
"""Products; listings are so many times the channels."""
TIMES = {"quick": 10, "usual": 100, "full": 100}
"""How much smaller the second table is, in which as much differs."""
REPETITIONS = {"quick": 1, "usual": 5, "full": 9}
BATCH = 500
SECONDS = 300.0


def run(server: Server, report: Report, size: str) -> None:
    """≥ 50 × one by one, 20,000 listings a second, ⌈changed ÷ 500⌉ requests; cost by what differs."""
    names = [f"shop{number}" for number in range(1, CHANNELS[size] + 1)]
    listings = LISTINGS[size]
    report.begin("publishing", f"{len(names)} channels × {listings:,} listings, all changed at once")
    with server.database("bench_publishing") as engine, stock_server.serving() as shops:
        settings = stock_world.settings_of(engine, shops, names)
        stock_world.fill(engine, settings, listings)
        _all_at_once(server, report, engine, shops, settings, SAMPLE[size])
        analyse(engine)
        with server.database("bench_publishing_few") as few, stock_server.serving() as others:
            of_few = stock_world.settings_of(few, others, names)
            stock_world.fill(few, of_few, listings // TIMES[size])
            _by_difference(server, report, engine, settings, few, of_few, size)


def _all_at_once(server: Server, report: Report, engine: Engine, shops: Shops, settings: Settings, sample: int) -> None:
    listings, names = len(stock_world.shown(engine, next(iter(settings.channels)))), list(settings.channels)
    for number in range(3):
        stock_world.move_all(engine, f"all-{number}", -1)
    analyse(engine)
    single, _ = measured(server, lambda: _one_by_one(engine, settings, names[0], sample))
    told, shop_cpu = shops.told(), shops.cpu_seconds()
    cost, results = measured(server, partial(_publish, settings, engine))
    shop_cpu = shops.cpu_seconds() - shop_cpu
    sent = sum(result.pushed for result in results.values())
    total = len(names) * listings
    requests = sum(-(-(listings - (sample if name == names[0] else 0)) // BATCH) for name in names)
    report.correct(
        f"each of {total:,} listings was sent once after three movements, the last figure, in {requests} requests",
        sent == total - sample and _requests(shops.told()) - _requests(told) == requests,
    )
    _agree(report, engine, shops, names)
    report.cost(f"one by one, {sample}", single)
    report.cost(f"all at once, {sent:,}", cost)
    for part in ("wall", "cpu"):
        ratio = (getattr(single, part) / sample) / (getattr(cost, part) / sent)
        report.at_least(f"all at once / one by one, {part}", 50, ratio)
    report.figure("CPU of the shops' own server", shop_cpu, "s")
    report.figure("CPU of all three for a listing", 1e6 * (cost.cpu + shop_cpu) / sent, "µs")
    report.at_least("listings a second", 20_000, sent / cost.wall, "/s")


def _publish(settings: Settings, engine: Engine) -> dict[str, PublishResult]:
    return publish_all(settings, engine, seconds=SECONDS, keep_listening=False)


def _one_by_one(engine: Engine, settings: Settings, name: str, count: int) -> None:
    """Send the first `count` listings that are due, a request and an acknowledgement for each."""
    channel = open_channel(name, settings.channel(name), database=engine)
    try:
        pushes.register(engine, name)
        for _ in range(count):
            _push_one(engine, channel)
    finally:
        channel.close()


def _push_one(engine: Engine, channel: SalesChannel) -> None:
    with engine.connect() as connection:
        due = pushes.claim(connection, channel.name, 1).due[0]
    (result,) = channel.push_stock([StockUpdate(due.variant_id, due.quantity, due.version)])
    pushes.acknowledge(engine, channel.name, [pushes.Answer(due, result)], requests=1, pushed=1, stale=0)


def _requests(told: dict[str, Told]) -> int:
    return sum(shop.requests for shop in told.values())


def _agree(report: Report, engine: Engine, shops: Shops, names: Sequence[str]) -> None:
    told = shops.told()
    report.correct(
        "every shop shows exactly the wanted figures at their last versions, and none went back",
        all(told[name].shows == stock_world.shown(engine, name) and not told[name].stale for name in names),
    )


def _by_difference(
    server: Server, report: Report, large: Engine, settings: Settings, small: Engine, small_settings: Settings, size: str
) -> None:
    """Passes of which few listings differ, in turn on the large table and on the small one."""
    worlds = {"of all": (large, settings), "of few": (small, small_settings)}
    costs: dict[str, list[Cost]] = {}
    for number in range(REPETITIONS[size]):
        for products in (0, *DIFFERENT[size]):
            for of, (engine, its) in worlds.items():
                name = f"{products * len(its.channels):,} differ {of}"
                if products:
                    stock_world.move_all(engine, f"few-{products}-{number}", -1, count=products)
                cost, results = measured(server, partial(_publish, its, engine))
                costs.setdefault(name, []).append(cost)
                sent = sum(result.acknowledged for result in results.values())
                if sent != products * len(its.channels):
                    report.correct(f"a pass sends what differs: {sent} sent where {name}", False)
    report.correct("each pass sent exactly what differed", True)
    _judge_difference(report, {name: median_cost(found) for name, found in costs.items()}, len(settings.channels), size)


def _judge_difference(report: Report, costs: dict[str, Cost], channels: int, size: str) -> None:
    for name, cost in costs.items():
        report.cost(name, cost)
    none, few, many = (f"{products * channels:,} differ" for products in (0, *DIFFERENT[size]))
    for part in ("wall", "cpu"):
        for differ in (none, few, many):
            ratio = getattr(costs[f"{differ} of all"], part) / max(getattr(costs[f"{differ} of few"], part), 0.001)
            report.at_most(f"{differ}: a table {TIMES[size]} times as large, {part}", 1.5, ratio)
