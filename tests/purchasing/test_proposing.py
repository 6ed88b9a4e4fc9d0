"""Proposals from the ledger: what they are made from, beside the requirement, stored by date; and the back-test."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError, RefusedError, SettingsError
from cloudsales_pipeline.purchasing.backtesting import backtest
from cloudsales_pipeline.purchasing.closing import close_day
from cloudsales_pipeline.purchasing.proposing import proposals, propose
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.movements import Movement, post
from tests.purchasing.buying import NOW, house, priced, shelves, to_be_bought, wanted
from tests.stock.shelf import rows

TODAY = date(2026, 11, 24)
TEN_DAYS = {"history": "P10D", "service_level": 0.5}


def moved(engine: Engine, sku: str, *pieces: tuple[int, int], reason: str = "sale", warehouse: str = "CENTRAL") -> None:
    """Movements: (days before today, pieces), each at noon in UTC."""
    found = [
        Movement(f"{reason}-{sku}-{warehouse}-{back}", warehouse, sku, reason, abs(count), noon(back)) for back, count in pieces
    ]
    assert post(engine, found).posted == len(found)


def noon(back: int) -> datetime:
    return datetime(2026, 11, 24, 12, tzinfo=UTC) - timedelta(days=back)


def stored(engine: Engine, on: date = TODAY, *, every: bool = True) -> dict[str, dict[str, Any]]:
    with engine.connect() as connection:
        return {row["sku"]: row for row in proposals(connection, on, every=every)}


@pytest.fixture
def steady(engine: Engine, settings: Settings) -> Settings:
    """R-1 of acme (lead time 3) sold two a day for ten days and one came back the day after the last; 30 − 19 are left."""
    ours = house(settings, {"acme": {"pack_size": 6}}, proposal=TEN_DAYS)
    shelves(engine, ours, {"R-1": "acme", "R-2": None})
    moved(engine, "R-1", (20, 30), reason="receipt")
    moved(engine, "R-1", *((back, 2) for back in range(1, 11)))
    moved(engine, "R-1", (1, 1), reason="return")
    return ours


def test_a_proposal_follows_from_sales_less_returns_over_lead_time_and_review(engine: Engine, steady: Settings) -> None:
    """19 pieces in ten days, 3 + 1 days: 7.6, so 8; 11 are there, so nothing; a service level of 0.5 needs no safety stock."""
    told = propose(engine, steady, now=NOW)
    assert (told.business_date, told.rows_in, told.proposed, told.quantity) == (TODAY, 1, 0, 0)
    row = stored(engine)["R-1"]
    assert (float(row["demand_per_day"]), row["lead_time_days"], row["reorder_point"], row["position"]) == (1.9, 3, 8, 11)
    assert (row["method"], row["demand_class"], row["safety_stock"], row["supplier"]) == ("mean", "smooth", 0, "acme")
    assert stored(engine, every=False) == {}


def test_what_is_short_of_the_reorder_point_is_proposed_in_packs(engine: Engine, steady: Settings) -> None:
    moved(engine, "R-1", (0, 6))  # today's sales are no whole day: they leave the shelf, and are no demand yet
    assert propose(engine, steady, now=NOW).quantity == 6  # 8 less 5 are three: a pack of six
    assert (stored(engine)["R-1"]["position"], float(stored(engine)["R-1"]["demand_per_day"])) == (5, 1.9)


def test_the_price_lists_lead_time_counts_before_the_suppliers(engine: Engine, steady: Settings) -> None:
    priced(engine, "acme", "R-1", lead_time_days=9, pack_size=4)
    propose(engine, steady, now=NOW)
    assert (stored(engine)["R-1"]["reorder_point"], stored(engine)["R-1"]["quantity"]) == (19, 8)


def test_what_waits_is_bought_once_by_the_requirement_and_not_proposed_again(engine: Engine, steady: Settings) -> None:
    """11 there and 15 wanted: four wait and are the requirement; the shelf is empty, so the proposal is the reorder point's 8."""
    wanted(engine, "A", "R-1", 15)
    assert to_be_bought(engine) == {"R-1": 4}
    propose(engine, steady, now=NOW)
    before = stored(engine)["R-1"]
    assert (before["position"], before["required"], before["quantity"]) == (-4, 4, 12)
    close_day(engine, steady, TODAY, now=NOW)  # six are ordered, four of them for A
    propose(engine, steady, now=NOW)
    after = stored(engine)["R-1"]
    assert (after["position"], after["required"], after["quantity"]) == (2, 0, 6)
    assert to_be_bought(engine) == {}


def test_again_replaces_the_date_and_of_earlier_dates_what_is_to_be_bought_stays(engine: Engine, steady: Settings) -> None:
    moved(engine, "R-2", (20, 4), reason="receipt")
    moved(engine, "R-2", (5, 4))
    propose(engine, steady, now=NOW)
    propose(engine, steady, now=NOW)
    assert sorted(stored(engine)) == ["R-1", "R-2"]
    propose(engine, steady, now=NOW + timedelta(days=1))
    assert sorted(stored(engine)) == ["R-2"]  # of R-1 nothing was to be bought
    assert sorted(stored(engine, TODAY + timedelta(days=1))) == ["R-1", "R-2"]
    assert stored(engine)["R-2"]["supplier"] is None


def test_named_warehouses_alone_count(engine: Engine, steady: Settings) -> None:
    moved(engine, "R-1", (20, 50), reason="receipt", warehouse="CLUJ")
    moved(engine, "R-1", *((back, 5) for back in range(1, 11)), warehouse="CLUJ")
    central = house(steady, {"acme": {}}, proposal={**TEN_DAYS, "warehouses": ["CENTRAL"]})
    propose(engine, central, now=NOW)
    assert (stored(engine)["R-1"]["position"], float(stored(engine)["R-1"]["demand_per_day"])) == (11, 1.9)
    propose(engine, steady, now=NOW)
    assert (stored(engine)["R-1"]["position"], float(stored(engine)["R-1"]["demand_per_day"])) == (11, 6.9)


def test_f32_a_sale_belongs_to_its_local_day(engine: Engine, steady: Settings) -> None:
    late = Movement("late", "CENTRAL", "R-2", "receipt", 9, datetime(2026, 11, 1, 12, tzinfo=UTC))
    night = Movement("night", "CENTRAL", "R-2", "sale", 2, datetime(2026, 11, 23, 22, 1, tzinfo=UTC))  # 00:01 on the 24th
    assert post(engine, [late, night]).posted == 2
    propose(engine, steady, now=NOW)
    assert "R-2" not in stored(engine)
    propose(engine, steady, now=NOW + timedelta(days=1))
    assert (
        float(stored(engine, TODAY + timedelta(days=1))["R-2"]["demand_per_day"]) == 0.19
    )  # 0.95 × 2 / 10: one sale in ten days


def test_off_nothing_is_proposed_and_an_unknown_warehouse_is_named(engine: Engine, settings: Settings) -> None:
    with pytest.raises(RefusedError, match="setting is off"):
        propose(engine, house(settings, {}), now=NOW)
    with pytest.raises(SettingsError, match="names the warehouse MARS; known are: CENTRAL, CLUJ"):
        propose(engine, house(settings, {}, proposal={"warehouses": ["MARS"]}), now=NOW)
    assert propose(engine, house(settings, {}, proposal={}), now=NOW).rows_in == 0


def test_a_proposal_orders_nothing(engine: Engine, steady: Settings) -> None:
    moved(engine, "R-1", (0, 11))
    assert propose(engine, steady, now=NOW).proposed == 1
    assert close_day(engine, steady, TODAY, now=NOW)[0].outcome == "nothing"
    assert rows(engine, "select count(*) from cloudsales.supplier_order") == [(0,)]


def test_the_back_test_shows_what_would_have_been_served_beside_what_was(engine: Engine, steady: Settings) -> None:
    """The last five days, two sold on each: 20 were there when they began, and each evening the ledger had 18, 16, 14, 12, 11."""
    found = backtest(engine, house(steady, {"acme": {}}, proposal=TEN_DAYS), 5, now=NOW)
    assert (found.last, found.products, found.demanded, found.real_average_stock) == (date(2026, 11, 23), 1, 10, 14.2)
    assert (found.fill_rate, found.real_fill_rate) == (1.0, 1.0)
    assert found.average_stock == 14.2  # the stock was above the reorder point: nothing would have been ordered
    told = [(row["demand"], row["products"], row["demanded"]) for row in found.classes]
    assert told == [("intermittent", 1, 10)]  # of the fifteen days looked at, ten had sales


def test_the_back_test_counts_those_who_waited(engine: Engine, steady: Settings) -> None:
    wanted(engine, "A", "R-1", 15)
    with engine.begin() as connection:  # the moment of the event can't be changed: the test's today is moved instead
        day = connection.scalar(sa.text("select max(recorded_at) from cloudsales.event where kind = 'line_waiting'"))
    assert isinstance(day, datetime)
    sold = [Movement("in", "CENTRAL", "R-2", "receipt", 9, day - timedelta(days=3))]
    sold.append(Movement("out", "CENTRAL", "R-2", "sale", 8, day - timedelta(days=2)))
    assert post(engine, sold).posted == 2
    found = backtest(engine, steady, 30, now=day + timedelta(days=1))
    assert found.demanded >= 8
    assert found.real_fill_rate == round((found.demanded - 4) / found.demanded, 4)


@pytest.mark.parametrize("days", [0, 367])
def test_days_out_of_bounds_are_refused(engine: Engine, steady: Settings, days: int) -> None:
    with pytest.raises(InputError, match="1 to 366"):
        backtest(engine, steady, days, now=NOW)
