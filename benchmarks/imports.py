"""A listing's first import, the same again, and imports of 1 % changes: listing, plan, audit and apply, in one process.

The listing is the simulator's, served from a file in the process itself, so that neither a network nor generating it is
measured. The catalogue knows nine of ten variants.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import catalogue_of_codes, listing_file
from benchmarks.child import answer_of
from benchmarks.measure import Cost, Report, median_cost
from benchmarks.server import Server

PRODUCTS = {"quick": 300, "usual": 10_000, "full": 100_000}
ROUNDS = {"quick": 1, "usual": 3, "full": 3}
MEMORY_MEGABYTES = 500


def run(server: Server, report: Report, size: str) -> None:
    """Second ≤ 1/5 of the first; 1 % changes ≤ 3 % of the first above the fixed part; memory < 500 MB."""
    products = PRODUCTS[size]
    with tempfile.TemporaryDirectory(prefix="cs-bench-listing-") as folder, server.database("bench_imports") as engine:
        steps, variants, changed = _listings(Path(folder), products, ROUNDS[size])
        report.begin("imports", f"{products:,} products, {variants:,} variants; {changed:,} products change each time")
        catalogue_of_codes.fill(engine, Path(steps[0]["whole"]))
        url = engine.url.render_as_string(hide_password=False)
        found = _worker({"url": url, "postmaster": server.postmaster, "imports": steps}, fresh=size != "quick")
    _check(report, found, variants, changed)
    _judge(report, found, changed / products)


def _listings(folder: Path, products: int, rounds: int) -> tuple[list[dict[str, Any]], int, int]:
    """The imports to do, how many variants there are at first, and how many products each change touches."""
    whole = folder / "0.jsonl"
    variants = listing_file.write(products, whole)
    steps = [{"name": "first", "whole": str(whole), "mode": "full"}]
    version = changed = 0
    for kind in ("full", "delta"):
        for _ in range(rounds):
            steps.append({"name": f"unchanged, {kind}", "whole": str(whole), "mode": kind})
            version += 1
            following, changes = folder / f"{version}.jsonl", folder / f"changes-{version}.jsonl"
            changed = listing_file.write_next(whole, following, changes, version)
            whole = following
            steps.append({"name": f"1 % changed, {kind}", "whole": str(whole), "changes": str(changes), "mode": kind})
    return steps, variants, changed


def _worker(asked: dict[str, Any], *, fresh: bool) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in answer_of("benchmarks.import_worker", asked, fresh=fresh).splitlines():
        one = json.loads(line)
        found.setdefault(one["name"], []).append(one)
    return found


def _check(report: Report, found: dict[str, list[dict[str, Any]]], variants: int, changed: int) -> None:
    first = found["first"][0]
    report.correct(
        f"the first import loads {variants:,} variants and decides each: {first['outcomes']}",
        first["loaded"] == first["planned"] == variants == first["links_made"] and first["outcomes"]["created"] == variants // 10,
    )
    again = [one for kind in ("full", "delta") for one in found[f"unchanged, {kind}"]]
    report.correct("an unchanged listing loads and plans nothing", not any(one["loaded"] or one["planned"] for one in again))
    new = -(-changed // listing_file.NEW_VARIANT_EVERY)
    partly = [one for kind in ("full", "delta") for one in found[f"1 % changed, {kind}"]]
    report.correct(
        f"each change loads its products' variants alone, and plans the {new} new ones",
        all(0 < one["loaded"] <= variants / 50 and one["planned"] == one["outcomes"]["created"] == new for one in partly),
    )


def _judge(report: Report, found: dict[str, list[dict[str, Any]]], share: float) -> None:
    expectations = found["great_expectations"][0]
    report.figure("import great_expectations (once a process, not counted)", expectations["client"], "CPU s")
    first = _cost(report, "first", found["first"])
    for kind in ("full", "delta"):
        fixed = _cost(report, f"unchanged, {kind}", found[f"unchanged, {kind}"])
        changed = _cost(report, f"1 % changed, {kind}", found[f"1 % changed, {kind}"])
        if kind == "full":
            for part in ("wall", "cpu"):
                report.at_most(f"second import / first, {part}", 0.2, getattr(fixed, part) / getattr(first, part))
        proportional = changed.cpu - fixed.cpu
        report.figure(f"{kind}: fixed part, of the first's CPU", 100 * fixed.cpu / first.cpu, "%")
        report.figure(f"{kind}: part for {100 * share:g} % changes, CPU s", proportional, "s")
        report.at_most(f"{kind}: part for {100 * share:g} % changes, of the first's CPU", 3, 100 * proportional / first.cpu, "%")
    peak = max(one["peak_megabytes"] for runs in found.values() for one in runs)
    report.figure("peak memory after importing Great Expectations", expectations["peak_megabytes"], "MB")
    report.at_most("peak memory of the process", MEMORY_MEGABYTES, peak, "MB")


def _cost(report: Report, name: str, runs: list[dict[str, Any]]) -> Cost:
    """The median of a kind of import, its parts printed."""
    parts = {part: median_cost([Cost(**one["parts"][part]) for one in runs]) for part in runs[0]["parts"]}
    for part, cost in parts.items():
        report.cost(f"{name}: {part}", cost)
    total = Cost(*(sum(getattr(cost, column) for cost in parts.values()) for column in ("wall", "client", "server")))
    report.cost(f"{name}: all", total)
    return total
