"""The demo as a stranger runs it, in an empty folder: twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory import folder_of_a_server


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not under pytest's own root: the embedded server runs as another user where the tests run as root."""
    path = folder_of_a_server("cs-demo-")
    yield path
    _call(path, "database", "stop", CLOUDSALES_CONFIG=str(path / ".cloudsales" / "demo" / "cloudsales.yaml"))
    shutil.rmtree(path, ignore_errors=True)


def _call(folder: Path, *words: str, **variables: str) -> str:
    program = "from cloudsales_pipeline.cli import main; main()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDSALES", "DAGSTER"))}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.mark.timeout(320)
def test_the_demo_says_what_became_of_every_variant_and_again_changes_nothing(folder: Path) -> None:
    first = _call(folder, "demo", "--styles", "20")
    for line in (
        "by sku",
        "by additional code",
        "unknown: made into a product",
        "Codes that the import left on two products: 0.",
        "60 sales posted",
    ):
        assert line in first
    where = first[first.index("Where to look next") :]
    for command in ("stock show", "simulate fashionup --styles 20", "run import_orders", "orders list"):
        assert command in where
    again = _call(folder, "demo", "--styles", "20")
    assert "products created 0, links made 0" in again
    assert _counts(again) == _counts(first)
    assert "these sales were posted before: nothing was done" in again
    for said in (first, again):
        _all_show_the_rules_figure(said)
    assert _told(again) == _told(first)


def _all_show_the_rules_figure(said: str) -> None:
    """The marketplace itself, asked what it offers, and the store's files."""
    for found in (
        re.search(r"The marketplace shows the rule's figure for (\d+) of (\d+) listings", said),
        re.search(r"The store's \d+ files say the rule's figure for (\d+) of (\d+) products", said),
    ):
        assert found
        assert found[1] == found[2]
        assert int(found[1]) > 100


def _told(said: str) -> str:
    """What each channel was told, how fast, and the examples: of the first time, for nothing is told twice."""
    return said[said.index("What each channel was told") : said.index("Where to look next")]


def _counts(said: str) -> list[str]:
    table = said[said.index("What became of each variant") : said.index("The catalogue has")]
    return [line for line in table.splitlines() if line.rstrip()[-1:].isdigit()]
