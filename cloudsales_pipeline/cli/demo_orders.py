"""The demo's orders: buyers are quicker than a shop's till, so some of what they order is missing.

What belongs here: placing them on the simulated marketplace, and taking them in. What does not: buying what is missing
(demo_purchasing), and any rule of orders.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cloudsales_pipeline.cli import demo_stock
from cloudsales_pipeline.cli.demo_stock import WAREHOUSE
from cloudsales_pipeline.cli.output import detail, say

if TYPE_CHECKING:
    import dagster as dg
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.simulator.state import State

ORDERS = 40
SEED = 5
REMEMBERED = "marketplace_orders.json"
SETTINGS = f"    orders: {{warehouse: {WAREHOUSE}}}\n"
PER_SUPPLIER = 3  # products that the till sells out; and one that has no supplier

RACED = """
    select variant_id, sku, quantity, on_hand from (
        select min(b.variant_id) as variant_id, p.sku, min(b.quantity) as quantity, v.on_hand - v.reserved as on_hand, p.supplier,
               row_number() over (partition by p.supplier order by p.sku) as place
        from cloudsales.publication b join cloudsales.product p using (product_id)
        join cloudsales.stock_level v on v.product_id = p.product_id and v.warehouse = :warehouse
        where b.channel = :channel and b.quantity between 3 and 8 and not exists
            (select from cloudsales.stock_movement m where m.product_id = p.product_id and m.reason = 'sale')
        group by p.product_id, v.on_hand, v.reserved
    ) x where place <= case when coalesce(supplier, '') = '' then 1 else :most end order by sku
"""
# What is left alone by the sales before, whose figures stand in the summary.
PLENTY = """
    select min(b.variant_id) from cloudsales.publication b
    where b.channel = :channel and b.quantity > 8 and not exists
        (select from cloudsales.stock_movement m where m.product_id = b.product_id and m.reason = 'sale')
    group by b.product_id order by 1
"""
WAITING = """
    select count(*), count(*) filter (where waits), coalesce(sum(pieces), 0) from (
        select bool_or(l.waiting > 0) as waits, sum(l.waiting) as pieces
        from cloudsales.sales_order_line l where l.order_id in
            (select order_id from cloudsales.sales_order where channel = :channel and external_id = any(:orders))
        group by l.order_id) x
"""
Lines = list[tuple[str, int]]


class Raced(NamedTuple):
    """A product that the till sells to the last piece while the marketplace still offers some."""

    variant_id: str
    sku: str
    quantity: int
    on_hand: int


@contextmanager
def remembered(state: State, folder: Path) -> Iterator[None]:
    """The marketplace knows the orders that were placed when the demo ran before, as a real one would."""
    file = folder / REMEMBERED
    for order in json.loads(file.read_text(encoding="utf-8")) if file.exists() else ():
        state.put_order(order)
    yield


def play(instance: dg.DagsterInstance, engine: Engine, settings: Settings, state: State, channel: str, folder: Path) -> None:
    """The till sells, buyers order, the figures go out again, the orders come in."""
    from cloudsales_pipeline.cli.run import execute

    if state.orders():
        say("Placing orders on the marketplace")
        detail(f"{len(state.orders())} orders were placed before: nothing was done")
    else:
        _sell_out_and_order(engine, state, channel, folder)
    with demo_stock.publisher(engine, settings):
        say("Taking the orders in, each of which reserves its stock at once (job import_orders), while a publisher listens again")
        demo_stock.wait_until_sent(engine, channel)
        for line in execute(instance, "import_orders", channel):
            detail(line)
        demo_stock.wait_until_sent(engine, channel)
    _say_what_waits(engine, state, channel)


def _sell_out_and_order(engine: Engine, state: State, channel: str, folder: Path) -> None:
    import sqlalchemy as sa

    from cloudsales_pipeline.stock.movements import Movement, post

    values = {"channel": channel, "warehouse": WAREHOUSE, "most": PER_SUPPLIER}
    with engine.connect() as connection:
        raced = [Raced(*row) for row in connection.execute(sa.text(RACED), values)]
        plenty = list(connection.scalars(sa.text(PLENTY), {"channel": channel}))
    say(f"Selling {len(raced)} products over the counter to the last piece, while nobody tells FashionUp")
    sales = [Movement(f"DEMO-TILL-{one.sku}", WAREHOUSE, one.sku, "sale", one.on_hand) for one in raced]
    detail(f"{post(engine, sales).posted} sales posted")
    say(f"{ORDERS} buyers order on FashionUp, which still offers them")
    _place(state, _baskets(raced, plenty))
    _remember(state, folder)
    detail(f"{len(state.orders())} orders placed")


def _baskets(raced: Sequence[Raced], plenty: Sequence[str]) -> list[Lines]:
    """What each buyer wants: two of them each product that is gone, the others what there is; in an order of its own."""
    chance = random.Random(SEED)  # noqa: S311 - repeatable data
    baskets: list[Lines] = [[(one.variant_id, pieces)] for one in raced for pieces in (2, 1)][:ORDERS]
    baskets += [[(name, 1) for name in chance.sample(plenty, min(2, len(plenty)))] for _ in range(ORDERS - len(baskets))]
    chance.shuffle(baskets)
    return baskets


def _place(state: State, baskets: Sequence[Lines]) -> None:
    """Each buyer orders no more than the marketplace offers at that moment."""
    for number, basket in enumerate(baskets):
        state.place_order(SEED + number, only_offered=True, lines=basket)


def _remember(state: State, folder: Path) -> None:
    (folder / REMEMBERED).write_text(json.dumps(state.orders()), encoding="utf-8")


def _say_what_waits(engine: Engine, state: State, channel: str) -> None:
    import sqlalchemy as sa

    values = {"channel": channel, "orders": [order["id"] for order in state.orders()]}
    with engine.connect() as connection:
        orders, waiting, pieces = connection.execute(sa.text(WAITING), values).one()
    known = sum(state.acknowledged.values())
    detail(f"{orders} orders are here, {known} acknowledged now; {waiting} of them wait for {pieces} pieces")
