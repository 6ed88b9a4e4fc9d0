"""The same orders in any pages, order and repetition, over a channel that fails, give the same tables, also where stock is short.

Independent of all that: each order at its highest revision with its status, money, flags, buyer and discounts; each line that is
still wanted with its pieces; and of each product how many pieces are held and how many are waited for. When as much has come as
all want, also what each line holds.

Not independent, and not compared: who holds the last piece while it is short (whose page was committed first has it; nobody's
piece is taken away for an older order), lines that an earlier revision had and the last has not (they stand as cancelled if that
revision was seen), and what became of the payloads.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from decimal import Decimal
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import ChannelOrder, OrderDiscount, SalesChannel
from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.orders.importing import import_orders
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.stock import publishing
from cloudsales_pipeline.stock.movements import post
from tests.orders.market import HOME, line, market, order, payload, shop
from tests.orders.order_shop import OrderShop
from tests.orders.racing import all_holds
from tests.orders.test_importing import gone
from tests.orders.test_importing_simulated import shelf
from tests.orders.test_killed_on_the_wire import sold_on
from tests.stock.shelf import receipt, rows

WORLDS = count(1)
SAME = """
select 'order', o.external_id, concat_ws(' ', o.revision, o.status, o.channel_status, o.placed_at, o.total, o.expected_total, o.discount,
    o.review, o.acknowledgement, b.name, b.email, b.delivery, (select array_agg((d.code, d.external_line_id, d.amount) order by d.position)
    from cloudsales.sales_order_discount d where d.order_id = o.order_id))
from cloudsales.sales_order o join personal.buyer b using (order_id) where o.channel = :channel
union all select 'line', o.external_id || '/' || l.external_line_id, concat_ws(' ', right(p.sku, 2), l.quantity, l.reserved + l.waiting,
    l.issued, l.cancelled, l.unit_price, l.discount)
from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id) join cloudsales.product p using (product_id)
where o.channel = :channel and l.quantity > l.cancelled
union all select 'product', right(p.sku, 2), concat_ws(' ', sum(l.reserved), sum(l.waiting), min(v.on_hand), min(v.reserved))
from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id) join cloudsales.product p using (product_id)
join cloudsales.stock_level v using (product_id) where o.channel = :channel group by p.sku
order by 1, 2
"""
HELD = """
select o.external_id, l.external_line_id, r.warehouse, sum(r.quantity)::integer
from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id) join cloudsales.reservation r using (owner)
where o.channel = :channel and r.state = 'open' group by 1, 2, 3 order by 1, 2
"""


def revisions(world: str) -> list[ChannelOrder]:
    """Eight orders that want 16 of A (5 there) and 9 of B (3 there) in the end; half of them have a second revision."""
    a, b = f"{world}-A", f"{world}-B"
    off = (OrderDiscount("IARNA", None, Decimal("5.00")),)
    return [
        order("FO1", line(a, 2)),
        order("FO1", line(a, 4), revision=2),
        order("FO2", line(a, 6, line_id="1"), line(b, 1, line_id="2"), minutes=1),
        order("FO2", line(a, 1, line_id="1"), line(b, 3, line_id="3"), minutes=1, revision=2),
        order("FO3", line(b, 2), minutes=2),
        order("FO3", line(b, 2), minutes=2, revision=2, status="cancelled"),
        order("FO4", line(a, 3, line_id="1"), line(b, 1, line_id="2"), minutes=3, discounts=off),
        order("FO5", line(a, 1), minutes=4, status="paid"),
        order("FO6", line(b, 4), minutes=5),
        order("FO7", line(a, 5), minutes=6),
        order("FO7", line(a, 5), minutes=6, revision=3, status="paid", delivery=replace(HOME, county="Atlantida")),
        order("FO8", line(a, 2, line_id="1"), line(b, 1, line_id="2"), minutes=7),
    ]


def sell(engine: Engine, sequence: list[int], size: int, fails: frozenset[int]) -> str:
    """A channel and products of its own, these revisions in pages of this size, and requests of these numbers that fail; its name."""
    name = f"w{next(WORLDS)}"
    market(engine, {f"{name}-A": 5, f"{name}-B": 3}, channels=(name,))
    packed = [payload(revisions(name)[number]) for number in sequence]
    pages = [packed[start : start + size] for start in range(0, len(packed), size)]
    channel = OrderShop(pages=pages, name=name, failures={number: gone() for number in fails})
    for _ in range(len(fails) + 1):
        if import_orders(engine, cast(SalesChannel, channel), shop()).complete:
            return name
    raise AssertionError("no pass came to its end")


def same(engine: Engine, channel: str) -> list[tuple[object, ...]]:
    return rows(engine, SAME, channel=channel)


def all_comes(engine: Engine, channel: str) -> None:
    post(engine, [receipt(f"all-{channel}-{one}", f"{channel}-{one}", 30) for one in "AB"], then=serve)


@pytest.mark.timeout(120)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.permutations([*range(12), 0, 3, 5, 9]),
    st.integers(1, 6),
    st.frozensets(st.integers(1, 8), max_size=3),
)
def test_i40_f13_any_split_order_repetition_and_failure_of_the_pages_gives_the_same_tables_where_stock_is_short(
    engine: Engine, sequence: list[int], size: int, fails: frozenset[int]
) -> None:
    straight = sell(engine, list(range(12)), 12, frozenset())
    mixed = sell(engine, sequence, size, fails)
    short = same(engine, straight)
    assert same(engine, mixed) == short
    assert [one[1:] for one in short if one[0] == "product"] == [("-A", "5 11 5 5"), ("-B", "3 6 3 3")]
    for name in (straight, mixed):
        all_comes(engine, name)
    assert same(engine, mixed) == same(engine, straight)
    assert rows(engine, HELD, channel=mixed) == rows(engine, HELD, channel=straight)
    all_holds(engine, straight, mixed)


def first_come(orders: list[dict[str, Any]], stock: dict[str, int]) -> dict[tuple[str, str], int]:
    """Who holds what, worked out from the channel's own orders alone: by the time of placing, then by id.

    The pages come in that order too; an order that changed later is on a later page, and here that is a cancelled one alone.
    """
    left, held = Counter(stock), {}
    for one in sorted(orders, key=lambda one: (one["created_at"], one["id"])):
        for sold in one["lines"]:
            gets = 0 if one["status"] == "cancelled" else min(sold["quantity"], left[sold["code"]])
            left[sold["code"]] -= gets
            held[one["id"], sold["id"]] = gets
    return held


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_i40_over_a_channel_that_fails_at_every_third_request_the_tables_are_those_of_one_that_does_not(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t")
    stock = {"A1": 9, "B2": 4}
    market(engine, stock)
    state, chance = shelf(A1=99, B2=99), random.Random(seed)  # noqa: S311 - repeatable
    placed = [state.place_order(lines=[("V-A1", chance.randint(1, 3)), ("V-B2", 1)])["id"] for _ in range(14)]
    state.cancel_order(placed[2])
    limits = replace(
        publishing.CALL, total_seconds=6.0, attempt_seconds=1.0, read_seconds=0.8, longest_pause=1.5, backoff_base=0.01
    )
    with running(state, token="t") as server:
        state.faults.level("harsh", seed)
        settings = sold_on(server.url)
        channel = open_channel("fashionup", settings, database=None, limits=limits)
        for _ in range(8):
            result = import_orders(engine, channel, settings, deadline=time.monotonic() + 20)
            if result.complete and result.failure is None and not result.told.failed:
                break
        channel.close()
    assert len(state.faults.log) > 3
    orders = [state.order(name) for name in placed]
    assert dict(rows(engine, "select external_id, status || ' ' || acknowledgement from cloudsales.sales_order")) == {
        one["id"]: f"{one['status']} done" for one in orders
    }
    found = rows(
        engine,
        "select o.external_id, l.external_line_id, l.reserved from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id)",
    )
    assert {(name, line_id): held for name, line_id, held in found} == first_come(orders, stock)
    all_holds(engine)
