"""F-26, F-28: which dates are due; a daemon that was away; a backfill in any order."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.engine import Engine

from cloudsales_pipeline.purchasing.closing import close_day
from cloudsales_pipeline.purchasing.due import close_due, due, due_dates
from cloudsales_pipeline.settings import Settings
from tests.purchasing.buying import NOW, house, ordered, shelves, to_be_bought, wanted
from tests.stock.shelf import rows

TODAY = date(2026, 11, 24)


def test_f26_a_daemon_away_for_three_days_closes_each_date_as_of_its_own_cut_off(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}})
    shelves(engine, ours, {"R-1": "acme"})
    close_day(engine, ours, TODAY, now=NOW)
    wanted(engine, "A", "R-1", 1, at="2026-11-25 15:59")
    wanted(engine, "B", "R-1", 2, at="2026-11-25 16:01")
    wanted(engine, "C", "R-1", 4, at="2026-11-27 16:00")
    wanted(engine, "D", "R-1", 8, at="2026-11-27 16:01")
    back = datetime(2026, 11, 28, 6, tzinfo=UTC)
    assert due_dates(engine, ours, back) == [date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 27)]
    closed = close_due(engine, ours, now=back)
    assert [(one.business_date.day, one.outcome, one.quantity) for one in closed] == [
        (25, "ordered", 1),
        (26, "ordered", 2),
        (27, "ordered", 4),
    ]
    assert due_dates(engine, ours, back) == []
    assert close_due(engine, ours, now=back) == []
    assert to_be_bought(engine) == {"R-1": 8}


def test_f28_a_backfill_of_thirty_dates_in_any_order_orders_each_piece_once(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"pack_size": 3}, "moda": {"cut_off": "12:00"}})
    shelves(engine, ours, {"R-1": "acme", "R-2": "moda"})
    chance = random.Random(30)  # noqa: S311 - the same in every run
    days = [TODAY - timedelta(days=back) for back in range(30)]
    for number in range(40):
        came = datetime(2026, 10, 26, 10, tzinfo=UTC) + timedelta(hours=chance.randrange(29 * 24))
        wanted(engine, f"A{number}", chance.choice(["R-1", "R-2"]), chance.randint(1, 4), at=came.isoformat(" ", "seconds"))
    lacking = to_be_bought(engine)
    chance.shuffle(days)
    for day in days:
        close_day(engine, ours, day, now=NOW)
    assert to_be_bought(engine) == {}
    tied = dict(
        rows(
            engine,
            "select p.sku, sum(r.quantity) from cloudsales.requirement r join cloudsales.product p using (product_id) group by 1",
        )
    )  # type: ignore[arg-type]
    assert tied == lacking
    assert rows(engine, "select supplier, count(*) from cloudsales.supplier_close group by 1 order by 1") == [
        ("acme", 30),
        ("moda", 30),
    ]
    assert all(quantity == required + surplus for *_, quantity, required, surplus in ordered(engine))
    bought = rows(engine, "select l.sku, sum(l.quantity) from cloudsales.supplier_order_line l group by 1 order by 1")
    assert bought[0][1] - lacking["R-1"] < 3  # surplus of one pack is used up before the next is bought
    assert bought[1][1] == lacking["R-2"]


def test_of_a_supplier_that_is_new_no_date_before_it_came_into_the_settings_is_due(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}, "moda": {"cut_off": "00:00"}})
    shelves(engine, ours, {"R-1": "acme"})
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.supplier set changed_at = '2026-11-23 17:00+00'")
    assert due(engine, ours, NOW) == {TODAY: ["acme", "moda"]}
    assert due(engine, ours, NOW - timedelta(hours=5)) == {TODAY: ["moda"]}


def test_what_was_missed_for_longer_than_is_caught_up_is_bought_by_the_first_close(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {}}, catch_up_days=1)
    shelves(engine, ours, {"R-1": "acme"})
    close_day(engine, ours, date(2026, 11, 1), now=NOW)
    wanted(engine, "A", "R-1", 5, at="2026-11-03 12:00")
    assert [(one.business_date, one.quantity) for one in close_due(engine, ours, now=NOW)] == [
        (date(2026, 11, 23), 5),
        (TODAY, 0),
    ]
