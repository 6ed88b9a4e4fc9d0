"""Importers in processes of their own, let go at once on the last piece of a product (F-17, F-20)."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.orders.intake import take_in
from cloudsales_pipeline.orders.payloads import store
from tests.orders.market import PARSER, line, lines_of, market, order, payload, shop
from tests.orders.racing import all_holds, in_processes
from tests.stock.shelf import levels, rows

pytestmark = pytest.mark.timeout(60)
ORDERS = 24


def stored(engine: Engine, channel: str, orders: int) -> None:
    """Each order wants the last R-1 and one of the many R-2; every third is there in a second revision that wants two R-2."""
    pages = [
        order(f"FO{n}", line("R-1"), line("R-2", revision, line_id="2"), minutes=n, revision=revision)
        for n in range(orders)
        for revision in ((1, 2) if n % 3 == 0 else (1,))
    ]
    with engine.begin() as connection:
        store(connection, channel, PARSER, [payload(one) for one in pages])


def few_at_a_time(channel: str, engine: Engine) -> None:
    """Batches of three, so that importers meet in the middle of what is stored and not only at its begin."""
    while take_in(engine, PARSER, channel, shop(), limit=3).read:
        pass


@pytest.mark.parametrize("importers", [2, 8])
def test_f17_i13_importers_in_processes_share_a_channels_payloads_and_one_order_gets_the_last_piece(
    engine: Engine, database_url: URL, importers: int
) -> None:
    market(engine, {"R-1": 1, "R-2": 500})
    stored(engine, "fashionup", ORDERS)
    assert in_processes(database_url, [partial(few_at_a_time, "fashionup")] * importers) == [0] * importers
    few_at_a_time("fashionup", engine)
    lines = lines_of(engine)
    last = [figures for owner, figures in lines.items() if owner.endswith("/1")]
    assert sorted(last) == [(1, 0, 1, 0, 0)] * (ORDERS - 1) + [(1, 1, 0, 0, 0)]
    many = {owner: figures for owner, figures in lines.items() if owner.endswith("/2")}
    assert many == {f"fashionup/FO{n}/2": (q, q, 0, 0, 0) for n in range(ORDERS) if (q := 2 if n % 3 == 0 else 1)}
    assert levels(engine) == {("CENTRAL", "R-1"): (1, 1), ("CENTRAL", "R-2"): (500, ORDERS + ORDERS // 3)}
    assert rows(engine, "select count(*), count(distinct external_id) from cloudsales.sales_order") == [(ORDERS, ORDERS)]
    assert rows(engine, "select count(*) from personal.order_payload where state = 'new'") == [(0,)]
    all_holds(engine)


@pytest.mark.parametrize("importers", [2, 8])
def test_f20_i06_importers_of_as_many_channels_in_processes_sell_the_last_piece_once(
    engine: Engine, database_url: URL, importers: int
) -> None:
    names = [f"shop{number}" for number in range(importers)]
    market(engine, {"R-1": 1, "R-2": 500}, channels=names)
    for name in names:
        stored(engine, name, 6)
    assert in_processes(database_url, [partial(few_at_a_time, name) for name in names]) == [0] * importers
    orders = 6 * importers
    last = [figures for owner, figures in lines_of(engine).items() if owner.endswith("/1")]
    assert sorted(last) == [(1, 0, 1, 0, 0)] * (orders - 1) + [(1, 1, 0, 0, 0)]
    assert levels(engine) == {("CENTRAL", "R-1"): (1, 1), ("CENTRAL", "R-2"): (500, 8 * importers)}
    assert rows(engine, "select channel, count(*) from cloudsales.sales_order group by 1 order by 1") == [(n, 6) for n in names]
    all_holds(engine, *names)
