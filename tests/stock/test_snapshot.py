"""The daily snapshot: stock at the end of a local business date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.stock.days import day_end
from cloudsales_pipeline.stock.snapshot import SnapshotResult, take_snapshot
from tests.catalog.shop import query, scalar
from tests.stock.rule_world import move, put_products

ZONE = "Europe/Bucharest"
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)  # 23 and 25 hours long in Bucharest
DAY = timedelta(days=1)


def on_hand(engine: Engine, day: date) -> object:
    return scalar(engine, "select on_hand from analytics.stock_snapshot where business_date = :day", day=day)


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2026, 6, 1), 24)])
def test_a_day_is_as_long_as_the_clock_on_the_wall_says(day: date, hours: int) -> None:
    assert day_end(day, ZONE) - day_end(day - DAY, ZONE) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "last"), [(SPRING, datetime(2026, 3, 29, 20, 59, tzinfo=UTC)), (AUTUMN, datetime(2026, 10, 25, 21, 59, tzinfo=UTC))]
)
def test_the_last_minute_of_a_summer_time_day_is_in_its_snapshot_and_the_next_is_not(
    engine: Engine, day: date, last: datetime
) -> None:
    put_products(engine, "P")
    move(engine, "P", "A", 1, last - DAY * 2)
    move(engine, "P", "A", 10, last)
    move(engine, "P", "A", 100, last + timedelta(minutes=1))  # midnight itself is the next day's
    assert take_snapshot(engine, day, ZONE) == SnapshotResult(1, 1, 0)
    take_snapshot(engine, day - DAY, ZONE)
    take_snapshot(engine, day + DAY, ZONE)
    assert [on_hand(engine, d) for d in (day - DAY, day, day + DAY)] == [1, 11, 111]


def test_a_snapshot_taken_again_writes_only_what_has_become_known_since(engine: Engine) -> None:
    put_products(engine, "P", "Q")
    move(engine, "P", "A", 5)
    move(engine, "Q", "A", 6)
    assert take_snapshot(engine, SPRING, ZONE) == SnapshotResult(2, 2, 0)
    before = query(engine, "select xmin::text, * from cloudsales.stock_snapshot order by product_id")
    assert take_snapshot(engine, SPRING, ZONE) == SnapshotResult(2, 0, 2)
    assert query(engine, "select xmin::text, * from cloudsales.stock_snapshot order by product_id") == before
    move(engine, "Q", "A", -2)  # back-dated
    assert take_snapshot(engine, SPRING, ZONE) == SnapshotResult(2, 1, 1)
    rows = query(engine, "select sku, on_hand from analytics.stock_snapshot order by 1")
    assert {row.sku: row.on_hand for row in rows} == {"P": 5, "Q": 4}


def test_a_day_that_has_not_ended_has_no_snapshot(engine: Engine) -> None:
    today = scalar(engine, "select (now() at time zone 'Europe/Bucharest')::date")
    assert isinstance(today, date)
    with pytest.raises(InputError, match="has not ended yet"):
        take_snapshot(engine, today, ZONE)
    assert scalar(engine, "select count(*) from cloudsales.stock_snapshot") == 0
    assert take_snapshot(engine, today - DAY, ZONE) == SnapshotResult(0, 0, 0)
