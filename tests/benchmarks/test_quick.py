"""The benchmarks run to their end and check what they measure; figures are not looked at here, since a loaded machine would decide them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import memory

ROOT = Path(__file__).parents[2]
NAMES = {
    "definitions",
    "matching",
    "checks",
    "imports",
    "download",
    "publishing",
    "movements",
    "orders",
    "purchasing",
    "documents",
    "messages",
    "lag",
}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What `python -m benchmarks --quick` printed, and its JSON file."""
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=400,
        env={**os.environ, "TMPDIR": str(memory.parent())},
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.stdout, json.loads(file.read_text())


@pytest.mark.timeout(420)
def test_every_benchmark_runs_and_every_result_is_checked(quick: tuple[str, dict[str, Any]]) -> None:
    _, figures = quick
    checked = {name.split()[0]: found["correct"] for name, found in figures["figures"].items() if "correct" in found}
    assert set(checked) == NAMES
    assert all(checked.values())


@pytest.mark.timeout(420)
def test_every_benchmark_judges_its_targets_and_lists_them_at_the_end(quick: tuple[str, dict[str, Any]]) -> None:
    printed, figures = quick
    assert {verdict["benchmark"].split()[0] for verdict in figures["verdicts"]} == NAMES
    table = printed.split("== all targets")[1]
    assert all(verdict["target"] in table for verdict in figures["verdicts"])
    assert table.rstrip().endswith("every result was checked")
