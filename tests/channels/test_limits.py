"""The channel's limit and pause, shared by processes through the database."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import RateLimitedError
from cloudsales_pipeline.channels.limits import DatabaseGate, TransportLimits, bucket_table
from cloudsales_pipeline.channels.transport import Transport
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.errors import DatabaseError
from tests.channels.servers import answer, scripted

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def gate(engine: Engine) -> Iterator[DatabaseGate]:
    gate = open_gate(engine)
    yield gate
    gate.close()


def open_gate(engine: Engine, channel: str = "fashionup", per_minute: int = 20) -> DatabaseGate:
    return DatabaseGate(engine, channel, per_minute, random=lambda: 0.5)


def take_for(gate: DatabaseGate, seconds: float) -> int:
    """How many permits are given within so long, asking again as told."""
    end = time.monotonic() + seconds
    taken = 0
    while (now := time.monotonic()) < end:
        wait = gate.take()
        if wait:
            time.sleep(min(wait, max(0.0, end - now)))
        else:
            taken += 1
            time.sleep(0.03)  # a call takes its time too: whoever is quicker must not take all
    return taken


def _take_in_process(url: str, together: Barrier, answers: multiprocessing.Queue[int]) -> None:
    engine = create_engine(url)
    gate = open_gate(engine)
    together.wait(40)
    answers.put(take_for(gate, 3.0))
    gate.close()
    engine.dispose()


def test_two_processes_together_get_twenty_permits_a_minute_and_not_one_more(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[int] = spawn.Queue()
    together = spawn.Barrier(2)
    workers = [spawn.Process(target=_take_in_process, args=(url, together, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    taken = [answers.get(timeout=40) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(taken) == 20
    assert min(taken) > 0  # neither kept the other out
    with engine.connect() as connection:
        table = f'cloudsales."ratelimit___{bucket_table("fashionup")}"'
        assert connection.scalar(sa.text(f"select count(*) from {table}")) == 20


def test_a_full_bucket_says_for_how_long(gate: DatabaseGate) -> None:
    assert [gate.take() for _ in range(20)] == [0.0] * 20
    assert 50 < gate.take() <= 60


def test_threads_of_one_process_share_a_gate(gate: DatabaseGate) -> None:
    with ThreadPoolExecutor(4) as threads:
        waits = list(threads.map(lambda _: gate.take(), range(30)))
    assert sum(wait == 0.0 for wait in waits) == 20


def test_channels_have_limits_of_their_own_also_where_names_differ_by_case_or_at_their_end(engine: Engine) -> None:
    names = ["shop", "Shop", "a" * 62 + "1", "a" * 62 + "2", "s.shop", "s-shop"]
    gates = [open_gate(engine, name, per_minute=1) for name in names]
    assert [gate.take() for gate in gates] == [0.0] * len(names)
    assert all(gate.take() > 0 for gate in gates)
    for gate in gates:
        gate.close()


def test_permits_of_the_minute_before_are_forgotten_and_deleted(engine: Engine) -> None:
    seconds = [0.0]
    gate = DatabaseGate(engine, "fashionup", 2, random=lambda: 0.5, clock=lambda: seconds[0])
    table = f'cloudsales."ratelimit___{bucket_table("fashionup")}"'
    assert [gate.take(), gate.take()] == [0.0, 0.0]
    with engine.begin() as connection:
        connection.execute(sa.text(f"update {table} set item_timestamp = item_timestamp - interval '2 minutes'"))
    seconds[0] = 60.0
    assert gate.take() == 0.0
    with engine.connect() as connection:
        assert connection.scalar(sa.text(f"select count(*) from {table}")) == 1
    gate.close()


def test_f07_a_pause_of_one_process_holds_all_and_is_capped_at_an_hour(engine: Engine, gate: DatabaseGate) -> None:
    other = open_gate(engine)
    assert other.paused_for() == 0.0
    gate.pause(1e9, "HTTP 429")
    assert 3500 < other.paused_for() <= 3600
    other.pause(5, "HTTP 429")  # a shorter one does not cut the longer short
    assert 3500 < gate.paused_for() <= 3600
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select channel, reason from cloudsales.channel_pause")).all()
    assert rows == [("fashionup", "HTTP 429")]
    other.close()


def test_a_pause_that_is_over_is_none(engine: Engine, gate: DatabaseGate) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("insert into cloudsales.channel_pause values ('fashionup', now() - interval '1 second', 'HTTP 429')")
        )
    assert gate.paused_for() == 0.0
    gate.pause(60, "HTTP 503")
    assert 50 < gate.paused_for() <= 60


def test_every_attempt_takes_a_permit(engine: Engine, gate: DatabaseGate) -> None:
    with scripted(answer(500), answer(500), answer()) as server:
        transport = Transport("fashionup", server.url, gate=gate, sleep=lambda _: None)
        transport.call("GET", "/x", operation="x", decode=lambda body: body)
        transport._own.close()  # the gate is the fixture's to close
    with engine.connect() as connection:
        table = f'cloudsales."ratelimit___{bucket_table("fashionup")}"'
        assert connection.scalar(sa.text(f"select count(*) from {table}")) == 3


def test_a_call_that_our_own_limit_can_not_let_through_in_time_is_not_made(gate: DatabaseGate) -> None:
    for _ in range(20):
        gate.take()
    with scripted(answer()) as server:
        transport = Transport("fashionup", server.url, gate=gate, limits=TransportLimits(total_seconds=5))
        with pytest.raises(RateLimitedError, match="our own limit"):
            transport.call("GET", "/x", operation="x", decode=lambda body: body)
        assert server.count == 0


def test_f23_without_the_database_the_limit_is_a_clear_error_without_the_password() -> None:
    engine = create_engine("postgresql+psycopg://user:hidden@127.0.0.1:1/none?connect_timeout=1")
    from cloudsales_pipeline.channels import limits

    patience, limits.POOL_SECONDS = limits.POOL_SECONDS, 1.0
    try:
        with pytest.raises(DatabaseError, match="shared limit can't be read") as caught:
            open_gate(engine)
    finally:
        limits.POOL_SECONDS = patience
    assert "hidden" not in str(caught.value)
