"""Orders from the simulated FashionUp, over HTTP and through the real adapter."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.orders.importing import import_orders
from cloudsales_pipeline.orders.polling import poll
from cloudsales_pipeline.settings import ChannelSettings, OrderSettings, StockRuleSettings
from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.simulator.state import State
from tests.orders.market import lines_of, market, statuses
from tests.stock.shelf import levels, rows


def shelf(**stock: int) -> State:
    """A product a SKU, whose one variant has the SKU for its code, with so many offered."""
    products = [
        {
            "id": f"P-{sku}",
            "name": f"Rochie {sku}",
            "updated_at": "2026-11-01T10:00:00Z",
            "variants": [{"id": f"V-{sku}", "code": sku, "stock": count, "price": {"amount": "10.05", "currency": "RON"}}],
        }
        for sku, count in stock.items()
    ]
    return State.of([], [json.dumps(product).encode() for product in products], [])


@pytest.mark.timeout(90)
def test_orders_of_the_simulated_channel_are_taken_in_reserved_and_acknowledged(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t")
    market(engine, {"A1": 3, "B2": 1})
    state = shelf(A1=10, B2=10)
    first = state.place_order(lines=[("V-A1", 2), ("V-B2", 1)])["id"]
    others = [state.place_order(lines=[("V-A1", 1)])["id"] for _ in range(4)]
    with running(state, token="t") as server:
        settings = ChannelSettings(
            kind="fashionup",
            url=server.url,
            token_env="SHOP_TOKEN",
            page_size=2,
            stock=StockRuleSettings(warehouses=("CENTRAL",)),
            orders=OrderSettings(warehouse="CENTRAL"),
        )
        channel = open_channel("fashionup", settings, database=engine)
        assert poll(engine, channel, settings.orders).why == ("orders that changed",)
        result = import_orders(engine, channel, settings, deadline=time.monotonic() + 60)
        assert result.failure is None
        assert (result.pages, result.loaded, result.quarantined, result.told.done) == (3, 5, 0, 5)
        assert levels(engine) == {("CENTRAL", "A1"): (3, 3), ("CENTRAL", "B2"): (1, 1)}
        assert sum(figures[2] for figures in lines_of(engine).values()) == 3
        assert set(statuses(engine)) == {first, *others}
        assert rows(
            engine, "select sum(total) = sum(expected_total), sum(total) > :goods from cloudsales.sales_order", goods=Decimal(7)
        ) == [(True, True)]
        assert poll(engine, channel, settings.orders).why == ()
        again = import_orders(engine, channel, settings, deadline=time.monotonic() + 60)
        assert (again.stored, again.rows_in, again.told.done) == (0, 0, 0)
        channel.close()


@pytest.mark.timeout(60)
def test_i48_an_id_of_dots_or_with_a_slash_is_acknowledged_under_itself(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in an id reaches the server as one part of the path."""
    monkeypatch.setenv("SHOP_TOKEN", "t")
    market(engine, {"A1": 9})
    state = shelf(A1=10)
    names = {".", "..", "a/b", "a/../b", "%2e", "..%2f", "...", "a b?c#d"}
    for name in sorted(names):
        state.place_order(lines=[("V-A1", 1)], id=name)
    heard: list[str] = []
    monkeypatch.setattr(state, "acknowledge", heard.append)
    with running(state, token="t") as server:
        settings = ChannelSettings(
            kind="fashionup",
            url=server.url,
            token_env="SHOP_TOKEN",
            stock=StockRuleSettings(warehouses=("CENTRAL",)),
            orders=OrderSettings(warehouse="CENTRAL"),
        )
        channel = open_channel("fashionup", settings, database=engine)
        result = import_orders(engine, channel, settings, deadline=time.monotonic() + 30)
        channel.close()
    assert sorted(heard) == sorted(names)
    assert (result.loaded, result.told.done) == (len(names), len(names))
