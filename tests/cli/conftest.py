"""What the commands' tests share: a folder with settings on the test's database, and calling a command there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sqlalchemy.engine import URL, Engine
from typer.testing import CliRunner, Result

from cloudsales_pipeline.cli import app


@pytest.fixture
def here(engine: Engine, database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings on the test's database, as the current one: one channel, two warehouses."""
    settings = {
        "database": {"url": database_url.render_as_string(hide_password=False)},
        "warehouses": {"CENTRAL": {}, "CLUJ": {}},
        "channels": {"fashionup": {"kind": "fashionup", "url": "http://127.0.0.1:9/v1"}},
    }
    (tmp_path / "cloudsales.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOUDSALES_CONFIG", raising=False)
    return tmp_path


def call(*words: str) -> Result:
    """Run `cloudsales` with these words."""
    return CliRunner().invoke(app, list(words))
