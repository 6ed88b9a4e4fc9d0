"""The channel's rule: what it shows of our stock, which rule holds, and what a change of it touches."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as configure
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.settings import Settings, StockRuleSettings
from cloudsales_pipeline.stock.rules import simulate_rule, sync_rules
from tests.catalog.shop import query, scalar, write_catalogue
from tests.stock.rule_world import move, move_in, put_listing, put_listings, put_products, reserve, shown, with_channels

UNITS = st.integers(0, 1_000_000_000)
SHARES = st.integers(0, 1_000_000).map(lambda millionths: Decimal(millionths).scaleb(-6))
SIDE_BY_SIDE = "select cloudsales.published(:a, :buffer, :share, :cap), cloudsales.published(:b, :buffer, :share, :cap)"


def written(engine: Engine) -> dict[str, str]:
    """Which transaction wrote each publication last."""
    return {row.variant_id: row.xmin for row in query(engine, "select variant_id, xmin::text from cloudsales.publication")}


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@configure(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(available=st.integers(-1_000_000, 2_000_000_000), more=UNITS, buffer=UNITS, share=SHARES, cap=st.none() | UNITS)
def test_the_published_figure_never_exceeds_what_is_available_and_never_falls_when_stock_rises(
    connection: Connection, available: int, more: int, buffer: int, share: Decimal, cap: int | None
) -> None:
    facts = {"a": available, "b": available + more, "buffer": buffer, "share": share, "cap": cap}
    less, greater = connection.execute(sa.text(SIDE_BY_SIDE), facts).one()
    exact = max(0, math.floor((available - buffer) * Fraction(share)))
    assert less == (exact if cap is None else min(exact, cap))
    assert 0 <= less <= max(available, 0)
    assert less <= greater


def test_i22_unknown_stock_stays_unknown_under_any_rule(connection: Connection) -> None:
    facts = {"a": None, "b": 0, "buffer": 2, "share": Decimal("0.5"), "cap": 0}
    assert tuple(connection.execute(sa.text(SIDE_BY_SIDE), facts).one()) == (None, 0)


def test_a_share_is_exact_where_a_float_would_lose_a_piece(engine: Engine, settings: Settings) -> None:
    put_products(engine, "P")
    put_listings(engine, "P")
    move(engine, "P", "A", 100)
    sync_rules(engine, with_channels(settings, fashionup={"stock": {"warehouses": ["A"], "share": "0.29"}}))
    assert int(100 * 0.29) == 28
    assert shown(engine) == {"vP": (29, 1)}


def test_a_skus_rule_counts_before_a_categorys_and_the_longest_category_before_a_shorter(
    engine: Engine, settings: Settings
) -> None:
    put_products(engine, "plain", category="Pantofi")
    put_products(engine, "dress", category="Rochii")
    put_products(engine, "midi", "own", category="Rochii > Midi")
    put_products(engine, "petite", category="Rochii > Midi > Petite")
    put_products(engine, "other", category="Rochii de seară")
    skus = ("plain", "dress", "midi", "own", "petite", "other")
    put_listings(engine, *skus)
    for sku in skus:
        move(engine, sku, "A", 100)
        move(engine, sku, "B", 7)
    rule = {
        "warehouses": ["A"],
        "buffer": 1,
        "by_category": {"Rochii": {"buffer": 10}, "Rochii > Midi": {"cap": 20}},
        "by_sku": {"own": {"warehouses": ["B"]}},
    }
    assert sync_rules(engine, with_channels(settings, fashionup={"stock": rule})) == {"fashionup": 6}
    figures = {variant: quantity for variant, (quantity, _) in shown(engine).items()}
    assert figures == {"vplain": 99, "vdress": 90, "vmidi": 20, "vpetite": 20, "vown": 6, "vother": 99}


def test_a_rules_change_marks_exactly_the_publications_it_touches(engine: Engine, settings: Settings) -> None:
    put_products(engine, "P", "Q")
    put_products(engine, "D", category="Rochii")
    put_listings(engine, "P", "Q", "D")
    for sku in "PQD":
        move(engine, sku, "A", 10)
    rule = {"warehouses": ["A"], "by_category": {"Rochii": {"buffer": 1}}}
    sync_rules(engine, with_channels(settings, fashionup={"stock": rule}))
    assert shown(engine) == {"vP": (10, 1), "vQ": (10, 1), "vD": (9, 1)}
    before = written(engine)
    rule["by_category"] = {"Rochii": {"buffer": 4}}
    assert sync_rules(engine, with_channels(settings, fashionup={"stock": rule})) == {"fashionup": 1}
    assert shown(engine) == {"vP": (10, 1), "vQ": (10, 1), "vD": (6, 2)}
    rule["by_sku"] = {"Q": {"cap": 3}}
    assert sync_rules(engine, with_channels(settings, fashionup={"stock": rule})) == {"fashionup": 1}
    assert shown(engine) == {"vP": (10, 1), "vQ": (3, 2), "vD": (6, 2)}
    del rule["by_category"]
    assert sync_rules(engine, with_channels(settings, fashionup={"stock": rule})) == {"fashionup": 1}
    assert shown(engine) == {"vP": (10, 1), "vQ": (3, 2), "vD": (10, 3)}
    after = written(engine)
    assert after["vP"] == before["vP"]


def test_the_same_rules_again_write_nothing(engine: Engine, settings: Settings) -> None:
    put_products(engine, "P")
    put_listings(engine, "P")
    move(engine, "P", "A", 10)
    wanted = with_channels(settings, fashionup={"stock": {"warehouses": ["A", "B"]}})
    sync_rules(engine, wanted)
    tables = ("publication", "stock_rule", "stock_channel", "channel", "warehouse")
    before = [query(engine, f"select xmin::text, ctid::text from cloudsales.{table} order by 2") for table in tables]
    current = scalar(engine, "select pg_current_xact_id_if_assigned()")
    assert sync_rules(engine, wanted) == {}
    reordered = with_channels(settings, fashionup={"stock": {"warehouses": ["B", "A"], "share": "1.00"}})
    assert sync_rules(engine, reordered) == {}
    assert current is None
    assert [query(engine, f"select xmin::text, ctid::text from cloudsales.{table} order by 2") for table in tables] == before


@pytest.mark.parametrize("emptied", [{"fashionup": {"stock": {"warehouses": []}}}, {}])
def test_i22_a_channel_without_a_rule_any_more_is_left_as_it_is_and_never_zeroed(
    engine: Engine, settings: Settings, emptied: dict[str, dict[str, object]]
) -> None:
    put_products(engine, "P", "Q")
    put_listings(engine, "P", "Q")
    move(engine, "P", "A", 10)
    sync_rules(engine, with_channels(settings, fashionup={"stock": {"warehouses": ["A"], "by_sku": {"P": {"buffer": 1}}}}))
    assert shown(engine) == {"vP": (9, 1), "vQ": (None, 0)}
    assert sync_rules(engine, with_channels(settings, **emptied)) == {"fashionup": 1}
    assert shown(engine) == {"vP": (None, 2), "vQ": (None, 0)}
    assert scalar(engine, "select count(*) from cloudsales.stock_rule") == 0
    assert scalar(engine, "select count(*) from cloudsales.publication where state <> 'unknown'") == 0
    move(engine, "P", "A", 5)
    assert shown(engine)["vP"] == (None, 2)
    assert sync_rules(engine, with_channels(settings, **emptied)) == {}


def test_another_category_in_the_catalogue_brings_the_product_under_its_rule(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    put_products(engine, "P", "Q", category="Pantofi")
    put_listings(engine, "P", "Q")
    move(engine, "P", "A", 10)
    move(engine, "Q", "A", 10)
    rule = {"warehouses": ["A"], "by_category": {"Rochii": {"cap": 2}}}
    sync_rules(engine, with_channels(settings, fashionup={"stock": rule}))
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("P", "P", "Rochii > Midi")], ("sku", "name", "category")))
    assert shown(engine) == {"vP": (2, 2), "vQ": (10, 1)}


def test_a_store_is_told_of_every_product_whose_stock_is_known(engine: Engine, settings: Settings) -> None:
    put_products(engine, "P", "Q", "R")
    move(engine, "P", "A", 4)
    move(engine, "Q", "B", 4)
    store = {"kind": "store", "stock": {"warehouses": ["A"]}}
    assert sync_rules(engine, with_channels(settings, shop=store)) == {"shop": 1}
    assert shown(engine, "shop") == {"P": (4, 1)}
    move(engine, "R", "A", 1)
    assert shown(engine, "shop") == {"P": (4, 1), "R": (1, 1)}


@pytest.mark.timeout(30)
def test_f20_two_warehouses_of_one_product_changed_at_once_give_the_right_sum(engine: Engine, settings: Settings) -> None:
    put_products(engine, "P")
    put_listings(engine, "P")
    move(engine, "P", "A", 10)
    move(engine, "P", "B", 10)
    sync_rules(engine, with_channels(settings, fashionup={"stock": {"warehouses": ["A", "B"]}}))
    start = threading.Barrier(2)

    def sell(warehouse: str) -> None:
        start.wait()
        for _ in range(8):
            move(engine, "P", warehouse, -1)

    threads = [threading.Thread(target=sell, args=(warehouse,)) for warehouse in "AB"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(engine) == {"vP": (4, 17)}


@pytest.mark.timeout(30)
def test_f20_a_movement_under_way_in_a_warehouse_that_the_rule_gains_is_counted(engine: Engine, settings: Settings) -> None:
    put_products(engine, "P")
    put_listings(engine, "P")
    move(engine, "P", "A", 10)
    sync_rules(engine, with_channels(settings, fashionup={"stock": {"warehouses": ["A"]}}))
    wider = with_channels(settings, fashionup={"stock": {"warehouses": ["A", "B"]}})
    done: list[dict[str, int]] = []
    syncing = threading.Thread(target=lambda: done.append(sync_rules(engine, wider)))
    with engine.begin() as connection:
        move_in(connection, "P", "B", 5)  # its trigger has looked at the old rule, which has no warehouse B
        syncing.start()
        syncing.join(0.5)
        assert syncing.is_alive()
    syncing.join()
    assert done == [{"fashionup": 1}]
    assert shown(engine) == {"vP": (15, 2)}


def while_under_way(engine: Engine, first: Callable[[Connection], object], second: Callable[[], object]) -> None:
    """`second` begins after `first` and before its commit, and must wait for it."""
    other = threading.Thread(target=second)
    with engine.begin() as connection:
        first(connection)
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("before", [0, 10])
def test_f20_a_movement_under_way_while_its_product_gets_a_listing_is_counted(
    engine: Engine, settings: Settings, before: int
) -> None:
    put_products(engine, "P")
    if before:
        move(engine, "P", "A", before)
    sync_rules(engine, with_channels(settings, fashionup={"stock": {"warehouses": ["A"]}}))
    while_under_way(engine, lambda connection: move_in(connection, "P", "A", 4), lambda: put_listings(engine, "P"))
    assert shown(engine) == {"vP": (before + 4, 1)}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("before", [0, 10])
def test_f20_a_movement_that_begins_while_a_listing_is_linked_is_counted(engine: Engine, settings: Settings, before: int) -> None:
    put_products(engine, "P")
    if before:
        move(engine, "P", "A", before)
    sync_rules(engine, with_channels(settings, fashionup={"stock": {"warehouses": ["A"]}}))
    while_under_way(engine, lambda connection: put_listing(connection, "fashionup", "P"), lambda: move(engine, "P", "A", 4))
    assert shown(engine)["vP"][0] == before + 4


@pytest.mark.timeout(30)
def test_f20_a_movement_under_way_while_the_category_gives_its_product_another_rule_is_counted(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    put_products(engine, "P", category="Pantofi")
    put_listings(engine, "P")
    move(engine, "P", "A", 10)
    rule = {"warehouses": ["A"], "by_category": {"Rochii": {"warehouses": ["A", "B"]}}}
    sync_rules(engine, with_channels(settings, fashionup={"stock": rule}))
    file = write_catalogue(tmp_path / "c.csv", [("P", "P", "Rochii")], ("sku", "name", "category"))
    while_under_way(engine, lambda connection: move_in(connection, "P", "B", 5), lambda: load_catalog(engine, file))
    assert shown(engine)["vP"][0] == 15


def test_a_simulation_tells_day_by_day_what_another_rule_would_have_shown(engine: Engine, settings: Settings) -> None:
    put_products(engine, "P", "Q")
    put_listings(engine, "P", "Q")
    move(engine, "P", "A", 10, datetime(2026, 11, 1, tzinfo=UTC))
    move(engine, "P", "A", -4, datetime(2026, 11, 20, 12, tzinfo=UTC))
    move(engine, "Q", "A", 2, datetime(2026, 11, 21, 22, 30, tzinfo=UTC))  # the 22nd in Bucharest
    reserve(engine, "P", "A", 3, datetime(2026, 11, 21, 9, tzinfo=UTC), datetime(2026, 11, 22, 9, tzinfo=UTC))
    sync_rules(engine, with_channels(settings, fashionup={"stock": {"warehouses": ["A"]}}))
    other = StockRuleSettings.model_validate({"warehouses": ["A"], "buffer": 2, "by_sku": {"P": {"cap": 5}}})
    with engine.connect() as connection:
        rows = simulate_rule(
            connection, "fashionup", other, days=4, until=datetime(2026, 11, 23, 12, tzinfo=UTC), timezone="Europe/Bucharest"
        )
    assert [tuple(row.values()) for row in rows] == [
        (date(2026, 11, 19), 2, 1, 10, 1, 5),
        (date(2026, 11, 20), 2, 1, 6, 1, 4),
        (date(2026, 11, 21), 2, 1, 3, 1, 1),
        (date(2026, 11, 22), 2, 2, 8, 1, 4),
    ]
    assert list(rows[0]) == ["date", "listings", "in_stock", "units", "other_in_stock", "other_units"]


def test_a_simulation_of_no_days_or_of_an_unknown_channel_is_refused(connection: Connection) -> None:
    facts = {"until": datetime(2026, 11, 23, tzinfo=UTC), "timezone": "Europe/Bucharest"}
    with pytest.raises(InputError, match="0 days"):
        simulate_rule(connection, "fashionup", StockRuleSettings(), days=0, **facts)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nowhere"):
        simulate_rule(connection, "nowhere", StockRuleSettings(), days=1, **facts)  # type: ignore[arg-type]
