"""Faults F-16, F-19, F-20, F-21 and F-23 as they concern orders; test_importing has F-12 to F-14, F-17, F-18, F-22 and F-24."""

from __future__ import annotations

import threading
from typing import cast

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.errors import RedirectRefusedError
from cloudsales_pipeline.channels.port import SalesChannel
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.orders.importing import import_orders
from cloudsales_pipeline.stock.movements import Movement, post
from tests.orders.market import line, lines_of, market, order, receive, shop
from tests.orders.order_shop import OrderShop
from tests.orders.test_any_order import broken
from tests.stock.shelf import levels
from tests.stock.test_database_faults import away


def test_f19_a_line_changed_before_any_document_gives_back_or_takes_what_differs(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 4)))
    receive(engine, order("FO1", line("R-1", 1), revision=2))
    assert lines_of(engine) == {"fashionup/FO1/1": (1, 1, 0, 0, 0)}
    receive(engine, order("FO1", line("R-1", 6), revision=3))
    assert lines_of(engine) == {"fashionup/FO1/1": (6, 5, 1, 0, 0)}
    assert levels(engine)["CENTRAL", "R-1"] == (5, 5)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("importers", [2, 8])
def test_f20_of_buyers_on_as_many_channels_who_want_the_last_piece_at_once_one_gets_it(engine: Engine, importers: int) -> None:
    names = [f"shop{number}" for number in range(importers)]
    market(engine, {"R-1": 1}, channels=names)
    ready = threading.Barrier(importers)
    failed: list[BaseException] = []

    def take(name: str) -> None:
        channel = OrderShop([order("FO1", line("R-1"))], name=name)
        ready.wait()
        try:
            import_orders(engine, cast(SalesChannel, channel), shop())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=take, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(lines_of(engine).values()) == [(1, 0, 1, 0, 0)] * (importers - 1) + [(1, 1, 0, 0, 0)]
    assert levels(engine)["CENTRAL", "R-1"] == (1, 1)


@pytest.mark.timeout(60)
def test_f21_an_intake_that_loses_a_deadlock_is_begun_anew_and_holds_once(engine: Engine, owner_engine: Engine) -> None:
    """Another locks the second level, waits until the intake has the first and stands before the second, and crosses it."""
    market(engine, {"R-1": 1, "R-2": 1})
    lock = sa.text(
        "select from cloudsales.stock_level v join cloudsales.product p using (product_id) where p.sku = :sku for update of v"
    )
    blocked = sa.text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
    tries: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *facts: tries.extend(["x"] * ("skip locked" in facts[2])))
    with owner_engine.connect() as other, owner_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
        # who looks for the deadlock first is its victim: the intake, late enough for the other to have crossed on a slow machine
        name = watcher.scalar(sa.text("select current_database()"))
        watcher.exec_driver_sql(f"alter database {name} set deadlock_timeout = '4s'")
        engine.dispose()
        other.exec_driver_sql("set local deadlock_timeout = '1min'")
        other.execute(lock, {"sku": "R-2"})

        def cross() -> None:
            while not watcher.scalar(blocked):
                pass
            try:
                other.execute(lock, {"sku": "R-1"})
            finally:
                other.rollback()

        crossing = threading.Thread(target=cross)
        crossing.start()
        receive(engine, order("FO1", line("R-1", line_id="1"), line("R-2", line_id="2")))
        crossing.join()
    assert len(tries) == 3  # once lost, once done, once that found nothing more
    assert lines_of(engine) == {"fashionup/FO1/1": (1, 1, 0, 0, 0), "fashionup/FO1/2": (1, 1, 0, 0, 0)}
    assert broken(engine) == {}


@pytest.mark.timeout(60)
def test_f23_the_database_goes_away_between_two_pages_and_the_next_import_goes_on(engine: Engine, database_url: URL) -> None:
    market(engine, {"R-1": 3})
    outage = away(database_url)
    channel = OrderShop([order(f"FO{n}", line("R-1"), minutes=n) for n in range(1, 6)])
    channel.between = outage.__enter__
    with pytest.raises((DatabaseError, sa.exc.DBAPIError)):
        import_orders(engine, cast(SalesChannel, channel), shop())
    channel.between = None
    with pytest.raises((DatabaseError, sa.exc.DBAPIError)):
        import_orders(engine, cast(SalesChannel, channel), shop())
    outage.__exit__(None, None, None)
    result = import_orders(engine, cast(SalesChannel, channel), shop())
    assert (result.complete, result.told.done) == (True, 5)
    assert sum(figures[1] for figures in lines_of(engine).values()) == 3
    assert broken(engine) == {}


def test_f16_a_channel_that_sends_us_to_another_host_is_not_followed_and_its_pages_before_are_kept(engine: Engine) -> None:
    market(engine, {"R-1": 3})
    refused = RedirectRefusedError("redirect", channel="fashionup", operation="listOrders")
    channel = OrderShop([order(f"FO{n}", line("R-1"), minutes=n) for n in range(1, 4)], failures={2: refused})
    result = import_orders(engine, cast(SalesChannel, channel), shop())
    assert isinstance(result.failure, RedirectRefusedError)
    assert (result.loaded, import_orders(engine, cast(SalesChannel, channel), shop()).loaded) == (2, 1)


def test_a_count_that_displaces_and_a_receipt_that_serves_leave_the_last_piece_with_the_first_buyer(engine: Engine) -> None:
    market(engine, {"R-1": 2})
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    post(engine, [Movement("INV-1", "CENTRAL", "R-1", "count", 1)])
    assert [figures[1] for figures in lines_of(engine).values()] == [1, 0]
    receive(engine, order("FO1", line("R-1"), revision=2, status="cancelled"))
    assert [figures[1] for figures in lines_of(engine).values()] == [0, 1]
    assert broken(engine) == {}
