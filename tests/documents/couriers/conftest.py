"""Each courier, and both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.documents.couriers.post_office import Office, office


@pytest.fixture(params=["fan", "sameday"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with office(request.param, monkeypatch) as found:
        yield found


@pytest.fixture
def fan(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with office("fan", monkeypatch) as found:
        yield found


@pytest.fixture
def sameday(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with office("sameday", monkeypatch) as found:
        yield found
