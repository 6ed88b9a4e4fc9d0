"""The sensor, a job started by hand and the worker, at once on one channel: in threads, and in processes of their own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.settings import Settings, load_settings
from cloudsales_pipeline.simulator.faults import Fault, Injection
from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.simulator.state import State
from cloudsales_pipeline.stock.publishing import publish_all
from tests.listing.fake_channel import product, variant
from tests.stock.planted import move, states, stocked
from tests.stock.test_harsh import never_went_back

LISTINGS = 20
BUSY_SECONDS = 0.05
pytestmark = pytest.mark.timeout(90)


def busy(state: State) -> list[float]:
    """Each push is done at once and answered a little later; gives the times of the pushes as they come."""
    came: list[float] = []
    take = state.faults.take

    def noted(operation: str, **how: Any) -> Injection | None:
        if operation == "putStock":
            came.append(time.monotonic())
        return take(operation, **how)

    state.faults.take = noted  # type: ignore[method-assign]
    state.faults.always("putStock", Fault.DELAY, seconds=BUSY_SECONDS)
    return came


def written(settings: Settings, url: str, folder: Path) -> Path:
    assert settings.database.url is not None
    shop = {"kind": "fashionup", "url": url, "token_env": "SHOP_TOKEN", "limits": {"requests_per_minute": 60_000}}
    content = {
        "database": {"url": settings.database.url.get_secret_value()},
        "warehouses": {"main": {}},
        "channels": {"fashionup": shop | {"stock": {"warehouses": ["main"]}}},
    }
    file = folder / "cloudsales.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def test_f27_two_workers_two_sensors_and_a_job_never_push_beside_each_other_and_a_killed_one_is_followed_at_once(
    engine: Engine, database_url: URL, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = stocked(engine, LISTINGS)
    state = State.of([], [json.dumps(product(f"p{name}", [variant(name)])).encode() for name in names], [])
    came, over, errors = busy(state), threading.Event(), []
    with running(state, token="t") as server:
        file = written(settings, server.url, tmp_path)
        monkeypatch.setenv("SHOP_TOKEN", "t")
        monkeypatch.setenv("CLOUDSALES_CONFIG", str(file))
        ours = load_settings(file)

        def publish_on(**how: Any) -> None:
            own = create_engine(database_url)
            try:
                while not over.is_set():
                    publish_all(ours, own, stop=over, **how)
                    over.wait(0.02)
            except BaseException as error:
                errors.append(error)
            finally:
                own.dispose()

        sensors = [threading.Thread(target=publish_on, kwargs={"seconds": 0.3}) for _ in range(2)]
        job = threading.Thread(target=publish_on, kwargs={"seconds": 1, "keep_listening": False, "wait_for_lease": 1})
        command = [sys.executable, "-c", "from cloudsales_pipeline.cli import main; main()", "work"]
        workers = [subprocess.Popen(command, env=os.environ.copy(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
        try:
            for thread in [*sensors, job]:
                thread.start()
            for worker in workers:
                assert worker.stdout is not None
                worker.stdout.readline()  # it publishes, or waits for its turn
            for turn in range(60):
                move(engine, {names[turn % LISTINGS]: 1})
                time.sleep(0.03)
                if turn == 30:
                    workers[0].kill()
        finally:
            over.set()
            for thread in [*sensors, job]:
                thread.join(10)
            until = time.monotonic() + 15
            while states(engine) != {"done": LISTINGS} and time.monotonic() < until:  # by the worker that is left
                time.sleep(0.02)
            for worker in workers:
                worker.kill()
                worker.communicate()
    assert errors == []
    between = [later - earlier for earlier, later in itertools.pairwise(came)]
    assert len(between) > 10
    assert min(between) >= BUSY_SECONDS
    assert never_went_back(state)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("select variant_id, quantity, version, state from cloudsales.publication").all()
    assert {row.state for row in rows} == {"done"}
    offers = state.offers(names)
    assert {row.variant_id: (row.quantity, row.version) for row in rows} == {name: tuple(offers[name]) for name in names}
