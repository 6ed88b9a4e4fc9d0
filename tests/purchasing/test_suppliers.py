"""The settings' suppliers in the database, and of whom a product is bought."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.settings import ChannelSettings, OrderSettings, Settings
from tests.purchasing.buying import house, priced, shelves
from tests.stock.shelf import rows


def standing(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, "select supplier, name, cut_off::text, lead_time_days, active from cloudsales.supplier order by 1")


def test_suppliers_are_as_the_settings_say_and_one_that_is_gone_stays_inactive(engine: Engine, settings: Settings) -> None:
    sync_suppliers(engine, house(settings, {"acme": {"name": "Acme Trade", "cut_off": "17:30"}, "moda": {}}))
    sync_suppliers(engine, house(settings, {"acme": {"lead_time_days": 7}}))
    assert standing(engine) == [("acme", "acme", "18:00:00", 7, True), ("moda", "moda", "18:00:00", 3, False)]
    assert rows(engine, "select name_key, supplier from cloudsales.supplier_name") == [("acme", "acme")]
    sync_suppliers(engine, house(settings, {"moda": {"name": "ACME"}}))  # the name is the other's now
    assert rows(engine, "select name_key, supplier from cloudsales.supplier_name order by 1") == [
        ("acme", "moda"),
        ("moda", "moda"),
    ]


def test_where_nothing_changed_one_query_is_all(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"name": "Țesături Șic"}, "Moda": {}})
    sync_suppliers(engine, ours)
    seen: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _cursor, text, *_: seen.append(text))
    sync_suppliers(engine, ours)
    assert len(seen) == 1


def test_a_channels_own_setting_counts_before_that_of_all(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {}, channels=("fashionup", "second"), add_shortages=False)
    on = ChannelSettings(kind="fashionup", url="http://127.0.0.1:9/v1", orders=OrderSettings(add_shortages=True))
    sync_suppliers(engine, ours.model_copy(update={"channels": {**ours.channels, "second": on}}))
    found = rows(engine, "select channel, add_shortages from cloudsales.purchase_channel order by 1")
    assert found == [("fashionup", False), ("second", True)]


@pytest.mark.parametrize(
    ("prices", "chosen"),
    [
        ([], ("acme", "catalogue")),
        ([("moda", {"price": "1"})], ("acme", "catalogue")),
        ([("moda", {"price": "9", "preferred": True})], ("moda", "preferred")),
        ([("moda", {"price": "9", "preferred": True}), ("vest", {"price": "99", "locked": True})], ("vest", "locked")),
        ([("moda", {"price": "9", "preferred": True, "valid_from": "2027-01-01"})], ("acme", "catalogue")),
    ],
)
def test_a_product_is_bought_of(
    engine: Engine, settings: Settings, prices: list[tuple[str, dict[str, Any]]], chosen: tuple[str, str]
) -> None:
    shelves(engine, house(settings, {"acme": {}, "moda": {}, "vest": {}}), {"R-1": "Acme"})
    for supplier, facts in prices:
        priced(engine, supplier, "R-1", **facts)
    found = rows(
        engine,
        "select supplier, chosen_by from cloudsales.suppliers_of((select array_agg(product_id) from cloudsales.product), '2026-11-24')",
    )
    assert found == [chosen]
