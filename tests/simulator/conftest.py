"""A simulated channel of twenty styles that listens, and a client that carries its token."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cloudsales_pipeline.simulator import fashion
from cloudsales_pipeline.simulator.server import RunningServer, running
from cloudsales_pipeline.simulator.state import State


@pytest.fixture
def state() -> State:
    return State(fashion.generate(20, seed=3))


@pytest.fixture
def server(state: State) -> Iterator[RunningServer]:
    with running(state) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=10) as client:
        yield client
