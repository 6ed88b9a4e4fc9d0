"""Whatever happens to orders and stock, in whatever order: lines add up, reservations are what lines hold, nobody waits in vain."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from cloudsales_pipeline.channels.port import ChannelOrderStatus
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.orders import life, returns
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.stock.movements import Movement, post
from tests.orders.market import NOON, line, market, order, receive, shop
from tests.stock.shelf import rows

SHOP = shop(expire_unpaid_after={"cash_on_delivery": timedelta(minutes=30)})
ORDERS = 3
BROKEN = {
    "a line does not add up (I-15)": (
        "select owner from cloudsales.sales_order_line where quantity <> reserved + waiting + issued + cancelled"
    ),
    "a line holds other than its open reservations": (
        "select l.owner from cloudsales.sales_order_line l left join cloudsales.reservation r on r.owner = l.owner and r.state = 'open'"
        " group by l.owner, l.reserved having l.reserved <> coalesce(sum(r.quantity), 0)"
    ),
    "a line has issued other than its issued reservations": (
        "select l.owner from cloudsales.sales_order_line l left join cloudsales.reservation r on r.owner = l.owner and r.state = 'issued'"
        " group by l.owner, l.issued having l.issued <> coalesce(sum(r.quantity), 0)"
    ),
    "a level is not its ledger's sum": (
        "select v.product_id from cloudsales.stock_level v left join cloudsales.stock_movement m using (product_id, warehouse)"
        " group by v.product_id, v.warehouse, v.on_hand having v.on_hand <> coalesce(sum(m.quantity), 0)"
    ),
    "a level holds other than its reservations, or more than there is": (
        "select v.product_id from cloudsales.stock_level v left join cloudsales.reservation r"
        " on r.product_id = v.product_id and r.warehouse = v.warehouse and r.state = 'open' group by v.product_id, v.warehouse,"
        " v.on_hand, v.reserved having v.reserved <> coalesce(sum(r.quantity), 0) or v.reserved not between 0 and v.on_hand"
    ),
    "sales and issued pieces differ": (
        "select 1 from (select coalesce(sum(issued), 0) as i from cloudsales.sales_order_line) l,"
        " (select coalesce(-sum(quantity), 0) as s from cloudsales.stock_movement where reason = 'sale') m where l.i <> m.s"
    ),
    "restocked pieces and returns differ": (
        "select 1 from (select coalesce(sum(restocked), 0) as i from cloudsales.sales_order_line) l,"
        " (select coalesce(sum(quantity), 0) as s from cloudsales.stock_movement where reason = 'return') m where l.i <> m.s"
    ),
    "a line waits while pieces are free": (
        "select l.owner from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id) join cloudsales.stock_level v"
        " on v.product_id = l.product_id and v.warehouse = any (o.warehouses) where l.waiting > 0 and v.on_hand > v.reserved"
    ),
    "an order that has ended holds or waits": (
        "select l.owner from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id)"
        " where o.status not in ('new', 'paid', 'held') and l.reserved + l.waiting > 0"
    ),
}


def broken(engine: Engine) -> dict[str, list[Any]]:
    """What does not hold now, with the rows that break it."""
    return {name: found for name, sql in BROKEN.items() if (found := rows(engine, sql))}


class World:
    """The steps of a random story on one database; each names its business documents anew, so that runs never meet."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.run = rows(engine, "select count(*) from cloudsales.event")[0][0]
        self.number = 0

    def name(self, order_number: int) -> str:
        return f"F{self.run}-{order_number}"

    def document(self) -> str:
        self.number += 1
        return f"D{self.run}-{self.number}"

    def says(self, which: int, quantity: int, status: str) -> None:
        lines = [line("R-1", quantity + 1, line_id="a")] + ([line("R-2", 1, line_id="b")] if quantity % 2 else [])
        self.number += 1
        receive(self.engine, order(self.name(which), *lines, minutes=which, revision=self.number, status=status), settings=SHOP)

    def stock(self, what: str, sku: str, quantity: int) -> None:
        if quantity or what == "count":
            post(self.engine, [Movement(self.document(), "CENTRAL", sku, what, quantity)], then=serve)

    def issue(self, which: int) -> None:
        life.issue(self.engine, "fashionup", self.name(which), partial=True)

    def come_back(self, which: int) -> None:
        reference = self.document()
        returns.receive_return(self.engine, "fashionup", self.name(which), {"a": 1}, reference=reference)
        returns.restock(self.engine, "fashionup", SHOP, self.name(which), {"a": 1}, reference=reference)

    def expire(self, which: int) -> None:
        life.expire_unpaid(self.engine, "fashionup", SHOP, now=NOON + timedelta(minutes=30 + which))


STEPS: dict[str, Callable[[World, int, int], None]] = {
    "receipt": lambda world, which, quantity: world.stock("receipt", f"R-{which % 2 + 1}", quantity),
    "count": lambda world, which, quantity: world.stock("count", f"R-{which % 2 + 1}", quantity),
    "issue": lambda world, which, _: world.issue(which),
    "cancel": lambda world, which, _: void(life.cancel_here(world.engine, "fashionup", world.name(which))),
    "return": lambda world, which, _: world.come_back(which),
    "expire": lambda world, which, _: world.expire(which),
    **{
        f"says {word.value}": lambda world, which, quantity, word=word: world.says(which, quantity, word.value)
        for word in ChannelOrderStatus
    },
}


def void(_: object) -> None:
    """Nothing, of something."""


def play(engine: Engine, story: list[tuple[str, int, int]]) -> None:
    """Play a story; after each step all must hold. An order that is not there yet comes in first."""
    world = World(engine)
    for which in range(ORDERS):
        world.says(which, which, "new")
    for step, which, quantity in story:
        with suppress(RefusedError):  # what may not happen now; it must have changed nothing, which the next line sees
            STEPS[step](world, which, quantity)
        assert broken(engine) == {}, (step, which, quantity)


@pytest.mark.timeout(180)
@given(story=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, ORDERS - 1), st.integers(0, 5)), max_size=12))
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_i15_i16_i17_whatever_happens_in_whatever_order_all_figures_hold(
    engine: Engine, story: list[tuple[str, int, int]]
) -> None:
    if not rows(engine, "select 1 from cloudsales.product"):
        market(engine, {"R-1": 4, "R-2": 2})
    play(engine, story)


LIFE = "cloudsales_pipeline.orders.life."
PLANTED: list[tuple[str, object, list[tuple[str, int, int]], str]] = [
    ("tests.orders.test_any_order.serve", 0, [("receipt", 0, 5)], "a line waits while pieces are free"),
    (LIFE + "serve", 0, [("cancel", 0, 0)], "a line waits while pieces are free"),
    (LIFE + "give_back", {}, [("cancel", 0, 0)], "check constraint"),  # the database itself says no
    ("cloudsales_pipeline.stock.issuing.post_all", None, [("issue", 0, 0)], "sales and issued pieces differ"),
    (
        "cloudsales_pipeline.orders.returns.post_all",
        None,
        [("says paid", 1, 0), ("issue", 0, 0), ("return", 0, 0)],
        "restocked pieces and returns differ",
    ),
]


@pytest.mark.parametrize(("where", "gives", "story", "seen"), PLANTED)
def test_a_planted_bug_is_seen(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, where: str, gives: object, story: list[tuple[str, int, int]], seen: str
) -> None:
    market(engine, {"R-1": 1, "R-2": 0})
    monkeypatch.setattr(where, lambda *_, **__: gives)
    with pytest.raises((AssertionError, IntegrityError), match=re.escape(seen)):
        play(engine, story)


@pytest.mark.timeout(90)
def test_f21_orders_goods_and_people_at_once_end_with_all_figures_right_and_no_deadlock_that_is_not_tried_again(
    engine: Engine,
) -> None:
    market(engine, {"R-1": 6, "R-2": 3})
    names = [f"FO{number}" for number in range(12)]
    receive(
        engine,
        *(
            order(name, line("R-1", 1, line_id="a"), line("R-2", 1, line_id="b"), minutes=minute)
            for minute, name in enumerate(names)
        ),
    )
    start = threading.Barrier(5)
    failed: list[BaseException] = []

    def worker(steps: list[Callable[[], object]]) -> None:
        start.wait()
        for step in steps:
            try:
                with suppress(RefusedError):
                    step()
            except BaseException as error:
                failed.append(error)

    def said(name: str, revision: int, status: str) -> Callable[[], object]:
        lines = line("R-2", 1, line_id="b"), line("R-1", 2, line_id="a")
        return lambda: receive(engine, order(name, *lines, revision=revision, status=status))

    receipts = [Movement(f"N-{n}", "CENTRAL", f"R-{n % 2 + 1}", "receipt", 1) for n in range(8)]
    work: list[list[Callable[[], object]]] = [
        [lambda name=name: life.issue(engine, "fashionup", name, partial=True) for name in names],  # type: ignore[misc]
        [lambda name=name: life.issue(engine, "fashionup", name, partial=True) for name in reversed(names)],  # type: ignore[misc]
        [lambda name=name: life.cancel_here(engine, "fashionup", name) for name in names[::2]],  # type: ignore[misc]
        [lambda one=one: post(engine, [one], then=serve) for one in receipts],  # type: ignore[misc]
        [said(name, 2, "paid") for name in names[1::2]] + [said(name, 3, "cancelled") for name in names[1::4]],
    ]
    workers = [threading.Thread(target=worker, args=(steps,)) for steps in work]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert failed == []
    assert broken(engine) == {}
    assert rows(engine, "select sum(quantity)::integer from analytics.stock_movement where reason = 'receipt'") == [(17,)]
