"""Publishing to a physical store: the real publisher and the real database, the store's folder, and a till behind it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.folders import open_folder
from cloudsales_pipeline.channels.store import Store
from cloudsales_pipeline.settings import LimitSettings, Settings
from cloudsales_pipeline.stock.publisher import PublishResult, publish
from cloudsales_pipeline.stock.rules import sync_rules
from tests.channels.till import Till
from tests.stock.rule_world import move, put_products, with_channels

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def store(engine: Engine, settings: Settings, tmp_path: Path) -> Store:
    """A store that is told of P (4 pieces) and Q (2); of R nothing is known. Its clock is ahead: its files count as settled."""
    put_products(engine, "P", "Q", "R")
    move(engine, "P", "A", 4)
    move(engine, "Q", "A", 2)
    section = {"kind": "store", "outbox": str(tmp_path), "stock": {"warehouses": ["A"]}}
    sync_rules(engine, with_channels(settings, cluj=section))
    folder = open_folder(str(tmp_path), channel="cluj")
    return Store("cluj", folder, acknowledged=True, clock=lambda: datetime.now(UTC) + timedelta(seconds=10))


def publish_now(engine: Engine, store: Store) -> PublishResult:
    with engine.begin() as connection:  # it is time to ask for answers
        connection.execute(sa.text("update cloudsales.publication set retry_at = now() where state = 'pending'"))
    return publish(engine, store, LimitSettings(), deadline=time.monotonic() + 10, keep_listening=False)


def standing(engine: Engine) -> dict[str, tuple[str, int | None]]:
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select variant_id, state, acknowledged_quantity from cloudsales.publication where channel = 'cluj'")
        )
        return {row.variant_id: (row.state, row.acknowledged_quantity) for row in rows}


def test_a_stores_figures_wait_for_its_answer_and_are_acknowledged_by_it(engine: Engine, store: Store, tmp_path: Path) -> None:
    done = publish_now(engine, store)
    assert (done.requests, done.pushed, done.acknowledged, done.pending) == (1, 2, 0, 2)
    till = Till()
    till.take_all(tmp_path)
    assert {sku: quantity for sku, (_, quantity) in till.shown.items()} == {"P": 4, "Q": 2}
    (tmp_path / "stock-000000001.ack").write_bytes(b"ok\n")
    done = publish_now(engine, store)
    assert (done.requests, done.acknowledged, done.pending) == (0, 2, 0)
    assert standing(engine) == {"P": ("done", 4), "Q": ("done", 2)}


def test_what_the_till_refuses_is_refused_here_and_a_later_change_is_another_set(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    publish_now(engine, store)
    (tmp_path / "stock-000000001.ack").write_bytes(b"Q,unknown_variant\n")
    assert publish_now(engine, store).unknown_variant == 1
    assert standing(engine)["P"] == ("done", 4)
    move(engine, "P", "A", -1)
    assert publish_now(engine, store).pushed == 1
    (tmp_path / "stock-000000002.ack").write_bytes(b"ok\n")
    publish_now(engine, store)
    assert standing(engine)["P"] == ("done", 3)
    till = Till()
    till.take_all(tmp_path)
    assert (till.numbers, {sku: quantity for sku, (_, quantity) in till.shown.items()}) == ([1, 2], {"P": 3, "Q": 2})
