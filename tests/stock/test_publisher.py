"""Publishing one channel's stock: what is sent, how often, and what becomes of it whatever the channel does."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.errors import ChannelUnreachableError, OutcomeUnknownError, RateLimitedError
from cloudsales_pipeline.settings import LimitSettings
from cloudsales_pipeline.stock import publisher
from cloudsales_pipeline.stock.lease import channel_lease
from cloudsales_pipeline.stock.publisher import PublishResult, publish
from cloudsales_pipeline.stock.pushes import lag_quantile, minutes, release_hold
from tests.killing import killed_at_each_step
from tests.stock.fake_channel import FakeStock
from tests.stock.planted import move, one, shown, states, stocked

FAST = LimitSettings(requests_per_minute=60_000)
pytestmark = pytest.mark.timeout(60)


def publish_now(
    engine: Engine, channel: FakeStock, limits: LimitSettings = FAST, *, seconds: float = 10.0, **how: Any
) -> PublishResult:
    return publish(engine, channel, limits, deadline=time.monotonic() + seconds, keep_listening=False, **how)


def agrees(engine: Engine, channel: FakeStock) -> bool:
    """Whether the channel shows exactly what it should, at the last version (I-23)."""
    return shown(engine, channel.name) == channel.shows


def sold_out(variants: list[str]) -> dict[str, int]:
    return dict.fromkeys(variants, -5)


def test_1200_listings_that_moved_five_times_take_three_requests(engine: Engine) -> None:
    variants = stocked(engine, 1200)
    for _ in range(4):
        move(engine, dict.fromkeys(variants, 1))
    channel = FakeStock(variants)
    done = publish_now(engine, channel)
    assert (done.requests, done.pushed, done.acknowledged, done.due) == (3, 1200, 1200, 0)
    assert [len(call) for call in channel.calls] == [500, 500, 200]
    assert {quantity for quantity, _ in channel.shows.values()} == {9}
    assert agrees(engine, channel)


def test_steps_between_are_skipped_and_the_last_is_never(engine: Engine) -> None:
    """I-25, I-23: the change that comes while its listing is being sent is sent after it."""
    variants = stocked(engine, 3)
    channel = FakeStock(variants)

    def two_changes() -> None:
        move(engine, {variants[0]: 2})
        move(engine, {variants[0]: 1})

    channel.during = two_changes
    done = publish_now(engine, channel)
    assert [update.quantity for update in channel.history if update.variant_id == variants[0]] == [5, 8]
    assert (done.requests, done.acknowledged) == (2, 4)
    assert agrees(engine, channel)
    assert channel.versions_never_went_back()


def test_unknown_stock_is_not_sent(engine: Engine) -> None:
    """I-22: unknown is not zero."""
    channel = FakeStock(stocked(engine, 4, quantity=None))
    assert publish_now(engine, channel).requests == 0
    assert states(engine) == {"unknown": 4}


def test_what_falls_to_zero_goes_first(engine: Engine) -> None:
    variants = stocked(engine, 10)
    channel = FakeStock(variants, batch=4)
    publish_now(engine, channel)
    channel.calls.clear()
    move(engine, {variants[0]: 7, variants[4]: -1, variants[9]: -5, variants[8]: -3, variants[2]: 2})
    publish_now(engine, channel)
    sent = [update.variant_id for call in channel.calls for update in call]
    assert sent == [variants[9], variants[8], variants[4], variants[0], variants[2]]


def test_three_of_500_refused_the_others_are_set_and_the_three_tried_again_later(engine: Engine) -> None:
    """F-10."""
    variants = stocked(engine, 500)
    channel = FakeStock(variants)
    channel.refuses = set(variants[100:103])
    done = publish_now(engine, channel)
    assert (done.requests, done.acknowledged, done.rejected) == (1, 497, 3)
    assert states(engine) == {"done": 497, "rejected": 3}
    waits = one(
        engine, "select max(extract(epoch from retry_at - now()))::float from cloudsales.publication where state = 'rejected'"
    )
    assert 25 < float(str(waits)) < 35
    assert publish_now(engine, channel).requests == 0
    channel.refuses.clear()
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.publication set retry_at = now() where state = 'rejected'"))
    assert publish_now(engine, channel).acknowledged == 3
    assert agrees(engine, channel)


def test_a_channel_that_has_seen_a_higher_version_is_overtaken(engine: Engine) -> None:
    variants = stocked(engine, 5)
    channel = FakeStock(variants)
    channel.shows[variants[2]] = (77, 1000)
    done = publish_now(engine, channel)
    assert (done.stale, done.acknowledged, done.requests) == (1, 5, 2)
    assert channel.shows[variants[2]] == (5, 1001)
    assert agrees(engine, channel)


def test_a_channel_that_stays_ahead_is_given_up_after_five_pushes(engine: Engine) -> None:
    variants = stocked(engine, 2)
    channel = FakeStock(variants)
    channel.shows[variants[0]] = (1, 2**63 - 1)
    assert publish_now(engine, channel).stale == 1
    assert states(engine) == {"done": 1, "rejected": 1}


def test_a_listing_that_the_channel_does_not_know_waits_and_is_told_once_the_channel_knows_it(engine: Engine) -> None:
    variants = stocked(engine, 3)
    channel = FakeStock(variants[1:])
    assert publish_now(engine, channel).unknown_variant == 1
    move(engine, {variants[0]: 3})
    assert publish_now(engine, channel).requests == 0
    assert states(engine) == {"done": 2, "unknown_variant": 1}
    channel.shows[variants[0]] = (0, None)  # listed again
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.publication set retry_at = retry_at - interval '6 hours'"))
    assert publish_now(engine, channel).acknowledged == 1
    assert channel.shows[variants[0]][0] == 8


def test_a_time_out_after_the_work_was_done_does_no_harm(engine: Engine) -> None:
    """F-03, F-08: the same figures and versions again are stale there, and what it shows is ours."""
    variants = stocked(engine, 20)
    channel = FakeStock(variants)
    channel.fails_after = [OutcomeUnknownError("no answer", channel="fashionup")]
    done = publish_now(engine, channel)
    assert (done.requests, done.acknowledged, done.failure) == (2, 20, "OutcomeUnknownError")
    assert len(channel.history) == 20
    assert agrees(engine, channel)


def test_an_unreachable_channel_is_left_alone_for_a_while_and_nothing_is_lost(engine: Engine) -> None:
    variants = stocked(engine, 20)
    channel = FakeStock(variants)
    channel.fails_before = [ChannelUnreachableError("no connection", channel="fashionup")]
    done = publish_now(engine, channel, seconds=0.5)
    assert (done.requests, done.due, done.failure) == (1, 20, "ChannelUnreachableError")
    assert one(engine, "select failures || failure from cloudsales.stock_channel where failing_since is not null") == "1" + str(
        done.failure
    )
    assert publish_now(engine, channel, seconds=0.1).requests == 0
    assert publish_now(engine, channel).acknowledged == 20
    assert (
        one(engine, "select failures from cloudsales.stock_channel where failing_since is null and reached_at is not null") == 0
    )


def test_a_channel_says_itself_when_to_come_back(engine: Engine) -> None:
    channel = FakeStock(stocked(engine, 2))
    retry_at = datetime.now(UTC) + timedelta(seconds=100)
    channel.fails_before = [RateLimitedError("slow down", retry_at=retry_at, channel="fashionup")]
    publish_now(engine, channel, seconds=0.2)
    assert one(engine, "select next_try_at from cloudsales.stock_channel") == retry_at


def test_two_publishers_at_once_never_push_beside_each_other(engine: Engine) -> None:
    variants = stocked(engine, 60)
    channel = FakeStock(variants, batch=5, slow=0.01)
    results: list[PublishResult] = []
    both = [threading.Thread(target=lambda: results.append(publish_now(engine, channel, wait_for_lease=5))) for _ in range(3)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert channel.overlaps == 0
    assert sum(result.acknowledged for result in results) == 60
    assert sum(result.requests for result in results) == 12
    assert agrees(engine, channel)


def test_whoever_does_not_get_the_lease_does_nothing(engine: Engine) -> None:
    channel = FakeStock(stocked(engine, 2))
    with channel_lease(engine, "fashionup") as lease:
        assert lease is not None
        assert publish_now(engine, channel) == PublishResult(led=False)
    assert publish_now(engine, channel).acknowledged == 2


def test_the_brake_holds_what_would_empty_the_channel_and_release_lets_it_go(engine: Engine) -> None:
    """I-26: 31 of 100 would go to zero, 30 are allowed; what else is due goes on."""
    variants = stocked(engine, 100)
    channel = FakeStock(variants)
    publish_now(engine, channel)
    move(engine, sold_out(variants[:31]) | {variants[50]: 1})
    done = publish_now(engine, channel)
    assert (done.acknowledged, done.held, done.due) == (1, 31, 0)
    assert sum(quantity == 0 for quantity, _ in channel.shows.values()) == 0
    assert (
        one(engine, "select hold_listings || ':' || hold_share from cloudsales.stock_channel where hold_since is not null")
        == "31:0.31"
    )
    assert one(engine, "select quantity from cloudsales.event where kind = 'publishing_held'") == 31
    move(engine, sold_out(variants[31:33]))  # few by themselves, but the channel is held
    assert publish_now(engine, channel).held == 33
    held_since = one(engine, "select hold_since from cloudsales.stock_channel")
    assert release_hold(engine, "fashionup") == 33
    due_since = one(engine, "select min(waiting_since) from cloudsales.publication where state = 'due'")
    assert due_since > held_since  # the time that a person took is no lag
    assert publish_now(engine, channel).acknowledged == 33
    assert one(engine, "select shown from cloudsales.stock_channel where hold_since is null") == 67
    assert agrees(engine, channel)


def test_zeroes_in_small_portions_add_up_for_the_brake(engine: Engine) -> None:
    variants = stocked(engine, 100)
    channel = FakeStock(variants)
    publish_now(engine, channel)
    move(engine, sold_out(variants[:20]))
    assert publish_now(engine, channel).acknowledged == 20
    move(engine, sold_out(variants[20:31]))
    assert publish_now(engine, channel).held == 11
    move(engine, dict.fromkeys(variants[20:31], 2))
    assert publish_now(engine, channel).acknowledged == 11
    assert one(engine, "select hold_since is null from cloudsales.stock_channel") is True


def test_an_answer_that_comes_later_is_asked_for(engine: Engine) -> None:
    variants = stocked(engine, 6)
    channel = FakeStock(variants, asynchronous=True)
    done = publish_now(engine, channel)
    assert (done.requests, done.pending, done.acknowledged) == (1, 6, 0)
    move(engine, {variants[0]: 1})
    assert publish_now(engine, channel).pending == 6
    channel.answers = True
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.publication set retry_at = now() where state = 'pending'"))
    assert publish_now(engine, channel).acknowledged == 6
    assert states(engine) == {"done": 6}
    assert channel.shows == {name: (6 if name == variants[0] else 5, version) for name, (_, version) in shown(engine).items()}


def test_an_answer_that_can_not_be_read_holds_up_neither_the_other_answers_nor_the_pushes(engine: Engine) -> None:
    """F-11, where the channel answers nonsense for the first of three tickets."""
    variants = stocked(engine, 6)
    channel = FakeStock(variants, asynchronous=True, batch=2)
    assert publish_now(engine, channel).pending == 6
    channel.answers = True
    channel.garbles = {"ticket-1"}
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.publication set retry_at = now() where state = 'pending'"))
    done = publish_now(engine, channel)
    assert (done.acknowledged, done.pending, done.failure) == (4, 2, "WrongShapeError")
    assert one(engine, "select failures from cloudsales.stock_channel") == 0
    move(engine, {variants[5]: 1})
    assert publish_now(engine, channel).pushed == 1


def test_a_committed_change_wakes_the_loop(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself the loop would look again after half a minute, far beyond what is waited for here."""
    monkeypatch.setattr(publisher, "LISTEN_SECONDS", 30.0)
    variants = stocked(engine, 2)
    channel = FakeStock(variants)
    stop, ended = threading.Event(), []
    until = time.monotonic() + 30
    thread = threading.Thread(
        target=lambda: ended.append(publish(engine, channel, FAST, deadline=until, keep_listening=True, stop=stop))
    )
    thread.start()
    try:
        _wait_for(lambda: len(channel.history) == 2)
        for number in range(1, 6):
            time.sleep(0.02)
            move(engine, {variants[0]: 1})
            _wait_for(lambda sent=2 + number: len(channel.history) == sent)
        _wait_for(lambda: states(engine) == {"done": 2})
    finally:
        stop.set()
        move(engine, {variants[1]: 1})  # wakes it once more, to see that it is to stop
        thread.join(10)
    assert not thread.is_alive()
    with engine.connect() as connection:
        lags = minutes(connection, "fashionup", 5)
    assert ended[0].acknowledged == 7
    assert lags["longest_lag"] > 0


def _wait_for(true: Any, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.002)


def test_a_burst_coalesces_instead_of_eating_the_minutes_requests(engine: Engine) -> None:
    variants = stocked(engine, 1)
    channel = FakeStock(variants)
    stop, ended = threading.Event(), []
    limits = LimitSettings(requests_per_minute=150)  # one each half second
    thread = threading.Thread(
        target=lambda: ended.append(
            publish(engine, channel, limits, deadline=time.monotonic() + 30, keep_listening=True, stop=stop)
        )
    )
    thread.start()
    try:
        for _ in range(20):
            move(engine, {variants[0]: 1})
        _wait_for(lambda: channel.shows[variants[0]][0] == 25)
    finally:
        stop.set()
        thread.join(5)
    assert len(channel.calls) <= 4
    assert agrees(engine, channel)


def test_a_channel_that_limits_listings_a_minute_gets_no_more(engine: Engine) -> None:
    channel = FakeStock(stocked(engine, 30))
    limits = LimitSettings(requests_per_minute=60_000, stock_updates_per_minute=12)
    assert publish_now(engine, channel, limits, seconds=0.5).pushed == 12
    assert publish_now(engine, channel, limits, seconds=0.5).pushed == 0


def test_the_end_of_the_bucket_is_told_in_which_the_share_is_reached() -> None:
    assert lag_quantile([0] * 64, 0.5) is None
    assert lag_quantile([50, 49, 1], 0.5) == 0.0013
    assert lag_quantile([50, 49, 1], 0.999) == 0.0022


def _pass(engine: Engine) -> None:
    channel = FakeStock([f"v{number:05}" for number in range(1, 13)], batch=5)
    channel.refuses = {"v00003"}
    channel.shows["v00004"] = (9, 50)
    publish_now(engine, channel)


def test_a_publisher_killed_at_any_step_loses_nothing(engine: Engine, database_url: URL) -> None:
    """A fresh channel each time stands for one that forgot; the last one must show the last figures."""
    variants = stocked(engine, 12)
    killed = 0
    for _ in killed_at_each_step(database_url, _pass):
        killed += 1
        move(engine, {variants[killed % 12]: 1})
    assert killed > 15
    channel = FakeStock(variants)
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.publication set retry_at = now() where state = 'rejected'"))
    publish_now(engine, channel, wait_for_lease=5)
    assert states(engine) == {"done": 12}
    assert one(engine, "select count(*) from cloudsales.publication where acknowledged_quantity is distinct from quantity") == 0
