"""An import killed at each statement, each COMMIT and each request to the simulated channel ends as an undisturbed one (F-24, I-41)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.orders.importing import ImportResult, import_orders
from cloudsales_pipeline.settings import ChannelSettings, OrderSettings, StockRuleSettings
from cloudsales_pipeline.simulator.server import running
from tests.killing import killed_at_each_step
from tests.orders.market import market, statuses
from tests.orders.racing import all_holds
from tests.orders.test_importing_simulated import shelf
from tests.stock.shelf import levels, rows
from tests.stock.test_harsh import _http

pytestmark = pytest.mark.timeout(120)


def sold_on(url: str) -> ChannelSettings:
    """Pages of one order, and a limit that no test comes near."""
    return ChannelSettings.model_validate(
        {
            "kind": "fashionup",
            "url": url,
            "token_env": "SHOP_TOKEN",
            "page_size": 1,
            "limits": {"requests_per_minute": 60_000},
            "stock": StockRuleSettings(warehouses=("CENTRAL",)),
            "orders": OrderSettings(warehouse="CENTRAL"),
        }
    )


def take(engine: Engine, settings: ChannelSettings) -> ImportResult:
    channel = open_channel("fashionup", settings, database=engine)
    try:
        return import_orders(engine, channel, settings, deadline=time.monotonic() + 60)
    finally:
        channel.close()


def test_f24_killed_at_each_statement_and_each_request_an_import_over_http_ends_as_an_undisturbed_one(
    engine: Engine, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t")
    market(engine, {"A1": 1})
    state = shelf(A1=10)
    placed = [state.place_order(lines=[("V-A1", 1)])["id"] for _ in range(2)]
    heard: Counter[str] = Counter()
    acknowledge: Callable[[str], None] = state.acknowledge

    def hear(order_id: str) -> None:
        heard[order_id] += 1
        acknowledge(order_id)

    monkeypatch.setattr(state, "acknowledge", hear)
    kills: list[str] = []
    with running(state, token="t") as server:
        settings = sold_on(server.url)
        for _ in killed_at_each_step(database_url, lambda own: take(own, settings), also=_http, told=kills):
            assert levels(engine)["CENTRAL", "A1"][1] <= 1
        again = take(engine, settings)
    wire = {" ".join(name.split("?")[0].split()[:2]) for name in kills if "/v1/" in name}
    assert {"before GET", "after GET", "before PUT", "after PUT"} <= wire
    assert {"before COMMIT", "after COMMIT"} <= set(kills)
    assert (again.complete, again.loaded, again.told.done) == (True, 0, 0)
    assert set(statuses(engine)) == set(placed)
    assert rows(engine, "select count(*), sum(reserved), sum(waiting) from cloudsales.sales_order_line") == [(2, 1, 1)]
    assert levels(engine)["CENTRAL", "A1"] == (1, 1)
    assert rows(engine, "select acknowledgement, count(*) from cloudsales.sales_order group by 1") == [("done", 2)]
    assert set(heard) == set(placed)
    all_holds(engine)
