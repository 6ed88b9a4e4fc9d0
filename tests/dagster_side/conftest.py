"""Fakes of the stages, and an instance of Dagster's own for each test.

The fakes stand where the stages' modules stand: what is tested here is the shell around them, not what they do.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "dagster_side" in str(item.path):
            # Dagster 1.13.27 reads pydantic's old name for a model's fields; all its own warnings stay errors
            item.add_marker(pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"))


@pytest.fixture
def config_file(settings: Settings, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cloudsales.yaml on the test's database, in force by CLOUDSALES_CONFIG."""
    assert settings.database.url is not None
    file = tmp_path / "cloudsales.yaml"
    content = {
        "database": {"url": settings.database.url.get_secret_value()},
        "data_dir": str(tmp_path / "data"),
        "channels": {"fashionup": {"kind": "fashionup", "url": "http://127.0.0.1:9/v1"}},
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(file))
    return file


@pytest.fixture
def defs(config_file: Path) -> dg.Definitions:
    from cloudsales_pipeline.definitions import defs

    return defs


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("channel", ["fashionup"])
        yield instance


class FakeChannel:
    """A channel that is opened and closed and shows nothing."""

    name = "fashionup"
    closed = False

    def fetch(self, url: str) -> bytes:
        return b""

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put functions in the place of a stage's own: fake("listing.imports", import_listing=…)."""

    def put(name: str, **functions: Any) -> None:
        full = f"cloudsales_pipeline.{name}"
        module = importlib.import_module(full)
        for function, body in functions.items():
            monkeypatch.setattr(module, function, body)

    return put


@pytest.fixture
def channel(fake: Callable[..., None]) -> FakeChannel:
    """The channel that `open_channel` gives, and `open_fetcher` too."""
    opened = FakeChannel()
    fake(
        "channels.registry",
        open_channel=lambda name, settings, *, database: opened,
        open_fetcher=lambda name, settings: opened,
    )
    return opened
