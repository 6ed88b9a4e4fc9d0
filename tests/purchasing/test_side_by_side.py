"""Closing while others work: orders that stream in, a second closer, and a process that is killed."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.orders.life import cancel_here
from cloudsales_pipeline.purchasing.closing import Closed, close_day
from cloudsales_pipeline.purchasing.quality import PURCHASING_RULES, check_purchasing
from cloudsales_pipeline.settings import Settings
from tests.killing import killed_at_each_step
from tests.orders.market import line, order, receive
from tests.purchasing.buying import NOW, house, ordered, shelves, ties, to_be_bought, wanted
from tests.stock.shelf import rows

TODAY = date(2026, 11, 24)
FAR = datetime(2027, 3, 1, tzinfo=UTC)
"""Dates from January on: after whatever the clock of this machine calls now, as all that streams in has come in before them."""


def test_i27_f27_two_closers_at_once_order_everything_once(engine: Engine, settings: Settings, database_url: URL) -> None:
    ours = house(settings, {name: {} for name in ("acme", "moda", "vest")})
    shelves(engine, ours, {"R-1": "acme", "R-2": "moda", "R-3": "vest"})
    for number in range(9):
        wanted(engine, f"A{number}", f"R-{1 + number % 3}", 1 + number)
    start, told = threading.Barrier(3), []

    def closer() -> None:
        mine = create_engine(database_url)
        start.wait()
        told.append(close_day(mine, ours, TODAY, now=NOW))
        mine.dispose()

    closers = [threading.Thread(target=closer) for _ in range(3)]
    for one in closers:
        one.start()
    for one in closers:
        one.join()
    outcomes = sorted([closed.outcome for closed in mine] for mine in told)
    assert outcomes == [["closed_before"] * 3, ["closed_before"] * 3, ["ordered"] * 3]
    assert [line[3] for line in ordered(engine)] == [1 + 4 + 7, 2 + 5 + 8, 3 + 6 + 9]
    assert sum(pieces for _, pieces, *_ in ties(engine)) == 45


@pytest.mark.timeout(60)
def test_i27_i29_closing_while_orders_stream_in_from_two_channels_loses_and_doubles_no_piece(
    engine: Engine, settings: Settings, database_url: URL
) -> None:
    channels = ("fashionup", "second")
    ours = house(settings, {"acme": {"pack_size": 4}, "moda": {}}, channels=channels)
    skus = {"R-1": "acme", "R-2": "acme", "R-3": "moda"}
    shelves(engine, ours, skus, {"R-3": 5})
    broken: list[BaseException] = []

    def stream(channel: str) -> None:
        mine = create_engine(database_url)
        try:
            for number in range(15):
                some = [line(sku, 1 + number % 3, line_id=sku) for sku in skus]
                receive(mine, order(f"{channel}-{number}", *some, minutes=number), channel=channel)
                if number % 5 == 4:
                    cancel_here(mine, channel, f"{channel}-{number - 2}")
        except BaseException as error:
            broken.append(error)
        finally:
            mine.dispose()

    streams = [threading.Thread(target=stream, args=(channel,)) for channel in channels]
    for one in streams:
        one.start()
    day, closed = date(2027, 1, 1), list[Closed]()
    while any(one.is_alive() for one in streams):
        closed += close_day(engine, ours, day, now=FAR)
        day += timedelta(days=1)
    for one in streams:
        one.join()
    assert not broken
    for _ in range(2):  # what a cancellation gave back after the last close, and what came in behind it
        closed += close_day(engine, ours, day, now=FAR)
        day += timedelta(days=1)
    assert len([one for one in closed if one.outcome == "ordered"]) >= 2
    _waiting_is_on_order_to_the_piece(engine)
    purchased = {rule.name for rule in PURCHASING_RULES} - {"closes_complete"}  # these dates are in the future
    assert {result.rule: result.passed for result in check_purchasing(engine, ours) if result.rule in purchased} == dict.fromkeys(
        purchased, True
    )


def _waiting_is_on_order_to_the_piece(engine: Engine) -> None:
    """An independent sum: of each line what it waits for is what comes for it; of each product, ties and surplus are all that was bought."""
    assert to_be_bought(engine) == {}
    lines = rows(
        engine,
        "select l.owner, l.waiting, (select coalesce(sum(quantity - received - withdrawn), 0) from cloudsales.requirement r"
        " where r.line_id = l.line_id) from cloudsales.sales_order_line l order by 1",
    )
    assert len(lines) == 2 * 15 * 3
    assert [one for one in lines if one[1] != one[2]] == []
    products = rows(
        engine,
        "select p.sku, (select sum(quantity) from cloudsales.supplier_order_line l where l.product_id = p.product_id),"
        " (select sum(waiting) from cloudsales.sales_order_line l where l.product_id = p.product_id) from cloudsales.product p order by 1",
    )
    assert all(bought >= waiting > 0 for _, bought, waiting in products)


@pytest.mark.timeout(60)
def test_f24_killed_at_any_step_of_the_close_and_done_again_it_is_as_if_undisturbed(
    engine: Engine, settings: Settings, database_url: URL
) -> None:
    ours = house(settings, {"acme": {"pack_size": 6}, "moda": {}}, propose_transfers=True)
    shelves(engine, ours, {"R-1": "acme", "R-2": "moda"})
    wanted(engine, "A", "R-1", 4)
    wanted(engine, "B", "R-2", 3)
    names: list[str] = []
    for _ in killed_at_each_step(database_url, lambda mine: close_day(mine, ours, TODAY, now=NOW), told=names):
        found = rows(
            engine, "select (select count(*) from cloudsales.supplier_close), (select count(*) from cloudsales.requirement)"
        )
        assert found in ([(0, 0)], [(2, 2)])  # nothing, or all
    assert len(names) >= 20
    assert {"before COMMIT", "after COMMIT"} <= set(names)
    assert ordered(engine) == [("acme", "2026-11-24", "R-1", 6, 4, 2), ("moda", "2026-11-24", "R-2", 3, 3, 0)]
    assert ties(engine) == [("A", 4, 4, False), ("B", 3, 3, False)]
    assert rows(engine, "select number from cloudsales.supplier_order order by 1") == [("CF-2026-000001",), ("CF-2026-000002",)]
