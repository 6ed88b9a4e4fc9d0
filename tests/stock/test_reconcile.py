"""Reconciling a channel: what it really shows is read back in rotation, corrected where it differs, and listed where nobody acts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.errors import ChannelUnreachableError
from cloudsales_pipeline.channels.port import Capabilities, OfferedStock
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.settings import LimitSettings, StockSettings
from cloudsales_pipeline.stock import reconcile as module
from cloudsales_pipeline.stock.publisher import publish
from cloudsales_pipeline.stock.reconcile import Reconciliation, reconcile
from tests.killing import killed_at_each_step
from tests.stock.fake_channel import FakeStock
from tests.stock.planted import move, one, shown, states, stocked
from tests.stock.shelf import rows

FAST = LimitSettings(requests_per_minute=100_000)
pytestmark = pytest.mark.timeout(60)


class Readable(FakeStock):
    """Notes what was read; can fail at a read, and do something while it is asked."""

    def __init__(self, variants: Sequence[str], **how: Any) -> None:
        super().__init__(variants, **how)
        self.reads: list[list[str]] = []
        self.fails_at_read: int | None = None
        self.own_listing = True
        self.silent = False

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, own_listing=self.own_listing)

    def read_stock(self, variant_ids: Sequence[str]) -> tuple[OfferedStock, ...]:
        assert len(variant_ids) <= self._batch
        self.reads.append(list(variant_ids))
        if self.fails_at_read == len(self.reads):
            raise ChannelUnreachableError("no connection", channel=self.name)
        answer = () if self.silent else super().read_stock(variant_ids)
        if self.during is not None:
            once, self.during = self.during, None
            once()
        return answer


def shop(engine: Engine, listings: int, **how: Any) -> tuple[Readable, list[str]]:
    """A channel that shows the right 5 pieces of each listing, acknowledged an hour ago."""
    names = stocked(engine, listings, channel=how.get("name", "fashionup"))
    channel = Readable(names, **how)
    send(engine, channel)
    age(engine)
    return channel, names


def send(engine: Engine, channel: FakeStock) -> int:
    return publish(engine, channel, FAST, deadline=time.monotonic() + 10, keep_listening=False).acknowledged


def age(engine: Engine, by: timedelta = timedelta(hours=1)) -> None:
    """Time passes: what was acknowledged, suspected and found is so much older."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update cloudsales.publication set acknowledged_at = acknowledged_at - :by, drift_since = drift_since - :by,"
                " waiting_since = waiting_since - :by"
            ),
            {"by": by},
        )


def look(engine: Engine, channel: Readable, *, most: int = 20_000, seconds: float = 20.0, **how: Any) -> Reconciliation:
    settings = StockSettings(reconcile_listings=most)
    return reconcile(engine, channel, how.pop("limits", FAST), settings, deadline=time.monotonic() + seconds, **how)


def found(engine: Engine, kind: str) -> list[tuple[Any, ...]]:
    """The open findings of a kind: variant, shown, expected."""
    return rows(
        engine,
        "select variant_id, quantity, expected from cloudsales.channel_offer where kind = :kind and resolved_at is null order by 1",
        kind=kind,
    )


def test_a_channel_that_shows_what_it_acknowledged_has_nothing_done_to_it(engine: Engine) -> None:
    channel, names = shop(engine, 30)
    before = shown(engine)
    told = look(engine, channel)
    assert (told.read, told.agreed, told.drifted, told.corrected, told.came_round) == (30, 30, 0, 0, True)
    assert channel.reads == [names]
    assert shown(engine) == before
    assert one(engine, "select reconciled_at is not null from cloudsales.stock_channel") is True


def test_a_listing_that_shows_more_than_there_is_is_corrected_at_once(engine: Engine) -> None:
    """I-21, I-23: ours goes above whatever version the channel has seen."""
    channel, names = shop(engine, 30)
    channel.shows[names[3]] = (9, 1000)
    told = look(engine, channel)
    assert (told.drifted, told.corrected, told.agreed, told.suspected) == (1, 1, 29, 0)
    assert found(engine, "drift") == [(names[3], 9, 5)]
    assert rows(engine, "select reference, quantity, detail ->> 'expected' from cloudsales.event where kind = 'drift_found'") == [
        (names[3], 9, "5")
    ]
    assert one(engine, "select shown_quantity from cloudsales.publication where variant_id = :v", v=names[3]) == 9
    assert states(engine) == {"done": 29, "due": 1}
    assert shown(engine)[names[3]] == (5, 1001)
    assert send(engine, channel) == 1
    assert channel.shows[names[3]] == (5, 1001)
    assert channel.shows == shown(engine)
    assert channel.versions_never_went_back()
    age(engine)
    assert look(engine, channel).corrected == 0
    assert found(engine, "drift") == []


def test_what_shows_less_is_corrected_only_when_a_later_look_still_sees_it(engine: Engine) -> None:
    """The channel may have sold one whose order is under way; I-22 says what is shown in the end."""
    channel, names = shop(engine, 30)
    version = channel.shows[names[0]][1]
    channel.shows[names[0]] = (4, version)
    first = look(engine, channel)
    assert (first.drifted, first.suspected, first.corrected) == (1, 1, 0)
    assert found(engine, "drift") == []
    again_too_soon = look(engine, channel)
    assert (again_too_soon.suspected, again_too_soon.corrected) == (1, 0)
    age(engine)
    later = look(engine, channel)
    assert (later.corrected, later.suspected) == (1, 0)
    assert found(engine, "drift") == [(names[0], 4, 5)]
    assert send(engine, channel) == 1
    assert channel.shows[names[0]][0] == 5


def test_a_sale_whose_order_comes_between_two_looks_is_no_drift_and_the_next_sale_is_a_first_look_again(engine: Engine) -> None:
    channel, names = shop(engine, 30)
    channel.shows[names[0]] = (4, channel.shows[names[0]][1])
    assert look(engine, channel).suspected == 1
    age(engine)
    move(engine, {names[0]: -1})  # the order came
    assert send(engine, channel) == 1
    age(engine, timedelta(minutes=5))
    channel.shows[names[0]] = (3, channel.shows[names[0]][1])  # and the next one is under way
    told = look(engine, channel)
    assert (told.suspected, told.corrected) == (1, 0)
    assert shown(engine)[names[0]][0] == 4


def test_a_figure_that_changes_while_the_channel_is_asked_is_left_alone(engine: Engine) -> None:
    """I-24: the answer shows 5, which was right when it was given; now 2 are wanted, and sent, and stay."""
    channel, names = shop(engine, 30)

    def three_are_sold() -> None:
        move(engine, {names[0]: -3, names[1]: -3})
        send(engine, channel)

    channel.during = three_are_sold
    told = look(engine, channel)
    assert (told.changed, told.agreed, told.corrected) == (2, 28, 0)
    assert states(engine) == {"done": 30}
    assert channel.shows == shown(engine)
    assert found(engine, "drift") == []


def test_beside_a_publisher_that_never_rests_nothing_is_taken_for_drift(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """I-24: figures change and are sent all the time; no lease keeps the two apart, and no minute's grace here either."""
    monkeypatch.setattr(module, "SETTLES_SECONDS", 0.0)
    channel, names = shop(engine, 40, batch=8, slow=0.002)
    stop = threading.Event()

    def trade() -> None:
        chance = random.Random(7)  # noqa: S311 - a test
        while not stop.is_set():
            move(engine, {name: chance.choice((1, 2, 3)) for name in chance.sample(names, 6)})
            send(engine, channel)
            move(engine, {name: -1 for name in chance.sample(names, 6) if (shown(engine)[name][0] or 0) > 0})
            send(engine, channel)

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        told = [look(engine, channel) for _ in range(15)]
    finally:
        stop.set()
        thread.join(20)
    assert sum(one.agreed for one in told) > 150
    assert sum(one.changed for one in told) > 0
    assert (sum(one.corrected for one in told), sum(one.suspected for one in told)) == (0, 0)
    assert channel.shows == shown(engine)


def test_what_was_acknowledged_a_moment_ago_is_not_asked_for(engine: Engine) -> None:
    channel, names = shop(engine, 30)
    move(engine, {names[0]: 1})
    send(engine, channel)
    channel.shows[names[0]] = (7, channel.shows[names[0]][1])
    assert look(engine, channel).read == 29


def test_the_rotation_goes_on_where_it_ended_and_comes_round(engine: Engine) -> None:
    """I-42: 30 listings, 12 a time in batches of 5."""
    channel, names = shop(engine, 30, batch=5)
    told = [look(engine, channel, most=12) for _ in range(5)]
    assert [one.read for one in told] == [12] * 5
    read = [name for batch in channel.reads for name in batch]
    assert read == (names * 2)
    assert max(len(batch) for batch in channel.reads) == 5
    assert not any(one.came_round for one in told)
    assert look(engine, channel, most=100).came_round
    assert len([name for batch in channel.reads for name in batch]) == 90


def test_a_channel_that_fails_in_the_middle_keeps_what_was_read_and_goes_on_there(engine: Engine) -> None:
    """F-12: the third of six reads fails."""
    channel, names = shop(engine, 30, batch=5)
    for name in (names[0], names[29]):
        channel.shows[name] = (9, channel.shows[name][1])
    channel.fails_at_read = 3
    with pytest.raises(ChannelUnreachableError):
        look(engine, channel)
    assert found(engine, "drift") == [(names[0], 9, 5)]
    assert (
        one(
            engine,
            "select variant_id from cloudsales.publication p, cloudsales.stock_channel where publication_id = reconcile_after",
        )
        == names[9]
    )
    channel.fails_at_read = None
    channel.reads.clear()
    look(engine, channel)
    assert channel.reads[0] == names[10:15]
    assert [name for name, *_ in found(engine, "drift")] == [names[0], names[29]]


def test_killed_at_each_step_it_goes_on_and_ends_as_if_nothing_had_been(engine: Engine, database_url: URL) -> None:
    """I-41, I-42, F-24: each listing that drifted is corrected once, whatever the step of the kill."""
    channel, names = shop(engine, 12, batch=5)
    drifted = [names[1], names[6], names[11]]
    for name in drifted:
        channel.shows[name] = (9, channel.shows[name][1])
    kills = 0
    cursors = []
    for _ in killed_at_each_step(database_url, lambda mine: look(mine, channel)):
        kills += 1
        cursors.append(one(engine, "select reconcile_after from cloudsales.stock_channel"))
    assert kills > 15
    assert len(set(cursors)) > 2
    assert [name for name, *_ in found(engine, "drift")] == drifted
    assert one(engine, "select count(*) from cloudsales.event where kind = 'drift_found'") == 3
    assert send(engine, channel) == 3
    assert channel.shows == shown(engine)


def test_two_reconciliations_at_once_the_second_gives_way(engine: Engine) -> None:
    channel, names = shop(engine, 30, batch=10)
    other = Readable(names, batch=10)
    other.shows = dict(channel.shows)
    channel.during = lambda: look(engine, other, most=20)
    with pytest.raises(RefusedError, match="under way"):
        look(engine, channel)
    assert len(other.reads) == 2


def test_a_listing_that_the_channel_no_longer_knows_is_listed_at_the_second_look_and_nothing_is_done_to_it(
    engine: Engine,
) -> None:
    channel, names = shop(engine, 30)
    gone = channel.shows.pop(names[4])
    assert (look(engine, channel).suspected, found(engine, "not_shown")) == (1, [])
    age(engine)
    assert look(engine, channel).not_shown >= 1
    assert found(engine, "not_shown") == [(names[4], None, 5)]
    assert states(engine) == {"done": 30}
    channel.shows[names[4]] = gone
    look(engine, channel)
    assert found(engine, "not_shown") == []
    channel.shows.pop(names[4])
    look(engine, channel)
    age(engine)
    look(engine, channel)
    assert found(engine, "not_shown") == [(names[4], None, 5)]


def test_a_sold_out_listing_that_is_not_shown_is_as_it_should_be(engine: Engine) -> None:
    channel, names = shop(engine, 30)
    move(engine, {names[4]: -5})
    send(engine, channel)
    channel.shows.pop(names[4])
    age(engine)
    assert look(engine, channel).agreed == 30


def test_an_empty_answer_corrects_nothing_lists_nothing_and_is_told(engine: Engine) -> None:
    """F-42: the channel knows none of its listings for a night; the next finds all as it was."""
    channel, _ = shop(engine, 30)
    before = shown(engine)
    channel.silent = True
    told = look(engine, channel)
    assert (told.suspected, told.corrected, told.not_shown, told.doubted) == (30, 0, 0, True)
    assert (
        one(engine, "select quantity || ':' || (detail ->> 'share') from cloudsales.event where kind = 'reconciliation_doubted'")
        == "30:1"
    )
    assert one(engine, "select count(*) from cloudsales.publication where shown_quantity = 5") == 30
    channel.silent = False
    age(engine)
    assert look(engine, channel).agreed >= 30
    assert (shown(engine), found(engine, "not_shown"), states(engine)) == (before, [], {"done": 30})
    assert one(engine, "select count(*) from cloudsales.publication where drift_since is not null") == 0


def test_a_channel_that_lost_all_its_figures_gets_them_back_the_next_night(engine: Engine) -> None:
    """F-42, I-23: all zero over there at two looks. Pushing the right figures does no harm."""
    channel, names = shop(engine, 30, batch=7)
    for name in names:
        channel.shows[name] = (0, None)
    assert look(engine, channel).doubted
    age(engine, timedelta(hours=24))
    assert look(engine, channel).corrected == 30
    assert send(engine, channel) == 30
    assert channel.shows == shown(engine)


def test_what_should_be_sold_out_everywhere_goes_through_the_brake_like_any_zero(engine: Engine) -> None:
    """I-26: after a restored backup over there, 12 of 30 are on sale again that are not there."""
    channel, names = shop(engine, 30)
    move(engine, dict.fromkeys(names[:12], -5))
    publish(
        engine,
        channel,
        FAST.model_copy(update={"hold_if_share_to_zero": 1.0}),
        deadline=time.monotonic() + 10,
        keep_listening=False,
    )
    with engine.begin() as connection:
        connection.execute(sa.text("delete from cloudsales.stock_push_minute"))
    age(engine)
    for name in names[:12]:
        channel.shows[name] = (5, channel.shows[name][1])
    assert look(engine, channel).corrected == 12
    assert one(engine, "select shown from cloudsales.stock_channel") == 30
    assert send(engine, channel) == 0
    assert states(engine) == {"done": 18, "held": 12}


def test_a_listing_that_the_channel_knows_again_is_due_at_once(engine: Engine) -> None:
    names = stocked(engine, 5)
    channel = Readable(names[1:])
    send(engine, channel)
    age(engine)
    assert look(engine, channel).not_shown == 1
    assert found(engine, "not_shown") == [(names[0], None, 5)]
    channel.shows[names[0]] = (0, None)
    assert look(engine, channel).back == 1
    assert found(engine, "not_shown") == []
    assert send(engine, channel) == 1
    assert channel.shows == shown(engine)


def test_a_store_without_a_report_has_lost_nothing(engine: Engine) -> None:
    channel, _ = shop(engine, 30)
    channel.own_listing, channel.silent = False, True
    told = look(engine, channel)
    assert (told.unreported, told.suspected, told.doubted, told.not_shown) == (30, 0, False, 0)
    assert one(engine, "select count(*) from cloudsales.publication where drift_since is not null") == 0


def test_a_stores_report_counts_for_what_it_can_know(engine: Engine) -> None:
    """A report may be a day old: it says something of figures that are older, or that it names the version of."""
    channel, names = shop(engine, 4)
    channel.own_listing = False
    channel.shows[names[0]] = (9, None)  # acknowledged an hour ago: the report may be from before
    channel.shows[names[1]] = (9, channel.shows[names[1]][1])  # this version was seen
    del channel.shows[names[2]]  # not in the report
    told = look(engine, channel)
    assert (told.unreported, told.corrected, told.agreed) == (2, 1, 1)
    assert found(engine, "drift") == [(names[1], 9, 5)]
    age(engine, timedelta(days=2))
    assert look(engine, channel).corrected == 1
    assert [name for name, *_ in found(engine, "drift")] == names[:2]


def _put_listing(engine: Engine, *variants: str, stock: int = 3, status: str = "active") -> None:
    with engine.begin() as connection:
        for variant in variants:
            facts = {"v": variant, "stock": stock, "status": status}
            connection.execute(
                sa.text(
                    "insert into cloudsales.listing_product (channel, external_id, code, name, brand, description, category_ids,"
                    " images, characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at) values ('fashionup',"
                    " :v, null, 'Rochie', null, null, '{}', '[]', '[]', :status, now(), '', '', now(), now())"
                ),
                facts,
            )
            connection.execute(
                sa.text(
                    "insert into cloudsales.listing (channel, variant_id, product_external_id, position, ean_state,"
                    " channel_stock, row_hash, first_seen_at, changed_at) values ('fashionup', :v, :v, 0, 'empty', :stock, '',"
                    " now(), now())"
                ),
                facts,
            )


def test_what_is_sold_there_and_unknown_here_is_listed_with_what_is_offered_now(engine: Engine) -> None:
    channel, _ = shop(engine, 3)
    _put_listing(engine, "g1", "g2", "g3", "g4")
    _put_listing(engine, "off", status="inactive")
    _put_listing(engine, "empty", stock=0)
    channel.shows |= {"g1": (2, None), "g2": (7, None), "g3": (0, None), "off": (4, None), "empty": (0, None)}
    told = look(engine, channel)
    assert (told.ghosts_read, told.ghosts) == (4, 2)
    assert found(engine, "ghost") == [("g1", 2, None), ("g2", 7, None)]
    channel.shows["g2"] = (0, None)
    with engine.begin() as connection:  # g1 got its product
        connection.execute(
            sa.text(
                "insert into cloudsales.publication (channel, variant_id, product_id)"
                " select 'fashionup', 'g1', min(product_id) from cloudsales.product"
            )
        )
    assert look(engine, channel).ghosts == 0
    assert found(engine, "ghost") == []
    channel.shows["g2"] = (1, None)
    look(engine, channel)
    assert found(engine, "ghost") == [("g2", 1, None)]


def test_a_listing_that_was_never_acknowledged_for_a_quarter_of_an_hour_is_listed_until_it_is(engine: Engine) -> None:
    names = stocked(engine, 6)
    channel = Readable(names)
    channel.refuses = {names[2]}
    send(engine, channel)
    assert look(engine, channel).never_acknowledged == 0
    age(engine)
    assert look(engine, channel).never_acknowledged == 1
    assert found(engine, "never_acknowledged") == [(names[2], None, 5)]
    channel.refuses.clear()
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.publication set retry_at = now() where state = 'rejected'"))
    send(engine, channel)
    look(engine, channel)
    assert found(engine, "never_acknowledged") == []


def test_it_keeps_to_its_share_of_the_channels_requests_and_to_its_deadline(engine: Engine) -> None:
    """At 6,000 a minute a batch each 0.2 s: publishing has the rest."""
    channel, names = shop(engine, 30, batch=3)
    started = time.monotonic()
    told = look(engine, channel, limits=LimitSettings(requests_per_minute=6000), seconds=0.7)
    assert time.monotonic() - started < 3
    assert 2 <= len(channel.reads) <= 5
    assert told.read == 3 * len(channel.reads)
    assert not told.came_round
    channel.reads.clear()
    look(engine, channel)
    assert channel.reads[0][0] == names[told.read]


def test_a_channel_that_claims_the_highest_version_of_all_is_refused_not_overflowed(engine: Engine) -> None:
    channel, names = shop(engine, 3)
    channel.shows[names[0]] = (9, 2**63 - 1)
    assert look(engine, channel).corrected == 1
    assert send(engine, channel) == 0
    assert states(engine) == {"done": 2, "rejected": 1}


def test_the_bounds_are_those_that_the_page_names() -> None:
    assert (module.AGAIN_SECONDS, module.SETTLES_SECONDS) == (900, 60)
