"""`cloudsales purchasing proposals` and `backtest`, as a person runs them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import Engine
from typer.testing import CliRunner

from cloudsales_pipeline.cli import app
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.settings import Settings, load_settings
from cloudsales_pipeline.stock.movements import Movement, post
from tests.purchasing.buying import shelves


@pytest.fixture
def sold(engine: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """acme's R-1: two a day were sold for ten whole days, and none is left."""
    assert settings.database.url is not None
    file = tmp_path / "cloudsales.yaml"
    content = {
        "database": {"url": settings.database.url.get_secret_value()},
        "data_dir": str(tmp_path / "data"),
        "warehouses": {"CENTRAL": {}, "CLUJ": {}},
        "channels": {"fashionup": {"kind": "fashionup", "url": "http://127.0.0.1:9/v1"}},
        "suppliers": {"acme": {"pack_size": 6}},
        "purchasing": {"proposal": {"history": "P10D", "service_level": 0.5}},
    }
    file.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(file))
    shelves(engine, load_settings(file), {"R-1": "acme"})
    noon = datetime.now(UTC).replace(hour=12, minute=0)
    post(engine, [Movement("in", "CENTRAL", "R-1", "receipt", 20, noon - timedelta(days=30))])
    post(engine, [Movement(f"s{back}", "CENTRAL", "R-1", "sale", 2, noon - timedelta(days=back)) for back in range(2, 12)])
    return file


def run(*words: str) -> Any:
    ran = CliRunner().invoke(app, ["purchasing", *words, "--json"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


def test_todays_proposals_are_worked_out_and_shown(sold: Path) -> None:
    (row,) = run("proposals")
    # 18 or 20 pieces in ten days (by which local day it is), over 3 + 1 days: 7 or 8, in packs of six
    assert (row["sku"], row["supplier"], row["quantity"]) == ("R-1", "acme", 12)
    assert run("proposals", "--date", "2026-01-05") == []


def test_the_back_test_has_a_row_for_each_class_and_one_for_all(sold: Path) -> None:
    rows = run("backtest", "--days", "5")
    assert rows[-1]["demand"] == "all"
    assert rows[-1]["demanded"] == sum(row["demanded"] for row in rows[:-1]) in (8, 10)


def test_off_it_says_which_setting(sold: Path) -> None:
    content = yaml.safe_load(sold.read_text())
    del content["purchasing"]
    sold.write_text(yaml.safe_dump(content))
    with pytest.raises(RefusedError, match=r"purchasing"):
        run("proposals")
