"""Each courier, and both; the server starts once for all, and holds nothing at a test's beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudsales_pipeline.simulator.couriers import RunningCouriers, running_couriers
from tests.documents.couriers.post_office import Office, office


@pytest.fixture(scope="session")
def running() -> Iterator[RunningCouriers]:
    with running_couriers() as running:
        yield running


@pytest.fixture(params=["fan", "sameday"])
def either(request: pytest.FixtureRequest, running: RunningCouriers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with office(request.param, running, monkeypatch) as found:
        yield found


@pytest.fixture
def fan(running: RunningCouriers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with office("fan", running, monkeypatch) as found:
        yield found


@pytest.fixture
def sameday(running: RunningCouriers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with office("sameday", running, monkeypatch) as found:
        yield found
