"""Publishing when the database misbehaves, or when the lease is lost: F-21, F-22, F-23, F-27, and who may push at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.port import StockOutcome, StockResult, StockUpdate
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.database.locks import STOCK_PUSH_LOCK
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.settings import LimitSettings
from cloudsales_pipeline.stock.movements import Movement, post
from cloudsales_pipeline.stock.publisher import PublishResult, publish
from tests.stock.fake_channel import FakeStock
from tests.stock.planted import move, one, shown, states, stocked

pytestmark = pytest.mark.timeout(60)
FAST = LimitSettings(requests_per_minute=60_000)


def publish_now(engine: Engine, channel: Any, **how: Any) -> PublishResult:
    return publish(engine, channel, FAST, deadline=time.monotonic() + 10, keep_listening=False, **how)


def take_the_lease_away(owner_engine: Engine) -> None:
    """End the session that holds a channel's lease."""
    with owner_engine.begin() as connection:
        ended = connection.scalar(
            sa.text(
                "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and classid = :lock"
                " and database = (select oid from pg_database where datname = current_database())"
            ),
            {"lock": STOCK_PUSH_LOCK},
        )
    assert ended == 1


def test_whoever_loses_the_lease_in_the_middle_of_a_push_sends_nothing_more_and_another_goes_on(
    engine: Engine, owner_engine: Engine
) -> None:
    variants = stocked(engine, 12)
    channel = FakeStock(variants, batch=4)
    channel.during = lambda: take_the_lease_away(owner_engine)
    with pytest.raises((DatabaseError, sa.exc.DBAPIError)):
        publish_now(engine, channel)
    assert [len(call) for call in channel.calls] == [4]
    assert states(engine) == {"done": 4, "due": 8}  # what was answered is written down all the same
    assert publish_now(engine, channel).acknowledged == 8
    assert channel.versions_never_went_back()
    assert shown(engine) == channel.shows


class Late(FakeStock):
    """Its first push is under way while `meanwhile` happens, and gets there after it."""

    meanwhile: Callable[[], object] | None = None

    def push_stock(self, updates: Sequence[StockUpdate]) -> tuple[StockResult, ...]:
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
        return super().push_stock(updates)


def test_a_push_that_arrives_after_that_of_the_next_holder_of_the_lease_changes_nothing(
    engine: Engine, owner_engine: Engine, database_url: URL
) -> None:
    """I-21: the older figures are stale there, and the newer ones stay acknowledged at their version here."""
    variants = stocked(engine, 3)
    channel = Late(variants)
    other = create_engine(database_url)

    def another_takes_over() -> None:
        take_the_lease_away(owner_engine)
        move(engine, {variants[0]: 4})
        assert publish_now(other, channel, wait_for_lease=5).acknowledged == 3

    channel.meanwhile = another_takes_over
    with pytest.raises((DatabaseError, sa.exc.DBAPIError)) as lost:
        publish_now(engine, channel)
    other.dispose()
    assert not isinstance(lost.value, sa.exc.IntegrityError)
    assert states(engine) == {"done": 3}
    assert publish_now(engine, channel).requests == 0
    assert channel.versions_never_went_back()
    assert shown(engine) == channel.shows == {variants[0]: (9, 2), variants[1]: (5, 1), variants[2]: (5, 1)}


class Ahead(FakeStock):
    """Whatever version comes, this channel has seen a higher one of `v00001`."""

    def _set(self, update: StockUpdate) -> StockResult:
        if update.variant_id != "v00001":
            return super()._set(update)
        self.shows[update.variant_id] = (1, update.version + 10)
        return StockResult(update.variant_id, StockOutcome.STALE)


def test_after_five_stale_answers_in_a_row_a_listing_waits_and_the_others_go_on(engine: Engine) -> None:
    channel = Ahead(stocked(engine, 3))
    done = publish_now(engine, channel)
    assert (done.stale, done.acknowledged, done.requests) == (5, 2, 5)
    sent = [update.version for call in channel.calls for update in call if update.variant_id == "v00001"]
    assert sent == [1, 12, 23, 34, 45]
    assert states(engine) == {"done": 2, "rejected": 1}
    assert publish_now(engine, channel).requests == 0


def test_i21_a_version_is_on_the_disk_before_it_is_sent_and_an_answer_need_not_be(engine: Engine, database_url: URL) -> None:
    """A raised version that was sent and then lost in a crash of the server would be given to the next figure as well."""
    stocked(engine, 2)
    publisher = create_engine(database_url, as_owner=True)
    with publisher.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"alter database {database_url.database} set synchronous_commit = on")
    publisher.dispose()
    commits: list[tuple[str, bool]] = []
    raised = "select exists (select from cloudsales.publication where xmin = pg_current_xact_id()::xid and version > 1)"

    @sa.event.listens_for(publisher, "commit")
    def _(connection: sa.engine.Connection) -> None:
        wrote = connection.exec_driver_sql("select pg_current_xact_id_if_assigned() is not null").scalar_one()
        if wrote:
            row = connection.exec_driver_sql(f"select current_setting('synchronous_commit'), ({raised})").one()
            commits.append((row[0], row[1]))

    publish_now(publisher, Ahead(["v00001", "v00002"]))
    publisher.dispose()
    assert {commit for commit, raises in commits if raises} == {"on"}
    assert {commit for commit, raises in commits if not raises} >= {"off"}


def test_an_asynchronous_channel_that_calls_a_push_stale_is_overtaken(engine: Engine) -> None:
    """F-11: the answer comes with its ticket, and the next push goes above what the channel has."""
    variants = stocked(engine, 2)
    channel = FakeStock(variants, asynchronous=True)
    channel.shows[variants[0]] = (77, 40)
    channel.answers = True
    for _ in range(3):
        publish_now(engine, channel)
        with engine.begin() as connection:
            connection.exec_driver_sql("update cloudsales.publication set retry_at = now() where state = 'pending'")
    publish_now(engine, channel)
    assert states(engine) == {"done": 2}
    assert channel.shows == {variants[0]: (5, 41), variants[1]: (5, 1)}


def test_f11_what_was_taken_and_is_refused_later_is_tried_again_later(engine: Engine) -> None:
    variants = stocked(engine, 2)
    channel = FakeStock(variants, asynchronous=True)
    channel.answers, channel.refuses = True, {variants[1]}
    assert publish_now(engine, channel).pending == 2
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.publication set retry_at = now()")
    publish_now(engine, channel)
    assert states(engine) == {"done": 1, "rejected": 1}


def test_an_answer_that_never_comes_is_given_up_after_a_day_of_asking_and_sent_again(engine: Engine) -> None:
    channel = FakeStock(stocked(engine, 2), asynchronous=True)
    assert publish_now(engine, channel).pending == 2
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.publication set retry_at = now(), attempts = 1499")
    assert publish_now(engine, channel).pending == 2
    waits = "select max(extract(epoch from retry_at - now()))::float8 from cloudsales.publication"
    assert 50 < float(str(one(engine, waits))) <= 60
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.publication set retry_at = now()")
    assert publish_now(engine, channel).pushed == 2
    assert len(channel.calls) == 2


@pytest.mark.parametrize(("sold_out", "held"), [(4, 0), (5, 5)])
def test_i26_fewer_than_five_zeroes_are_no_reason_to_hold(engine: Engine, sold_out: int, held: int) -> None:
    """A channel of five listings: one that sells out is a fifth of it."""
    variants = stocked(engine, 5)
    channel = FakeStock(variants)
    publish_now(engine, channel)
    move(engine, dict.fromkeys(variants[:sold_out], -5))
    done = publish_now(engine, channel)
    assert (done.held, done.acknowledged) == (held, sold_out - held)


# ------------------------------------------------------------------------------------------------ the database


def test_f21_a_publisher_that_loses_a_deadlock_writes_the_answers_down_all_the_same(engine: Engine) -> None:
    variants = stocked(engine, 2)
    channel = FakeStock(variants)
    lock = sa.text("select from cloudsales.publication where variant_id = :v for update")
    with engine.connect() as other:
        other.execute(lock, {"v": variants[1]})
        crossing = threading.Timer(0.3, lambda: (other.execute(lock, {"v": variants[0]}), time.sleep(0.2), other.rollback()))
        crossing.start()
        locks: list[str] = []

        def note(*facts: Any) -> None:
            locks.extend([facts[2]] * facts[2].strip().endswith("locked"))

        sa.event.listen(engine, "before_cursor_execute", note)
        done = publish_now(engine, channel)
        crossing.join()
    assert (done.requests, done.acknowledged, states(engine)) == (1, 2, {"done": 2})
    assert len(locks) == 2  # the first ended in the deadlock


def losing_commit(url: URL, number: int, *, done: bool) -> Engine:
    """An engine whose n-th COMMIT loses its connection: after it was done, or before."""
    engine, seen = create_engine(url), iter(range(1, 1000))
    original = engine.dialect.do_commit

    def commit(connection: Any) -> None:
        lost = next(seen) == number
        if not lost or done:
            original(connection)
        if lost:
            connection.driver_connection.close()
            raise psycopg.OperationalError("the connection is lost")

    engine.dialect.do_commit = commit  # type: ignore[method-assign]
    return engine


@pytest.mark.parametrize("done", [True, False], ids=["after it was done", "before"])
def test_f22_a_connection_lost_during_any_commit_of_a_pass_loses_nothing(
    engine: Engine, database_url: URL, *, done: bool
) -> None:
    variants = stocked(engine, 3)
    channel = FakeStock(variants)
    lost = 0
    for number in range(1, 30):
        move(engine, dict.fromkeys(variants, 1))
        own = losing_commit(database_url, number, done=done)
        try:
            publish_now(own, channel, wait_for_lease=5)
            break
        except (DatabaseError, sa.exc.DBAPIError):
            lost += 1
        finally:
            own.dispose()
    assert lost >= 3
    publish_now(engine, channel, wait_for_lease=5)
    assert channel.versions_never_went_back()
    assert shown(engine) == channel.shows
    assert states(engine) == {"done": 3}


@pytest.mark.parametrize("done", [True, False], ids=["after it was done", "before"])
def test_f22_a_movement_whose_commit_is_lost_is_posted_once(engine: Engine, database_url: URL, *, done: bool) -> None:
    """I-10: it is looked for by its reference before it is posted again."""
    stocked(engine, 1, quantity=None)
    own = losing_commit(database_url, 1, done=done)
    result = post(own, [Movement("NIR-1", "main", "S00001", "receipt", 5)])
    own.dispose()
    assert (result.posted, result.unchanged) == ((0, 1) if done else (1, 0))
    assert one(engine, "select on_hand from cloudsales.stock_level") == 5


@contextmanager
def away(url: URL) -> Iterator[None]:
    """The database takes no connection, and those that there were are gone."""
    admin = create_engine(url.set(database="postgres"), as_owner=True).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"alter database {url.database} allow_connections false")
        ends = sa.text("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = :name")
        connection.execute(ends, {"name": url.database})
        try:
            yield
        finally:
            connection.exec_driver_sql(f"alter database {url.database} allow_connections true")
    admin.dispose()


def test_f23_while_the_database_is_away_nothing_is_sent_and_after_it_all_is(engine: Engine, database_url: URL) -> None:
    variants = stocked(engine, 8)
    channel = FakeStock(variants, batch=4)
    outage = away(database_url)
    channel.during = outage.__enter__  # in the middle of the first push
    with pytest.raises((DatabaseError, sa.exc.DBAPIError)):
        publish_now(engine, channel)
    with pytest.raises((DatabaseError, sa.exc.DBAPIError)):
        publish_now(engine, channel)
    assert len(channel.calls) == 1
    with pytest.raises(DatabaseError, match="can't be reached"):
        post(engine, [Movement("NIR-1", "main", "S00001", "receipt", 5)])
    outage.__exit__(None, None, None)
    assert post(engine, [Movement("NIR-1", "main", "S00001", "receipt", 5)]).posted == 1
    publish_now(engine, channel, wait_for_lease=5)
    assert channel.versions_never_went_back()
    assert shown(engine) == channel.shows
    assert states(engine) == {"done": 8}
