"""The demo's second half: stock comes in and is sold while a publisher listens; the marketplace and a store follow.

What belongs here: the steps and what they left behind. What does not: the catalogue's half (demo), and any rule of stock.
"""

from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from cloudsales_pipeline.cli.output import detail, print_rows, say

if TYPE_CHECKING:
    import dagster as dg
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.simulator.state import State
    from cloudsales_pipeline.stock.movements import Movement

WAREHOUSE, STORE = "CENTRAL", "cluj"
BUFFER = 1
SALES = 60
SOLD_OUT_EVERY = 6
PUBLISH_SECONDS = 30.0
REMEMBERED = "marketplace_stock.json"
EXAMPLES = 3

SOLD = """
    select p.sku, coalesce(sum(m.quantity) filter (where m.reason = 'receipt'), 0) as received,
           coalesce(-sum(m.quantity) filter (where m.reason = 'sale'), 0) as sold,
           b.quantity, b.acknowledged_quantity, b.lag_seconds, s.quantity as in_the_store
    from cloudsales.stock_movement m join cloudsales.product p using (product_id)
    join cloudsales.publication b on b.product_id = m.product_id and b.channel = :channel
    join cloudsales.publication s on s.product_id = m.product_id and s.channel = :store
    group by p.sku, b.publication_id, s.publication_id having bool_or(m.reference like 'DEMO-SALE-%') order by p.sku, b.variant_id
"""
CHANNELS = """
    select c.channel, count(*) filter (where b.quantity is not null) as figures,
           count(*) filter (where b.state = 'done') as acknowledged,
           (select sum(requests) from cloudsales.stock_push_minute m where m.channel = c.channel) as requests,
           (select sum(pushed) from cloudsales.stock_push_minute m where m.channel = c.channel) as figures_sent
    from unnest(cast(:channels as text[])) c (channel) join cloudsales.publication b using (channel) group by 1 order by 1
"""
LAGS = """
    select percentile_disc(array[0.5, 0.99]) within group (order by b.lag_seconds)
    from cloudsales.publication b where b.channel = :channel and b.product_id in
        (select product_id from cloudsales.stock_movement where reference like 'DEMO-SALE-%')
"""


def settings_lines(folder: Path) -> tuple[str, str]:
    """Lines of the demo's settings: the marketplace's rule, and warehouse and store."""
    outbox = (folder / STORE).absolute()
    outbox.mkdir(exist_ok=True)
    rule = f"    stock: {{warehouses: [{WAREHOUSE}], buffer: {BUFFER}}}\n"
    store = (
        f"  {STORE}:\n    kind: store\n    outbox: {json.dumps(str(outbox))}\n    outbox_acknowledged: false\n"
        f"    stock: {{warehouses: [{WAREHOUSE}]}}\nwarehouses: {{{WAREHOUSE}: {{}}}}\n"
    )
    return rule, store


@contextmanager
def remembered(state: State, folder: Path) -> Iterator[None]:
    """The marketplace knows the figures it was told when the demo ran before, as a real one would."""
    file = folder / REMEMBERED
    if file.exists():
        state.set_stock(tuple(told) for told in json.loads(file.read_text()))
    yield
    told = {write.variant_id for write in state.stock_history}
    file.write_text(json.dumps([(name, offer.quantity, offer.version) for name, offer in state.offers(told).items()]))


def play(instance: dg.DagsterInstance, engine: Engine, settings: Settings, channel: str, folder: Path) -> None:
    """Receive, publish, sell."""
    from cloudsales_pipeline.cli.run import execute
    from cloudsales_pipeline.stock.files import load_file
    from cloudsales_pipeline.stock.movements import post
    from cloudsales_pipeline.stock.rules import sync_rules

    sync_rules(engine, settings)
    skus = _skus(engine)
    file = folder / "receipts.csv"
    _write_receipts(skus, file)
    with publisher(engine, settings):
        say(f"Receiving {len(skus)} products into the warehouse {WAREHOUSE} from {file}, while a publisher listens")
        result = load_file(engine, file, timezone=settings.timezone)
        detail(f"{result.rows_in} movements: {result.loaded} posted, {result.unchanged} were posted before")
        wait_until_sent(engine, channel)
        say(f"Selling {SALES} products, one at a time; a store gets its files in {folder / STORE}")
        posted = sum(post(engine, [sale]).posted for sale in _sales(engine, channel))
        detail(f"{posted} sales posted" if posted else "these sales were posted before: nothing was done")
        wait_until_sent(engine, channel)
    say("Looking whether anything is left to publish (job publish_stock)")
    for name in (channel, STORE):
        detail(f"{name}: {'; '.join(execute(instance, 'publish_stock', name))}")


def show(engine: Engine, state: State, channel: str, folder: Path) -> None:
    """What was told to whom, how long it took, and whether they show it."""
    import sqlalchemy as sa

    with engine.connect() as connection:
        channels = connection.execute(sa.text(CHANNELS), {"channels": [channel, STORE]}).mappings().all()
        lag: Sequence[float] | None = connection.scalar(sa.text(LAGS), {"channel": channel})
        sold = connection.execute(sa.text(SOLD), {"channel": channel, "store": STORE}).mappings().all()
        wanted = {
            name: {row.variant_id: row.quantity for row in connection.execute(sa.text(_WANTED), {"channel": name})}
            for name in (channel, STORE)
        }
    print_rows([dict(row) for row in channels], as_json=False, title="What each channel was told of our stock")
    if lag:
        detail(f"From a sale to the marketplace's answer: half of them within {lag[0]:.3f} s, 99 of 100 within {lag[1]:.3f} s.")
    offers = state.offers(wanted[channel])
    shows = sum(name in offers and offers[name].quantity == quantity for name, quantity in wanted[channel].items())
    detail(f"The marketplace shows the rule's figure for {shows} of {len(wanted[channel])} listings.")
    files, applied = _read_outbox(folder / STORE)
    shows = sum(applied.get(sku) == quantity for sku, quantity in wanted[STORE].items())
    detail(f"The store's {files} files say the rule's figure for {shows} of {len(wanted[STORE])} products.")
    _examples([dict(row) for row in sold], channel)
    detail("")


def _examples(sold: Sequence[Mapping[str, Any]], channel: str) -> None:
    gone = [row for row in sold if row["received"] == row["sold"]][:1]
    for row in [*gone, *(row for row in sold if row["received"] > row["sold"])][:EXAMPLES]:
        detail(
            f"{row['sku']}: received {row['received']}, sold {row['sold']}; {channel} shows {row['acknowledged_quantity']}"
            f" (less a buffer of {BUFFER}) {row['lag_seconds']:.3f} s after the sale, the store {row['in_the_store']}."
        )


_WANTED = "select variant_id, quantity from cloudsales.publication where channel = :channel and quantity is not null"


def _skus(engine: Engine) -> list[str]:
    import sqlalchemy as sa

    with engine.connect() as connection:
        return list(connection.scalars(sa.text("select sku from cloudsales.product order by sku")))


def _received(sku: str) -> int:
    """So many pieces came of it: the same each time, so that a document is posted once."""
    return 2 + crc32(sku.encode()) % 20


def _write_receipts(skus: Sequence[str], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("reference", "warehouse", "sku", "reason", "quantity"))
        writer.writerows((f"DEMO-RECEIPT-{sku}", WAREHOUSE, sku, "receipt", _received(sku)) for sku in skus)


def _sales(engine: Engine, channel: str) -> list[Movement]:
    import sqlalchemy as sa

    from cloudsales_pipeline.stock.movements import Movement

    with engine.connect() as connection:
        skus = connection.scalars(
            sa.text("select distinct sku from analytics.publication where channel = :channel order by sku limit :most"),
            {"channel": channel, "most": SALES},
        ).all()
    return [
        Movement(f"DEMO-SALE-{sku}", WAREHOUSE, sku, "sale", _received(sku) if place % SOLD_OUT_EVERY == 0 else 1)
        for place, sku in enumerate(skus)
    ]


@contextmanager
def publisher(engine: Engine, settings: Settings) -> Iterator[None]:
    """What `cloudsales work` does, in a thread."""
    from cloudsales_pipeline.stock.publishing import publish_all

    stop = threading.Event()
    thread = threading.Thread(
        target=publish_all, args=(settings, engine), kwargs={"seconds": PUBLISH_SECONDS, "stop": stop}, daemon=True
    )
    thread.start()
    time.sleep(0.3)  # until it listens
    try:
        yield
    finally:
        stop.set()
        thread.join(PUBLISH_SECONDS)


def wait_until_sent(engine: Engine, channel: str) -> None:
    """Until nothing is due on the marketplace and in the store."""
    from cloudsales_pipeline.stock.pushes import standing

    deadline = time.monotonic() + PUBLISH_SECONDS / 2
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if not any(standing(connection, name)[0] for name in (channel, STORE)):
                return
        time.sleep(0.02)


def _read_outbox(folder: Path) -> tuple[int, dict[str, int]]:
    """How many change sets there are, and what a till shows that has taken them all: of each SKU its highest version."""
    files = sorted(folder.glob("stock-*.csv"))
    shown: dict[str, tuple[int, int]] = {}
    for file in files:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                told = (int(row["version"]), int(row["quantity"]))
                shown[row["sku"]] = max(shown.get(row["sku"], told), told)
    return len(files), {sku: quantity for sku, (_, quantity) in shown.items()}
