"""Products with stock, payloads of a shop's orders for them, and what must be true once all are taken in.

What belongs here: the data, the same for the same seed, and its checks. What does not: measuring (`orders`), and the processes that
take in (`order_worker`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import stock_world
from benchmarks.measure import Report
from benchmarks.server import analyse
from benchmarks.stock_server import Shops
from cloudsales_pipeline.channels.fashionup_orders import order_head, parse_order
from cloudsales_pipeline.channels.port import ChannelOrder, OrderHead
from cloudsales_pipeline.database.engine import run_script
from cloudsales_pipeline.orders.payloads import store
from cloudsales_pipeline.settings import ChannelSettings, OrderSettings, StockRuleSettings

CHANNEL = "fashionup"
ZIPF = 1.1
HOT = 1
"""The product that every order asks for, where one is hot."""
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAGE = 500


class Parser:
    """FashionUp's reading of orders, without the shop."""

    def order_head(self, payload: bytes) -> OrderHead:
        """Id, revision and time."""
        return order_head(payload)

    def parse_order(self, payload: bytes) -> ChannelOrder:
        """The order."""
        return parse_order(payload)


def settings() -> ChannelSettings:
    """The shop's settings: partial reservation in the one warehouse."""
    return ChannelSettings(
        kind="fashionup",
        url="http://127.0.0.1:9/v1",
        stock=StockRuleSettings(warehouses=(stock_world.WAREHOUSE,)),
        orders=OrderSettings(warehouse=stock_world.WAREHOUSE),
    )


def fill(engine: Engine, products: int, of_hot: int) -> None:
    """`products` products with `stock_world.START` pieces each, all published on the shop, whose orders name them by their codes.

    Args:
        of_hot: so many more pieces of `HOT`.
    """
    stock_world.fill(engine, stock_world.settings_of(engine, Shops("http://127.0.0.1:9"), [CHANNEL]), products)
    with engine.begin() as connection:
        run_script(connection, _CODES)
    stock_world.move_all(engine, "more", of_hot, first=HOT, count=1)
    analyse(engine)


def orders(products: int, *, hot: bool, seed: int) -> Iterator[bytes]:
    """Orders without end, of 1 to 4 lines; how often a product is sold follows Zipf's law. `hot`: the first line is of `HOT`."""
    chance = random.Random(seed)
    weights = list(accumulate(rank**-ZIPF for rank in range(1, products + 1)))
    shelf = range(1, products + 1)
    number = 0
    while True:
        number += 1
        found = chance.choices(shelf, cum_weights=weights, k=chance.randint(1, 4))
        if hot:
            found[0] = HOT
        yield _payload(f"FO{seed}{number:08}", found, chance, NOON + timedelta(seconds=number))


def store_orders(engine: Engine, source: Iterator[bytes], count: int) -> None:
    """Store the next `count` as an import does, page by page."""
    for start in range(0, count, PAGE):
        page = [next(source) for _ in range(min(PAGE, count - start))]
        with engine.begin() as connection:
            store(connection, CHANNEL, Parser(), page)


def check(report: Report, engine: Engine, name: str, count: int) -> None:
    """All are taken in, each line is accounted for, and of each product exactly what there was is held (I-06, I-15)."""
    with engine.connect() as connection:
        row = connection.execute(sa.text(_STANDING)).one()
    report.correct(
        f"{name}: {row.orders:,} orders, {row.held:,} pieces held, {row.waiting:,} wait, nothing oversold, no deadlock",
        (row.orders, row.left_over, row.wrong_lines, row.wrong_levels, row.wrong_products, row.deadlocks)
        == (count, 0, 0, 0, 0, 0),
    )


def _payload(order_id: str, products: list[int], chance: random.Random, placed: datetime) -> bytes:
    """An order as FashionUp writes it; its total adds up."""
    lines = [_line(place, product, chance.choice((1, 1, 2))) for place, product in enumerate(products, start=1)]
    cents = sum(line["quantity"] * _cents(product) for line, product in zip(lines, products, strict=True))  # type: ignore[operator]
    home = {
        "name": "Ana Câmpeanu", "phone": f"+407{chance.randrange(10**8):08}", "street": f"Strada Teiului {chance.randint(1, 99)}",
        "city": "Cluj-Napoca", "county": "Cluj", "postal_code": "400001", "country": "RO", "locker_id": None,
    }  # fmt: skip
    order = {
        "id": order_id,
        "revision": 1,
        "status": "new",
        "created_at": placed,
        "updated_at": placed,
        "customer": {"name": home["name"], "email": f"{order_id}@example.invalid", "phone": home["phone"], "company": None},
        "billing_address": home,
        "delivery_address": home,
        "payment": {"method": "cash_on_delivery", "status": "pending", "paid_at": None},
        "delivery": {"method": "courier", "courier": None, "price": _money(1999)},
        "lines": lines,
        "discounts": [],
        "total": _money(cents + 1999),
        "note": None,
    }
    return msgspec.json.encode(order)


def _line(place: int, product: int, quantity: int) -> dict[str, object]:
    return {
        "id": str(place), "variant_id": f"V{product}", "code": f"S{product}", "ean": None, "name": f"Rochie din in {product}",
        "quantity": quantity, "unit_price": _money(_cents(product)), "vat_rate": "21", "returned_quantity": 0,
    }  # fmt: skip


def _cents(product: int) -> int:
    return 4_900 + product % 500 * 100


def _money(cents: int) -> dict[str, str]:
    return {"amount": f"{cents // 100}.{cents % 100:02}", "currency": "RON"}


_CODES = "insert into cloudsales.code_key (key, product_id, kinds) select lower(sku), product_id, 1 from cloudsales.product"
_STANDING = """
with asked as (
    select product_id, sum(quantity) as asked, sum(reserved) as held, sum(waiting) as waiting
    from cloudsales.sales_order_line group by product_id
), open as (
    select product_id, sum(quantity) as held from cloudsales.reservation where state = 'open' group by product_id
)
select (select count(*) from cloudsales.sales_order) as orders,
       (select sum(held) from asked)::bigint as held, (select sum(waiting) from asked)::bigint as waiting,
       (select count(*) from personal.order_payload where state <> 'taken') as left_over,
       (select count(*) from cloudsales.sales_order_line where product_id is null or quantity <> reserved + waiting) as wrong_lines,
       (select count(*) from cloudsales.stock_level l left join open using (product_id)
        where l.reserved <> coalesce(open.held, 0) or l.reserved > l.on_hand) as wrong_levels,
       (select count(*) from asked join cloudsales.stock_level l using (product_id)
        where asked.held <> least(asked.asked, l.on_hand)) as wrong_products,
       (select deadlocks from pg_stat_database where datname = current_database()) as deadlocks
"""
