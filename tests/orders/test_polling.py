"""A look at a channel: one request, and an import only where there is something to do."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import ChannelUnreachableError
from cloudsales_pipeline.channels.port import SalesChannel
from cloudsales_pipeline.orders import serving
from cloudsales_pipeline.orders.importing import import_orders
from cloudsales_pipeline.orders.payloads import store
from cloudsales_pipeline.orders.polling import MOST_PAGES, Poll, poll, take_turn
from cloudsales_pipeline.settings import OrderSettings
from cloudsales_pipeline.stock.movements import post
from tests.orders.market import PARSER, line, lines_of, market, order, payload, shop
from tests.orders.order_shop import OrderShop
from tests.orders.test_interleavings import name_product
from tests.stock.shelf import receipt


def away() -> Exception:
    """One each: an error is told its page when it is raised there."""
    return ChannelUnreachableError("no answer", channel="fashionup", operation="listOrders")


def look(engine: Engine, channel: OrderShop, settings: OrderSettings | None = None) -> Poll:
    return poll(engine, cast(SalesChannel, channel), settings or OrderSettings())


def imported(engine: Engine, channel: OrderShop) -> None:
    import_orders(engine, cast(SalesChannel, channel), shop())
    channel.asked.clear()


def test_what_is_known_is_nothing_new_and_costs_one_request(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop([order("FO1", line("R-1"))])
    assert look(engine, channel).why == ("orders that changed",)
    imported(engine, channel)
    assert look(engine, channel) == Poll()
    assert len(channel.asked) == 1
    channel.show(order("FO1", line("R-1"), revision=2))
    assert look(engine, channel).why == ("orders that changed",)


def test_after_a_burst_the_overlap_starts_no_import_again_and_again(engine: Engine) -> None:
    market(engine, {"R-1": 99})
    burst = [order(f"FO{number:02}", line("R-1"), revision=number) for number in range(1, 21)]
    channel = OrderShop(burst, page_size=2)
    imported(engine, channel)
    assert look(engine, channel) == Poll()
    assert len(channel.asked) == MOST_PAGES + 1
    channel.show(order("NEW", line("R-1"), revision=30))
    assert look(engine, channel).why == ("orders that changed",)


def test_what_can_be_done_here_asks_nobody(engine: Engine) -> None:
    market(engine, {"R-1": 0})
    channel = OrderShop(failures={number: away() for number in range(1, 9)})
    with engine.begin() as connection:
        store(connection, "fashionup", PARSER, [payload(order("FO1", line("R-1")))])
    assert look(engine, channel).why == ("payloads to be read",)
    import_orders(engine, cast(SalesChannel, channel), shop())
    post(engine, [receipt("more", "R-1", 1)])
    channel.asked.clear()
    assert look(engine, channel).why == ("lines that can be served",)
    assert channel.asked == []


def test_i19_a_code_that_is_added_later_starts_an_import_by_itself(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LOOKED_AT_ONCE", 2)
    market(engine, {"R-1": 9})
    channel = OrderShop([order(f"FO{n}", line(f"NEW-{n}"), minutes=n) for n in range(1, 6)])
    imported(engine, channel)
    assert look(engine, channel) == Poll()
    channel.asked.clear()
    name_product(engine, "NEW-5", "R-1")
    assert look(engine, channel).why == ("lines whose product is known",)
    assert channel.asked == []
    imported(engine, channel)
    assert lines_of(engine)["fashionup/FO5/1"] == (1, 1, 0, 0, 0)
    assert look(engine, channel) == Poll()


def test_what_needs_the_channel_waits_until_it_answers(engine: Engine) -> None:
    market(engine, {"R-1": 9})
    channel = OrderShop(
        [order(f"FO{n}", line("R-1"), minutes=n) for n in range(1, 4)], failures={2: away(), 3: away(), 4: away()}
    )
    imported(engine, channel)
    channel.failures = {1: away(), 2: away()}
    first, second = look(engine, channel), look(engine, channel)
    assert (first.why, first.failure, first.fresh_failure) == ((), "fashionup (listOrders): no answer", False)
    assert second.fresh_failure is False  # the import had told of it
    assert look(engine, channel).why == ("a pass that was interrupted",)


def test_a_channel_that_begins_to_fail_is_told_once(engine: Engine) -> None:
    channel = OrderShop(failures={1: away(), 2: away(), 4: away()})
    told = [look(engine, channel).fresh_failure for _ in range(4)]
    assert told == [True, False, False, True]


def test_f27_of_two_who_would_look_at_once_one_does(engine: Engine) -> None:
    assert [take_turn(engine, "fashionup", timedelta(minutes=1)) for _ in range(3)] == [True, False, False]
    assert take_turn(engine, "fashionup", timedelta(0))


def test_an_order_not_paid_in_time_starts_an_import_that_reads_the_channel_first(engine: Engine) -> None:
    """The payment may be on a page that nobody read yet: only behind a whole pass its pieces go to who waits."""
    market(engine, {"R-1": 2})
    channel = OrderShop([order("UNPAID", line("R-1", 2)), order("PAID", line("R-1", 2), status="paid", minutes=1)])
    imported(engine, channel)
    settings = shop(expire_unpaid_after={"cash_on_delivery": "PT1H"})
    assert look(engine, channel, settings.orders).why == ("orders not paid in time",)
    channel.asked.clear()
    channel.failures = {1: away()}
    assert import_orders(engine, cast(SalesChannel, channel), settings).expired == 0
    assert import_orders(engine, cast(SalesChannel, channel), settings).expired == 1
    assert lines_of(engine)["fashionup/PAID/1"] == (2, 2, 0, 0, 0)
    assert look(engine, channel, settings.orders) == Poll()
