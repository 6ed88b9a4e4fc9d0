"""Publishing to all channels: over a real connection, each beside the others, opened only for a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Engine
from typer.testing import CliRunner

from cloudsales_pipeline.cli import work
from cloudsales_pipeline.database.migrate import register_channels
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.settings import (
    ChannelSettings,
    LimitSettings,
    Settings,
    StockRuleOverride,
    StockRuleSettings,
    WarehouseSettings,
)
from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.simulator.state import State
from cloudsales_pipeline.stock import publishing
from cloudsales_pipeline.stock.channels import publishing_channels
from cloudsales_pipeline.stock.publishing import publish_all
from tests.listing.fake_channel import product, variant
from tests.stock.planted import move, one, states, stocked

pytestmark = pytest.mark.timeout(60)
LISTINGS = 30


@pytest.fixture
def shop() -> Iterator[tuple[State, str]]:
    """The simulator with 30 listings, and its address."""
    products = [product(f"p{n}", [variant(f"v{n:05}")]) for n in range(1, LISTINGS + 1)]
    state = State.of([], [json.dumps(one).encode() for one in products], [])
    with running(state, token="t") as server:
        yield state, server.url


def _settings(settings: Settings, **urls: str) -> Settings:
    channels = {
        name: ChannelSettings(
            kind="fashionup",
            url=url,
            token_env="SHOP_TOKEN",
            stock=StockRuleSettings(warehouses=("main",)),
            limits=LimitSettings(requests_per_minute=60_000),
        )
        for name, url in urls.items()
    }
    return settings.model_copy(update={"channels": channels, "warehouses": {"main": WarehouseSettings()}})


def _rules_ready(engine: Engine, settings: Settings) -> None:
    with engine.begin() as connection:
        register_channels(connection, settings)


def test_one_channel_that_is_down_does_not_keep_the_figures_from_another(
    engine: Engine, settings: Settings, shop: tuple[State, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, url = shop
    monkeypatch.setenv("SHOP_TOKEN", "t")
    two = _settings(settings, fashionup=url, down="http://127.0.0.1:9/v1")
    _rules_ready(engine, two)
    for name in ("down", "fashionup"):
        stocked(engine, LISTINGS, channel=name, quantity=5 if name == "fashionup" else None)
    results = publish_all(two, engine, seconds=3)
    assert (results["fashionup"].requests, results["fashionup"].acknowledged) == (1, LISTINGS)
    assert (results["down"].acknowledged, results["down"].due, results["down"].failure) == (
        0,
        LISTINGS,
        "ChannelUnreachableError",
    )
    assert [write.result for write in state.stock_history] == ["set"] * LISTINGS


def test_a_channel_without_anything_due_is_not_even_opened(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token is not set, which nobody learns as long as nothing is to be sent."""
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    one_shop = _settings(settings, fashionup="http://127.0.0.1:9/v1")
    stocked(engine, 3, quantity=None)
    assert publish_all(one_shop, engine, seconds=5, keep_listening=False)["fashionup"].failure is None
    move(engine, {"v00001": 2})
    assert publish_all(one_shop, engine, seconds=2)["fashionup"].failure == "SettingsError"


def test_f23_the_worker_outlasts_a_database_that_goes_away(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | dict[str, object]] = [
        DatabaseError("The connection that holds the lease of shop was lost."),
        sa.exc.OperationalError("select 1", {}, psycopg.OperationalError("a secret")),
        {"shop": object()},
    ]

    def published(*_: object, **__: object) -> dict[str, object]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        os.kill(os.getpid(), signal.SIGTERM)
        return answer

    monkeypatch.setattr(publishing, "publish_all", published)
    monkeypatch.setattr(work, "load_settings", Settings)
    monkeypatch.setattr("cloudsales_pipeline.database.engine.engine_for", lambda _: engine)
    monkeypatch.setattr(work, "AWAY_SECONDS", 0.0)
    result = CliRunner().invoke(work.app)
    assert (result.exit_code, answers, result.output.count("Trying again")) == (0, [], 2)
    assert "secret" not in result.output


def test_the_worker_sends_a_change_and_ends_on_sigterm(
    engine: Engine, settings: Settings, shop: tuple[State, str], tmp_path: Path
) -> None:
    state, url = shop
    assert settings.database.url is not None
    stocked(engine, LISTINGS)
    content = {
        "database": {"url": settings.database.url.get_secret_value()},
        "warehouses": {"main": {}},
        "channels": {
            "fashionup": {"kind": "fashionup", "url": url, "token_env": "SHOP_TOKEN", "stock": {"warehouses": ["main"]}}
        },
    }
    file = tmp_path / "cloudsales.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    command = [sys.executable, "-c", "from cloudsales_pipeline.cli import main; main()", "work"]
    environment = os.environ | {"CLOUDSALES_CONFIG": str(file), "SHOP_TOKEN": "t"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as worker:
        try:
            until = time.monotonic() + 30
            while states(engine) != {"done": LISTINGS} and time.monotonic() < until and worker.poll() is None:
                time.sleep(0.02)
            move(engine, {"v00007": -5})
            while states(engine) != {"done": LISTINGS} and time.monotonic() < until:
                time.sleep(0.02)
            worker.send_signal(signal.SIGTERM)
            out, _ = worker.communicate(timeout=5)
        finally:
            worker.kill()
    assert worker.returncode == 0
    assert out.splitlines() == ["Publishing stock to fashionup. Ctrl-C ends it.", "Ended."]
    assert state.stock_history[-1].variant_id == "v00007"
    assert one(engine, "select quantity from cloudsales.publication where variant_id = 'v00007'") == 0


def test_a_channel_of_which_only_a_sku_names_a_warehouse_is_told_of_stock_too(settings: Settings) -> None:
    alone = StockRuleSettings(by_sku={"S00001": StockRuleOverride(warehouses=("main",))})
    channels = {
        "sku": ChannelSettings(kind="fashionup", stock=alone),
        "none": ChannelSettings(kind="fashionup", stock=StockRuleSettings(by_sku={"S00001": StockRuleOverride(warehouses=())})),
    }
    assert publishing_channels(settings.model_copy(update={"channels": channels})) == ["sku"]
