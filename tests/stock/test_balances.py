"""Balances at past moments: what was, and what was believed then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.stock.balances import balances
from tests.catalog.shop import scalar
from tests.stock.rule_world import move, put_products, reserve

MONDAY = datetime(2026, 11, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def at(
    engine: Engine,
    moment: datetime | None,
    known_at: datetime | None = None,
    *,
    warehouse: str | None = None,
    sku: str | None = None,
) -> dict[str, tuple[int, int]]:
    with engine.connect() as connection:
        rows = balances(connection, at=moment, known_at=known_at, warehouse=warehouse, sku=sku)
    return {f"{row['warehouse']}/{row['sku']}": (row["on_hand"], row["reserved"]) for row in rows}


def test_a_balance_at_a_moment_leaves_out_what_happened_later(engine: Engine) -> None:
    put_products(engine, "P", "Q")
    move(engine, "P", "A", 10, MONDAY)
    move(engine, "P", "A", -4, MONDAY + 2 * DAY)
    move(engine, "P", "B", 7, MONDAY + DAY)
    assert at(engine, None) == {"A/P": (6, 0), "B/P": (7, 0)}
    assert at(engine, MONDAY + DAY) == {"A/P": (10, 0), "B/P": (7, 0)}
    assert at(engine, MONDAY) == {"A/P": (10, 0)}  # B was not known to have any, which is not zero
    assert at(engine, MONDAY - DAY) == {}


def test_a_movement_that_was_told_late_is_in_what_was_but_not_in_what_was_believed(engine: Engine) -> None:
    put_products(engine, "P")
    move(engine, "P", "A", 10, MONDAY)
    before = scalar(engine, "select clock_timestamp()")
    assert isinstance(before, datetime)
    move(engine, "P", "A", -3, MONDAY + DAY)  # told only now
    assert at(engine, MONDAY + 2 * DAY) == {"A/P": (7, 0)}
    assert at(engine, MONDAY + 2 * DAY, before) == {"A/P": (10, 0)}
    assert at(engine, None, before) == {"A/P": (10, 0)}
    assert at(engine, MONDAY, before) == {"A/P": (10, 0)}
    assert at(engine, MONDAY, MONDAY) == {}


def test_a_reservation_counts_from_its_making_to_its_end(engine: Engine) -> None:
    put_products(engine, "P")
    move(engine, "P", "A", 10, MONDAY - 9 * DAY)
    reserve(engine, "P", "A", 3, MONDAY, MONDAY + 2 * DAY)
    reserve(engine, "P", "A", 2, MONDAY + DAY)
    held = {n: at(engine, MONDAY + n * DAY)["A/P"][1] for n in (-1, 0, 1, 2, 3)}
    assert held == {-1: 0, 0: 3, 1: 5, 2: 2, 3: 2}
    assert at(engine, None) == {"A/P": (10, 2)}


def test_a_warehouse_and_a_sku_can_be_named_and_have_to_exist(engine: Engine) -> None:
    put_products(engine, "P", "Q")
    for sku in "PQ":
        move(engine, sku, "A", 1, MONDAY)
        move(engine, sku, "B", 2, MONDAY)
    assert at(engine, MONDAY, warehouse="B", sku="Q") == {"B/Q": (2, 0)}
    with pytest.raises(InputError, match="no warehouse 'X'"):
        at(engine, MONDAY, warehouse="X")
    with pytest.raises(InputError, match="no sku '0'"):
        at(engine, MONDAY, sku="0")
    with pytest.raises(InputError, match="no time zone"):
        at(engine, MONDAY.replace(tzinfo=None))


def test_past_balances_are_what_the_ledger_sums_to(engine: Engine) -> None:
    put_products(engine, "P", "Q", "R")
    for n in range(60):
        move(engine, "PQR"[n % 3], "AB"[n % 2], 5 + n % 7, MONDAY + timedelta(hours=(n * 37) % 50))
    for hours in (0, 13, 37, 49):
        moment = MONDAY + timedelta(hours=hours)
        with engine.connect() as connection:
            rows = connection.execute(
                sa.text(
                    "select warehouse || '/' || sku, sum(quantity) from analytics.stock_movement where occurred_at <= :at group by 1"
                ),
                {"at": moment},
            )
            summed = {key: (int(quantity), 0) for key, quantity in rows}
        assert at(engine, moment) == summed
