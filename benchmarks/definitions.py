"""What a trivial run of a job pays before it begins: importing the definitions, against importing Dagster alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

from benchmarks.measure import Report
from benchmarks.server import Server

SCRIPT = """
import json, sys, time
before = time.process_time()
import {module}
after = time.process_time()
heavy = [name for name in ("great_expectations", "pandas", "matplotlib", "PIL") if name in sys.modules]
print(json.dumps([after - before, heavy]))
"""
MODULES = ("dagster", "cloudsales_pipeline.definitions")
REPETITIONS = {"quick": 1, "usual": 7, "full": 11}


def run(server: Server, report: Report, size: str) -> None:
    """CPU seconds of `import cloudsales_pipeline.definitions` in a fresh process < 2 × those of `import dagster`."""
    report.begin("definitions", "CPU time of importing the definitions, each time in a fresh process")
    found: dict[str, list[float]] = {module: [] for module in MODULES}
    heavy: set[str] = set()
    if size != "quick":
        _import("cloudsales_pipeline.definitions")  # writes the byte code
    for _ in range(REPETITIONS[size]):
        for module in MODULES:
            seconds, loaded = _import(module)
            found[module].append(seconds)
            heavy.update(loaded)
    ours, dagster = median(found[MODULES[1]]), median(found[MODULES[0]])
    report.figure("import dagster", dagster, "CPU s")
    report.figure("import cloudsales_pipeline.definitions", ours, "CPU s")
    report.correct("nothing heavy (Great Expectations, pandas, matplotlib, PIL) came with the definitions", not heavy)
    report.at_most("import of the definitions / import dagster, CPU", 2, ours / dagster)


def _import(module: str) -> tuple[float, list[str]]:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(module=module)], check=True, capture_output=True, text=True, env={**os.environ}
    )
    seconds, heavy = json.loads(ran.stdout.splitlines()[-1])
    return seconds, heavy
