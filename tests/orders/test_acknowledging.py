"""The channel is told of every order that we hold: once, and again until somebody knows that it heard."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import ChannelRefusedError, OutcomeUnknownError, RateLimitedError
from cloudsales_pipeline.channels.port import Acknowledgement, AcknowledgeOutcome, SalesChannel
from cloudsales_pipeline.orders.acknowledging import Acknowledged, acknowledge_due
from tests.orders.market import line, market, order, receive, told
from tests.orders.order_shop import OrderShop
from tests.stock.shelf import rows


def held(engine: Engine, *names: str) -> None:
    """Orders that are taken in, and of which the channel was not told."""
    market(engine, {"R-1": 9})
    receive(engine, *(order(name, line("R-1")) for name in names))


def tell(engine: Engine, channel: OrderShop, *, seconds: float = 60) -> Acknowledged:
    return acknowledge_due(engine, cast(SalesChannel, channel), deadline=time.monotonic() + seconds)


def states(engine: Engine) -> dict[str, tuple[str, int, bool]]:
    """Order → (state, tries, whether it is due now)."""
    found = rows(
        engine,
        "select external_id, acknowledgement, acknowledge_tries, acknowledge_after <= clock_timestamp() from cloudsales.sales_order",
    )
    return {name: (state, tries, due) for name, state, tries, due in found}


def an_hour_passes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.sales_order set acknowledge_after = acknowledge_after - interval '1 hour'"))


def test_an_order_is_acknowledged_once(engine: Engine) -> None:
    held(engine, "FO1", "FO2")
    channel = OrderShop()
    assert tell(engine, channel) == Acknowledged(done=2)
    assert tell(engine, channel) == Acknowledged()
    assert channel.acknowledged == ["FO1", "FO2"]
    assert rows(engine, "select count(*) from cloudsales.sales_order where acknowledged_at is not null") == [(2,)]
    assert told(engine, "order_acknowledged") == [
        ("order_acknowledged", "fashionup/FO1", None),
        ("order_acknowledged", "fashionup/FO2", None),
    ]


def test_an_order_that_is_locked_is_asked_about_later_and_later(engine: Engine) -> None:
    held(engine, "FO1")
    channel = OrderShop(answers={"FO1": [AcknowledgeOutcome.LOCKED, AcknowledgeOutcome.LOCKED]})
    assert tell(engine, channel) == Acknowledged(locked=1)
    assert states(engine) == {"FO1": ("locked", 1, False)}
    assert tell(engine, channel) == Acknowledged()
    an_hour_passes(engine)
    tell(engine, channel)
    seconds = rows(
        engine, "select round(extract(epoch from acknowledge_after - clock_timestamp()))::integer from cloudsales.sales_order"
    )
    assert seconds[0][0] in (19, 20)
    an_hour_passes(engine)
    assert tell(engine, channel) == Acknowledged(done=1)


def test_an_order_that_the_channel_does_not_know_is_told_and_asked_about_no_more(engine: Engine) -> None:
    held(engine, "FO1")
    channel = OrderShop(answers={"FO1": [AcknowledgeOutcome.UNKNOWN_ORDER]})
    assert tell(engine, channel) == Acknowledged(unknown_order=1)
    an_hour_passes(engine)
    assert tell(engine, channel) == Acknowledged()
    assert told(engine, "order_unknown_on_channel") == [("order_unknown_on_channel", "fashionup/FO1", None)]


def test_f03_an_answer_that_is_lost_is_asked_for_again_and_the_others_go_on(engine: Engine) -> None:
    held(engine, "FO1", "FO2")
    lost = OutcomeUnknownError("no answer", channel="fashionup", operation="acknowledgeOrder")
    channel = OrderShop(answers={"FO1": [lost]})
    result = tell(engine, channel)
    assert (result.done, result.failed, result.error) == (1, 1, lost)
    assert states(engine) == {"FO1": ("due", 1, False), "FO2": ("done", 1, True)}
    an_hour_passes(engine)
    assert tell(engine, channel) == Acknowledged(done=1)
    assert channel.acknowledged == ["FO1", "FO2", "FO1"]


def test_f07_a_channel_that_says_stop_is_left_alone_and_what_it_heard_is_kept(engine: Engine) -> None:
    held(engine, "FO1", "FO2", "FO3")
    stop = RateLimitedError("too many", retry_at=datetime(2026, 11, 24, tzinfo=UTC), channel="fashionup")
    channel = OrderShop(answers={"FO2": [stop]})
    result = tell(engine, channel)
    assert (result.done, result.failed, result.error) == (1, 1, stop)
    assert channel.acknowledged == ["FO1", "FO2"]
    assert states(engine)["FO3"] == ("due", 0, True)


def test_five_refusals_one_after_another_end_the_telling(engine: Engine) -> None:
    names = [f"FO{number}" for number in range(1, 9)]
    held(engine, *names)
    refused = ChannelRefusedError("not allowed", status=422, channel="fashionup", operation="acknowledgeOrder")
    channel = OrderShop(answers={name: [refused] for name in names})
    assert tell(engine, channel).failed == 5
    assert len(channel.acknowledged) == 5


def test_a_channel_that_wants_no_acknowledgement_is_told_nothing(engine: Engine) -> None:
    held(engine, "FO1")
    channel = OrderShop(acknowledgement=Acknowledgement.NONE)
    assert tell(engine, channel) == Acknowledged()
    assert channel.acknowledged == []
    assert states(engine)["FO1"][0] == "not_needed"


def test_nothing_is_begun_after_the_deadline(engine: Engine) -> None:
    held(engine, "FO1")
    channel = OrderShop()
    assert tell(engine, channel, seconds=-1) == Acknowledged()
    assert channel.acknowledged == []
