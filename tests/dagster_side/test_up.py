"""`cloudsales up` and `run`, as a user starts them: real processes, a free port, Dagster's storage on PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from cloudsales_pipeline.database import migrate
from cloudsales_pipeline.database.engine import create_engine
from tests.conftest import ROOT

COMMAND = [sys.executable, "-c", "from cloudsales_pipeline.cli import main; main()"]
ASSETS = "{ assetNodes { assetKey { path } groupName } }"
SWITCHES = (
    '{ sensorsOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "cloudsales"})'
    " { ... on Sensors { results { name sensorState { status } } } } partitions: assetNodeOrError(assetKey:"
    ' {path: ["catalog"]}) { ... on AssetNode { partitionKeys } } }'
)


@pytest.fixture
def environment(config_file: Path, database_url: URL) -> dict[str, str]:
    """The environment of a new process; Dagster's own storage already there, as `cloudsales init` leaves it."""
    migrate.ensure_database(database_url, f"{database_url.database}_dagster")
    return {**os.environ, "CLOUDSALES_CONFIG": str(config_file), "FASHIONUP_TOKEN": "canary_token"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask(port: int, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (our own webserver)
        return json.load(answer)["data"]


@contextmanager
def _up(environment: dict[str, str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen([*COMMAND, "up", "--port", str(port)], env=environment, stdout=out, stderr=out, cwd=log.parent)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(40)


def _wait_for(text: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 110
    while text not in log.read_text(errors="replace"):
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.2)


def _wait_for_the_daemon(database_url: URL) -> None:
    """Wait for the sign of life that its sensor operators_told leaves."""
    engine, deadline = create_engine(database_url), time.monotonic() + 60
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.scalar(sa.text("select count(*) from cloudsales.process_seen where process = 'daemon'")):
                break
        time.sleep(0.5)
    else:
        pytest.fail("the sensor operators_told has not ticked")
    engine.dispose()


@pytest.mark.timeout(180)
def test_up_shows_the_flow_with_its_sensors_on_and_ends_cleanly_on_sigterm(
    environment: dict[str, str], database_url: URL, port: int, tmp_path: Path
) -> None:
    log = tmp_path / "up.log"
    with _up(environment, port, log) as process:
        _wait_for("Dagster is up:", log, process)
        groups = {tuple(node["assetKey"]["path"]): node["groupName"] for node in _ask(port, ASSETS)["assetNodes"]}
        assert groups == {
            ("fashionup_marketplace",): "channels",
            ("marketplace_categories",): "listing",
            ("marketplace_listing",): "listing",
            ("product_images",): "listing",
            ("catalog_plan",): "catalog",
            ("catalog",): "catalog",
            ("store_movements",): "stock",
            ("stock_publication",): "stock",
            ("sales_orders",): "orders",
            ("channel_offers",): "stock",
            ("stock_snapshot",): "stock",
            ("purchase_requirement",): "purchasing",
            ("supplier_orders",): "purchasing",
            ("invoices",): "documents",
            ("waybills",): "documents",
            ("messages",): "messages",
            ("what_waits",): "operations",
        }
        told = _ask(port, SWITCHES)
        states = {sensor["name"]: sensor["sensorState"]["status"] for sensor in told["sensorsOrError"]["results"]}
        assert set(states.values()) == {"RUNNING"}
        assert set(states) == {
            "channel_partitions",
            "listing_changed",
            "images_due",
            "listing_freshness",
            "store_files",
            "stock_deltas",
            "new_orders",
            "orders_to_judge",
            "messages_due",
            "stock_watch",
            "run_failures",
            "operators_told",
        }
        assert told["partitions"]["partitionKeys"] == ["fashionup"]

        second = subprocess.run(
            [*COMMAND, "up", "--port", str(port)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            cwd=tmp_path,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr.startswith(f"error: Port {port} on 127.0.0.1 can't be used: Address already in use. Next:")

        _wait_for_the_daemon(database_url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    assert log.read_text(errors="replace").endswith("Ended.\n")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not list(ROOT.glob("storage")), "Dagster wrote beside the code"


@pytest.mark.timeout(120)
def test_run_fails_with_one_clear_line_and_without_the_token(environment: dict[str, str], tmp_path: Path) -> None:
    told = subprocess.run(
        [*COMMAND, "run", "import_catalog", "--channel", "nobody"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr.startswith("error: There is no channel 'nobody' in the settings; there are: fashionup. Next:")
    assert told.stderr.count("\n") == 1
    assert "canary_token" not in told.stdout + told.stderr
