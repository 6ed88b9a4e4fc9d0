"""The close of a supplier's day: one order, frozen, of what its lines lack."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders.life import cancel_here
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.purchasing.closing import close_day
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.movements import post
from tests.orders.market import line, order, receive, shop
from tests.purchasing.buying import NOW, came_in, house, ordered, priced, shelves, ties, to_be_bought, wanted
from tests.stock.shelf import receipt, rows

TODAY, TOMORROW = date(2026, 11, 24), date(2026, 11, 25)
ONE_DAY = timedelta(days=1)
OF_ACME = {"R-1": "acme", "R-2": "acme"}


def test_i28_i29_the_day_becomes_one_order_for_each_supplier_in_packs_with_the_surplus_recorded(
    engine: Engine, settings: Settings
) -> None:
    ours = house(settings, {"acme": {"pack_size": 6}, "moda": {"name": "Casa Moda"}})
    shelves(engine, ours, {"R-1": "acme", "R-2": "CASA MODA ", "R-3": "acme", "R-9": None}, {"R-3": 5})
    wanted(engine, "A", "R-1", 4)
    wanted(engine, "B", "R-1", 3, minutes=1)
    wanted(engine, "C", "R-2", 2)
    wanted(engine, "D", "R-3", 4)
    wanted(engine, "E", "R-9", 1)
    closed = close_day(engine, ours, TODAY, now=NOW)
    assert [(one.supplier, one.outcome, one.number, one.lines, one.quantity, one.required, one.surplus) for one in closed] == [
        ("acme", "ordered", "CF-2026-000001", 1, 12, 7, 5),
        ("moda", "ordered", "CF-2026-000002", 1, 2, 2, 0),
    ]
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 12, 7, 5), ("moda", "2026-11-24", "R-2", 2, 2, 0)]
    assert ties(engine) == [("A", 4, 4, False), ("B", 3, 3, False), ("C", 2, 2, False)]
    assert to_be_bought(engine) == {"R-9": 1}


def test_i28_a_rerun_changes_nothing_and_says_what_was_done(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 4)
    close_day(engine, ours, TODAY, now=NOW)
    wanted(engine, "B", "R-1", 2)  # came in before the cut-off too, but is known only now: for the next date
    (again,) = close_day(engine, ours, TODAY, now=NOW)
    assert (again.outcome, again.number, again.quantity) == ("closed_before", "CF-2026-000001", 4)
    close_day(engine, ours, TOMORROW, now=NOW + ONE_DAY)
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 4, 4, 0), ("acme", "2026-11-25", "R-1", 2, 2, 0)]


def test_i28_what_was_ordered_is_frozen_whoever_asks(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 4)
    close_day(engine, ours, TODAY, now=NOW)
    for statement in (
        "update cloudsales.supplier_order_line set quantity = 5",
        "update cloudsales.requirement set quantity = 5",
        "delete from cloudsales.requirement",
        "update cloudsales.supplier_order set number = 'X'",
        "delete from cloudsales.supplier_close",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="frozen"), engine.begin() as connection:
            connection.exec_driver_sql(statement)


def test_what_comes_in_after_the_cut_off_goes_onto_the_next_order(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}, "late": {"cut_off": "20:00"}})
    shelves(engine, ours, {"R-1": "acme", "R-2": "late"})
    for name, sku in (("A", "R-1"), ("B", "R-2")):
        wanted(engine, f"{name}1", sku, 1, at="2026-11-24 16:00:00")  # 18:00 to the microsecond
        wanted(engine, f"{name}2", sku, 2, at="2026-11-24 16:00:00.000001")
        wanted(engine, f"{name}3", sku, 4, at="2026-11-24 18:00:00.001")
    close_day(engine, ours, TODAY, now=NOW)
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 1, 1, 0), ("late", "2026-11-24", "R-2", 3, 3, 0)]
    close_day(engine, ours, TOMORROW, now=NOW + ONE_DAY)
    assert ordered(engine)[1:] == [
        ("acme", "2026-11-25", "R-1", 6, 6, 0),
        ("late", "2026-11-24", "R-2", 3, 3, 0),
        ("late", "2026-11-25", "R-2", 4, 4, 0),
    ]


def test_a_date_that_has_not_ended_is_refused_and_of_several_suppliers_those_are_closed_that_have(
    engine: Engine, settings: Settings
) -> None:
    ours = house(settings, {"acme": {}, "late": {"cut_off": "23:30"}})
    shelves(engine, ours, OF_ACME)
    assert [one.supplier for one in close_day(engine, ours, TODAY, now=NOW)] == ["acme"]
    with pytest.raises(RefusedError, match=r"2026-11-24 can't be closed for late yet: its cut-off is 2026-11-24 23:30"):
        close_day(engine, ours, TODAY, suppliers=["late"], now=NOW)
    with pytest.raises(RefusedError, match="2026-11-25 can't be closed"):
        close_day(engine, ours, TOMORROW, now=NOW)
    with pytest.raises(InputError, match="There is no supplier 'nobody' in the settings; there are: acme, late"):
        close_day(engine, ours, TODAY, suppliers=["nobody"], now=NOW)


def test_a_dry_run_shows_the_order_and_leaves_everything_as_it_was(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"pack_size": 5}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 4)
    (shown,) = close_day(engine, ours, TODAY, now=NOW, dry_run=True)
    assert (shown.outcome, shown.number, [(one.sku, one.quantity, one.required) for one in shown.order_lines]) == (
        "ordered",
        None,
        [("R-1", 5, 4)],
    )
    assert (ordered(engine), rows(engine, "select * from cloudsales.supplier_close")) == ([], [])
    (done,) = close_day(engine, ours, TODAY, now=NOW)
    assert (done.number, done.order_lines) == ("CF-2026-000001", shown.order_lines)


def test_an_order_cancelled_after_it_was_bought_for_becomes_surplus_that_the_next_one_uses(
    engine: Engine, settings: Settings
) -> None:
    """I-29: the surplus is recorded, and used before anything more is bought."""
    ours = house(settings, {"acme": {"pack_size": 10}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 6)
    close_day(engine, ours, TODAY, now=NOW)  # 10: 6 and 4 of surplus
    cancel_here(engine, "fashionup", "A")
    wanted(engine, "B", "R-1", 7)
    wanted(engine, "C", "R-1", 5, minutes=1)
    (closed,) = close_day(engine, ours, TOMORROW, now=NOW + ONE_DAY)
    assert (closed.required, closed.quantity, closed.from_surplus) == (2, 10, 10)
    assert ties(engine) == [("A", 6, 0, False), ("B", 7, 7, True), ("C", 3, 3, True), ("C", 2, 2, False)]
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 10, 6, 4), ("acme", "2026-11-25", "R-1", 10, 2, 8)]


def test_an_order_cancelled_before_the_close_is_not_bought(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 6)
    cancel_here(engine, "fashionup", "A")
    (closed,) = close_day(engine, ours, TODAY, now=NOW)
    assert (closed.outcome, ordered(engine)) == ("nothing", [])


def test_stock_that_came_after_the_order_gives_the_newest_tie_back(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 6)
    close_day(engine, ours, TODAY, now=NOW)
    post(engine, [receipt("found", "R-1", 4)], then=serve)
    wanted(engine, "B", "R-1", 3)
    (closed,) = close_day(engine, ours, TOMORROW, now=NOW + ONE_DAY)
    assert (closed.outcome, closed.from_surplus) == ("nothing", 3)
    assert ties(engine) == [("A", 6, 2, False), ("B", 3, 3, True)]


def test_pieces_that_were_written_off_are_bought_again(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 2)
    wanted(engine, "B", "R-1", 3, minutes=1)
    close_day(engine, ours, TODAY, now=NOW)
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.supplier_order_line set written_off = 4")
    close_day(engine, ours, TOMORROW, now=NOW + ONE_DAY)
    assert ties(engine) == [("A", 2, 1, False), ("B", 3, 0, False), ("A", 1, 1, False), ("B", 3, 3, False)]


def test_packs_rounded_down_leave_the_newest_line_short_until_the_next_order(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"pack_size": 10, "pack_rounding": "nearest"}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 8)
    wanted(engine, "B", "R-1", 6, minutes=1)
    close_day(engine, ours, TODAY, now=NOW)
    assert (ordered(engine), ties(engine)) == (
        [("acme", "2026-11-24", "R-1", 10, 10, 0)],
        [("A", 8, 8, False), ("B", 2, 2, False)],
    )
    assert to_be_bought(engine) == {"R-1": 4}


def test_below_its_minimum_a_supplier_waits_and_the_date_is_done(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"minimum_quantity": 10, "below_minimum": "wait"}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 6)
    (first,) = close_day(engine, ours, TODAY, now=NOW)
    wanted(engine, "B", "R-2", 4)
    (second,) = close_day(engine, ours, TOMORROW, now=NOW + ONE_DAY)
    assert (first.outcome, second.outcome, second.quantity) == ("below_minimum", "ordered", 10)


def test_on_a_day_that_is_no_order_day_the_date_is_closed_and_what_waits_goes_on(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"order_days": ["wed"]}})
    shelves(engine, ours, OF_ACME)
    wanted(engine, "A", "R-1", 6)
    (tuesday,) = close_day(engine, ours, TODAY, now=NOW)
    (wednesday,) = close_day(engine, ours, TOMORROW, now=NOW + ONE_DAY)
    assert (tuesday.outcome, tuesday.note) == ("nothing", "not one of its order_days")
    assert (wednesday.outcome, wednesday.quantity) == ("ordered", 6)


def test_an_order_that_takes_all_or_nothing_is_not_bought_the_pieces_that_lie_free_for_it(
    engine: Engine, settings: Settings
) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, OF_ACME, {"R-1": 3})
    receive(engine, order("A", line("R-1", 4, line_id="1"), line("R-2", 2, line_id="2")), settings=shop("whole"))
    came_in(engine, "A", "2026-11-01 12:00")
    close_day(engine, ours, TODAY, now=NOW)
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 1, 1, 0), ("acme", "2026-11-24", "R-2", 2, 2, 0)]


def test_the_price_list_says_of_whom_and_at_what_price(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}, "moda": {"lead_time_days": 9}})
    shelves(engine, ours, OF_ACME)
    priced(engine, "moda", "R-1", price="7.25", preferred=True, pack_size=4, supplier_code="M-1")
    priced(engine, "acme", "R-1", price="5.00")
    wanted(engine, "A", "R-1", 3)
    close_day(engine, ours, TODAY, now=NOW)
    found = rows(
        engine,
        "select supplier, sku, supplier_code, pack_size, quantity, price::text, currency from analytics.supplier_order_line",
    )
    assert found == [("moda", "R-1", "M-1", 4, 4, "7.2500", "RON")]
    ((facts,),) = rows(engine, "select facts from cloudsales.supplier_order")
    assert facts["delivery"] == {"warehouse": "CENTRAL", "name": "", "lead_time_days": 9, "expected_on": "2026-12-03"}


def test_f36_a_new_year_begins_its_own_numbers_and_a_date_of_the_old_one_closed_late_bears_the_new(
    engine: Engine, settings: Settings
) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, OF_ACME)
    for number, (day, now) in enumerate(
        [
            (date(2026, 12, 29), datetime(2026, 12, 31, 21, 59, tzinfo=UTC)),  # 23:59 in Bucharest
            (date(2026, 12, 30), datetime(2026, 12, 31, 22, 0, tzinfo=UTC)),  # midnight
            (date(2026, 12, 31), datetime(2027, 1, 1, 9, tzinfo=UTC)),
        ]
    ):
        wanted(engine, f"A{number}", "R-1", 1)
        close_day(engine, ours, day, now=now)
    numbers = rows(engine, "select number from cloudsales.supplier_order order by business_date")
    assert numbers == [("CF-2026-000001",), ("CF-2027-000001",), ("CF-2027-000002",)]
