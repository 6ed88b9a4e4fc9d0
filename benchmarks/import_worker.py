"""Imports in a process of their own, so that its peak memory is that of imports: `python -m benchmarks.import_worker JSON`.

Reads what to do from its argument, prints a JSON object a line for each import. Great Expectations is imported first: every
process pays that once, however many imports it does.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

from benchmarks.listing_file import FileChannel
from benchmarks.server import server_cpu_seconds
from cloudsales_pipeline.catalog import expectations
from cloudsales_pipeline.catalog.apply import apply_plan
from cloudsales_pipeline.catalog.plan import make_plan
from cloudsales_pipeline.catalog.quality import audit_plan
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.listing.imports import Mode, import_listing
from cloudsales_pipeline.settings import CatalogSettings, LimitSettings, QualitySettings

CHANNEL = "fashionup"


def peak_megabytes() -> float:
    """The process's peak resident memory.

    VmHWM where Linux has it: ru_maxrss of a child made by vfork begins at its parent's peak, which is no memory of its own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


class Clock:
    """Costs of the parts of one import."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster
        self.parts: dict[str, dict[str, float]] = {}

    def part(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a part and keep what it cost."""
        server, client, wall = server_cpu_seconds(self._postmaster), time.process_time(), time.perf_counter()
        result = work()
        self.parts[name] = {
            "wall": time.perf_counter() - wall,
            "client": time.process_time() - client,
            "server": server_cpu_seconds(self._postmaster) - server,
        }
        return result


def whole_import(engine: Engine, postmaster: int, channel: FileChannel, mode: Mode) -> dict[str, Any]:
    """Listing, plan, audit, apply, as the jobs do it."""
    clock = Clock(postmaster)
    listed = clock.part("listing", lambda: import_listing(engine, channel, LimitSettings(), mode=mode))
    plan = clock.part("plan", lambda: make_plan(engine, CHANNEL, CatalogSettings()))
    audit = clock.part("audit", lambda: audit_plan(engine, plan.plan_id, QualitySettings()))
    if not audit.passed:
        raise SystemExit(f"the audit failed: {[result for result in audit.results if not result.passed]}")
    applied = clock.part("apply", lambda: apply_plan(engine, plan.plan_id))
    return {
        "parts": clock.parts,
        "products": listed.products_read,
        "rows_in": listed.rows_in,
        "loaded": listed.loaded,
        "unchanged": listed.unchanged,
        "quarantined": listed.quarantined,
        "planned": plan.rows,
        "outcomes": plan.outcomes,
        "links_made": applied.links_made,
        "peak_megabytes": peak_megabytes(),
    }


def main() -> None:
    """Do the imports that the argument lists."""
    asked = json.loads(sys.argv[1])
    began = time.process_time()
    expectations._great_expectations()
    print(json.dumps({"name": "great_expectations", "client": time.process_time() - began, "peak_megabytes": peak_megabytes()}))
    engine = create_engine(asked["url"])
    for one in asked["imports"]:
        changes = Path(one["changes"]) if one.get("changes") else None
        channel = FileChannel(Path(one["whole"]), changes)
        result = whole_import(engine, asked["postmaster"], channel, one["mode"])
        print(json.dumps({"name": one["name"], **result}), flush=True)
    engine.dispose()


if __name__ == "__main__":
    main()
