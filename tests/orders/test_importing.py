"""Asking a channel for its orders: every order once, in whatever pages it comes and wherever the asking was broken off."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.errors import ChannelRefusedError, ChannelUnreachableError, CursorRepeatsError
from cloudsales_pipeline.channels.port import ChannelOrder, SalesChannel
from cloudsales_pipeline.database.locks import order_intake_lock
from cloudsales_pipeline.orders.importing import ImportResult, import_orders
from cloudsales_pipeline.orders.pages import OVERLAP, standing
from cloudsales_pipeline.stock.movements import post
from tests.killing import killed_at_each_step
from tests.orders.market import NOON, line, lines_of, market, order, payload, shop
from tests.orders.order_shop import OrderShop
from tests.stock.shelf import levels, receipt, rows

TABLES = """
select 'order', o.channel, o.external_id, o.revision::text, o.status, o.total::text, o.review::text, o.acknowledgement
from cloudsales.sales_order o
union all select 'line', l.owner, l.quantity::text, l.reserved::text, l.waiting::text, l.cancelled::text, l.unit_price::text, l.position::text
from cloudsales.sales_order_line l
union all select 'reservation', owner, warehouse, sum(quantity)::text, null, null, null, null from cloudsales.reservation where state = 'open' group by 2, 3
union all select 'level', p.sku, v.warehouse, v.on_hand::text, v.reserved::text, null, null, null
from cloudsales.stock_level v join cloudsales.product p using (product_id)
union all select 'buyer', name, email, phone, note, delivery::text, null, null from personal.buyer
order by 1, 2, 3, 4, 5
"""


def take(engine: Engine, channel: OrderShop, **fields: object) -> ImportResult:
    return import_orders(engine, cast(SalesChannel, channel), shop(), **fields)  # type: ignore[arg-type]


def some(count: int, *, sku: str = "R-1") -> list[ChannelOrder]:
    return [order(f"FO{number}", line(sku), minutes=number) for number in range(1, count + 1)]


def tables(engine: Engine) -> list[tuple[object, ...]]:
    return rows(engine, TABLES)


def gone(operation: str = "listOrders") -> ChannelUnreachableError:
    return ChannelUnreachableError("no answer", channel="fashionup", operation=operation)


def test_every_page_is_stored_taken_in_and_acknowledged(engine: Engine) -> None:
    market(engine, {"R-1": 3})
    channel = OrderShop(some(5))
    result = take(engine, channel)
    assert (result.pages, result.stored, result.rows_in, result.loaded, result.complete) == (3, 5, 5, 5, True)
    assert (result.batch.reserved, result.batch.waiting, result.told.done) == (3, 2, 5)
    assert channel.acknowledged == ["FO1", "FO2", "FO3", "FO4", "FO5"]
    assert standing(engine, "fashionup").seen_until == NOON + timedelta(minutes=5, seconds=1)
    assert rows(engine, "select stage, rows_in, loaded, unchanged, quarantined from cloudsales.run_summary") == [
        ("orders", 5, 5, 0, 0)
    ]


def test_stock_is_held_after_the_first_page_and_before_the_last_is_asked_for(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    seen: list[int] = []
    take(engine, OrderShop(some(6)), progress=lambda stand: seen.append(levels(engine)["CENTRAL", "R-1"][1]))
    assert seen == [2, 4, 6]


def test_i40_a_second_import_asks_from_a_little_before_and_changes_nothing(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(some(3))
    take(engine, channel)
    before = tables(engine)
    again = take(engine, channel)
    assert (again.rows_in, again.stored, again.told.done) == (0, 0, 0)
    assert tables(engine) == before
    assert channel.asked[-2] == (None, NOON + timedelta(minutes=3, seconds=1) - OVERLAP)
    assert channel.acknowledged == ["FO1", "FO2", "FO3"]


def test_an_order_that_the_channel_stamped_a_little_before_the_last_one_seen_is_not_lost(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop([order("FO1", line("R-1"), minutes=30)])
    take(engine, channel)
    channel.show(order("LATE", line("R-1"), minutes=25))
    assert take(engine, channel).loaded == 1


def test_a_first_import_begins_where_orders_are_taken_in_from(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(some(4))
    since = NOON + timedelta(minutes=3)
    result = import_orders(engine, cast(SalesChannel, channel), shop(placed_since=since))
    assert (channel.asked[0], result.loaded) == ((None, since), 2)


def test_an_order_dated_years_ahead_hides_none_that_come_after_it(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    ahead = replace(order("AHEAD", line("R-1")), updated_at=datetime(2099, 1, 1, tzinfo=UTC))
    channel = OrderShop([ahead])
    take(engine, channel)
    channel.show(replace(order("NOW", line("R-1")), updated_at=datetime.now(UTC)))
    assert take(engine, channel).loaded == 1


def test_f12_page_three_fails_and_the_next_import_goes_on_behind_page_two(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(some(7), failures={3: gone()})
    first = take(engine, channel)
    assert first.failure is not None
    assert str(first.failure) == "fashionup (listOrders, page 3): no answer"
    assert (first.loaded, first.told.done, first.complete) == (4, 4, False)
    assert rows(engine, "select failure, failing_since is not null, pass_pages from cloudsales.order_intake") == [
        ("fashionup (listOrders, page 3): no answer", True, 2)
    ]
    second = take(engine, channel)
    assert (second.pages, second.loaded, second.complete) == (2, 3, True)
    assert channel.asked[3][0] == f"{(NOON + timedelta(minutes=4, seconds=1)).isoformat()} FO4"
    assert rows(engine, "select failure, failing_since, pass_cursor, pass_pages from cloudsales.order_intake") == [
        (None, None, None, 0)
    ]


def test_f12_a_stored_cursor_that_the_channel_no_longer_takes_begins_the_pass_again(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    refused = ChannelRefusedError("no such cursor", status=410, channel="fashionup", operation="listOrders")
    channel = OrderShop(some(5), failures={2: gone(), 3: refused})
    take(engine, channel)
    result = take(engine, channel)
    assert result.failure is None
    assert (result.pages, result.loaded) == (3, 3)
    assert [cursor is None for cursor, _ in channel.asked] == [True, False, False, True, False, False]


def test_f13_an_order_that_moves_while_it_is_paged_through_is_taken_at_its_last_revision(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(some(4))
    moved = order("FO1", line("R-1", 3), revision=2)

    def move() -> None:
        channel.show(replace(moved, updated_at=NOON + timedelta(hours=1)))

    channel.between = move
    result = take(engine, channel)
    assert (result.batch.new, result.batch.amended) == (4, 1)
    assert lines_of(engine)["fashionup/FO1/1"] == (3, 3, 0, 0, 0)


def test_f14_a_cursor_that_repeats_ends_the_pass_and_keeps_what_was_read(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(some(6))
    channel.repeats = f"{(NOON + timedelta(minutes=2, seconds=1)).isoformat()} FO2"
    result = take(engine, channel)
    assert isinstance(result.failure, CursorRepeatsError)
    assert (result.loaded, result.told.done, len(channel.asked)) == (4, 4, 2)
    assert standing(engine, "fashionup").seen_until is None
    channel.repeats = None
    assert take(engine, channel).loaded == 2


def test_f25_a_deadline_ends_an_import_behind_a_whole_page_and_the_next_goes_on(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(some(5))
    first = take(engine, channel, deadline=time.monotonic() - 1)
    assert (first.pages, first.loaded, first.complete, first.told.done) == (1, 2, False, 0)
    second = take(engine, channel)
    assert (second.pages, second.loaded, second.complete, second.told.done) == (2, 3, True, 5)


def test_f17_of_two_importers_one_asks_and_the_other_takes_in_what_there_is(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(some(3))
    with order_intake_lock(engine, "fashionup"):
        result = take(engine, channel)
    assert (result.asked, channel.asked, channel.acknowledged) == (False, [], [])


@pytest.mark.timeout(60)
def test_f17_importers_at_once_over_one_channel_take_each_order_once(engine: Engine) -> None:
    market(engine, {"R-1": 5})
    channel = OrderShop(some(12))
    barrier = threading.Barrier(4)
    results: list[ImportResult] = []

    def one() -> None:
        barrier.wait()
        results.append(take(engine, channel))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    take(engine, channel)
    assert sum(result.loaded for result in results) == 12
    assert sorted(channel.acknowledged) == sorted(f"FO{n}" for n in range(1, 13))
    assert levels(engine)["CENTRAL", "R-1"] == (5, 5)
    assert [key for key, figures in lines_of(engine).items() if figures[1]] == [f"fashionup/FO{n}/1" for n in range(1, 6)]


def test_f18_a_cancellation_on_an_earlier_page_than_its_order_counts(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    cancelled = order("FO1", line("R-1", 2), revision=2, status="cancelled")
    take(engine, OrderShop(pages=[[payload(cancelled)], [payload(order("FO1", line("R-1", 2)))]]))
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 0, 0, 0, 2)}


def test_i43_a_payload_that_nobody_can_read_holds_up_no_other(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    result = take(engine, OrderShop(pages=[[b"torn", payload(order("FO1", line("R-1")))], [payload(order("FO2", line("R-1")))]]))
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined) == (3, 2, 0, 1)


def test_f10_one_order_whose_acknowledgement_is_refused_fails_no_import(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    refused = ChannelRefusedError("not allowed", status=422, channel="fashionup", operation="acknowledgeOrder")
    result = take(engine, OrderShop(some(3), answers={"FO2": [refused]}))
    assert (result.told.done, result.told.failed, result.failure) == (2, 1, None)


def test_a_pass_whose_last_page_ends_behind_the_deadline_is_complete(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    late = time.monotonic() - 1
    assert take(engine, OrderShop(some(2)), deadline=late).complete
    more = OrderShop([order(f"FO{number}", line("R-1"), minutes=number) for number in range(10, 13)])
    passes = [take(engine, more, deadline=late) for _ in range(2)]
    assert [(one.pages, one.complete) for one in passes] == [(1, False), (1, True)]


def test_who_waits_is_served_by_the_next_import_with_the_channel_away(engine: Engine) -> None:
    market(engine, {"R-1": 0})
    channel = OrderShop(some(1))
    take(engine, channel)
    post(engine, [receipt("more", "R-1", 4)])
    channel.failures = {2: gone()}
    result = take(engine, channel)
    assert (result.served, result.failure is not None) == (1, True)


@pytest.mark.timeout(60)
def test_f22_a_connection_lost_while_a_page_or_a_batch_is_committed_loses_and_doubles_nothing(
    engine: Engine, database_url: URL
) -> None:
    from cloudsales_pipeline.database.engine import create_engine

    market(engine, {"R-1": 3})
    losing = create_engine(database_url)
    original = losing.dialect.do_commit
    commits = count(1)

    def commit_and_lose(connection: Any) -> None:
        """Every second commit is done on the server, and its answer never comes."""
        original(connection)
        if next(commits) % 2:
            connection.driver_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    losing.dialect.do_commit = commit_and_lose  # type: ignore[method-assign,assignment]
    channel = OrderShop(some(5))
    for _ in range(40):
        try:
            result = take(losing, channel)
        except sa.exc.DBAPIError:
            continue  # at a step that is not tried again by itself: the run fails, and the next goes on
        if result.complete:
            break
    losing.dispose()
    take(engine, channel)
    assert next(commits) > 10
    assert rows(engine, "select count(*), sum(reserved), sum(waiting) from cloudsales.sales_order_line") == [(5, 3, 2)]
    assert rows(engine, "select acknowledgement, count(*) from cloudsales.sales_order group by 1") == [("done", 5)]


@pytest.mark.timeout(120)
def test_f24_killed_at_each_step_and_begun_again_an_import_ends_as_an_undisturbed_one(engine: Engine, database_url: URL) -> None:
    market(engine, {"R-1": 2})
    channel = OrderShop(some(3))
    steps = list(killed_at_each_step(database_url, lambda child: take(child, OrderShop(some(3)))))
    assert len(steps) > 25
    assert take(engine, channel).loaded == 0
    assert rows(engine, "select count(*), sum(reserved), sum(waiting) from cloudsales.sales_order_line") == [(3, 2, 1)]
    assert rows(engine, "select acknowledgement, count(*) from cloudsales.sales_order group by 1") == [("done", 3)]
    assert levels(engine)["CENTRAL", "R-1"] == (2, 2)


WORLDS = count(1)


def revisions_of(world: int) -> list[ChannelOrder]:
    one, two, three = (f"R{world}-{number}" for number in (1, 2, 3))
    return [
        order("FO1", line(one, 2)),
        order("FO1", line(one, 1), revision=2),
        order("FO2", line(one, 2), line(two, 1, line_id="2"), minutes=1),
        order("FO3", line(two, 1), minutes=2),
        order("FO3", line(two, 1), revision=2, status="cancelled", minutes=2),
        order("FO4", line(three, 5), minutes=3),
    ]


@pytest.mark.timeout(120)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations([0, 1, 2, 3, 4, 5, 2, 4]), st.integers(1, 4))
def test_i02_any_split_order_and_repetition_of_the_pages_gives_the_same_tables(
    engine: Engine, sequence: list[int], size: int
) -> None:
    """Stock for all: where it is short, who came first in another batch has it, and later ones wait."""
    world = next(WORLDS)
    shelf = {f"R{world}-{number}": 20 for number in (1, 2, 3)}
    channel = f"shop{world}"
    market(engine, shelf, channels=(channel,))  # products and a channel of its own: one database serves all examples
    packed = [payload(revisions_of(world)[number]) for number in sequence]
    pages = [packed[start : start + size] for start in range(0, len(packed), size)]
    take(engine, OrderShop(pages=pages, name=channel))
    mine = {key.removeprefix(channel): figures for key, figures in lines_of(engine).items() if key.startswith(f"{channel}/")}
    assert mine == {
        "/FO1/1": (1, 1, 0, 0, 0),
        "/FO2/1": (2, 2, 0, 0, 0),
        "/FO2/2": (1, 1, 0, 0, 0),
        "/FO3/1": (1, 0, 0, 0, 1),
        "/FO4/1": (5, 5, 0, 0, 0),
    }
    assert [levels(engine)["CENTRAL", sku] for sku in shelf] == [(20, 3), (20, 1), (20, 5)]
    assert [one[2:] for one in tables(engine) if one[:2] == ("order", channel)] == [
        ("FO1", "2", "new", "119.99", "{}", "done"),
        ("FO2", "1", "new", "319.99", "{}", "done"),
        ("FO3", "2", "cancelled", "119.99", "{}", "done"),
        ("FO4", "1", "new", "519.99", "{}", "done"),
    ]
