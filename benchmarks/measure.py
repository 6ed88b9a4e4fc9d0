"""Measuring and judging: wall and CPU time of a piece of work, medians of interleaved repetitions, targets, the table.

A verdict is always a ratio to something measured in the same run, never a time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from benchmarks.server import Server

T = TypeVar("T")


@dataclass(frozen=True)
class Cost:
    """Seconds: on the wall, and of CPU in this process (client) and in PostgreSQL's (server)."""

    wall: float
    client: float
    server: float

    @property
    def cpu(self) -> float:
        """CPU seconds on both sides."""
        return self.client + self.server

    def __str__(self) -> str:
        return f"wall {self.wall:8.3f} s   CPU {self.cpu:8.3f} s (client {self.client:.3f}, server {self.server:.3f})"


def measured(server: Server | None, work: Callable[[], T]) -> tuple[Cost, T]:
    """Do `work` once."""
    server_cpu = server.cpu_seconds if server is not None else lambda: 0.0
    on_server, on_client, started = server_cpu(), time.process_time(), time.perf_counter()
    result = work()
    wall, client = time.perf_counter() - started, time.process_time() - on_client
    return Cost(wall, client, server_cpu() - on_server), result


def interleaved(server: Server | None, works: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, Cost]:
    """Each of `works` in turn, `repetitions` times; medians of wall, client and server each."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(repetitions):
        for name, work in works.items():
            costs[name].append(measured(server, work)[0])
    return {name: median_cost(found) for name, found in costs.items()}


def median_cost(costs: list[Cost]) -> Cost:
    """Medians of each part."""
    return Cost(*(median(getattr(cost, part) for cost in costs) for part in ("wall", "client", "server")))


@dataclass(frozen=True)
class Verdict:
    """One target and what was measured."""

    benchmark: str
    target: str
    measured: str
    met: bool

    def __str__(self) -> str:
        return f"  target {self.target} → {self.measured}: {'met' if self.met else 'NOT met'}"


@dataclass
class Report:
    """What the benchmarks say, printed as it comes and kept for the table and the JSON file."""

    verdicts: list[Verdict] = field(default_factory=list)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    benchmark: str = ""

    def begin(self, benchmark: str, what: str) -> None:
        """A benchmark begins."""
        self.benchmark = benchmark
        self.figures[benchmark] = {"load_average": os.getloadavg()}
        print(f"\n== {benchmark}: {what} (load {os.getloadavg()[0]:.1f})", flush=True)

    def say(self, text: str) -> None:
        """A line for people."""
        print(f"  {text}", flush=True)

    def cost(self, name: str, cost: Cost) -> None:
        """A cost, printed and kept."""
        self.figures[self.benchmark][name] = asdict(cost)
        self.say(f"{name:<44} {cost}")

    def figure(self, name: str, value: float, unit: str = "") -> None:
        """A number, printed and kept."""
        self.figures[self.benchmark][name] = value
        self.say(f"{name:<44} {value:,.4g} {unit}".rstrip())

    def at_most(self, what: str, limit: float, value: float, unit: str = "×") -> None:
        """A target: `value` may not be above `limit`."""
        self._judge(f"{what} ≤ {limit:g} {unit}", f"{value:.3g} {unit}", value <= limit)

    def at_least(self, what: str, limit: float, value: float, unit: str = "×") -> None:
        """A target: `value` may not be below `limit`."""
        self._judge(f"{what} ≥ {limit:g} {unit}", f"{value:.3g} {unit}", value >= limit)

    def correct(self, what: str, holds: bool) -> None:
        """The result is what it must be; a fast wrong answer ends the run."""
        if not holds:
            raise SystemExit(f"WRONG RESULT in {self.benchmark}: {what}")
        self.figures[self.benchmark].setdefault("correct", []).append(what)
        self.say(f"correct: {what}")

    def _judge(self, target: str, value: str, met: bool) -> None:
        self.verdicts.append(Verdict(self.benchmark, target, value, met))
        print(self.verdicts[-1], flush=True)

    def table(self) -> None:
        """All targets at the end."""
        width = max((len(verdict.target) for verdict in self.verdicts), default=0)
        print("\n== all targets")
        for verdict in self.verdicts:
            mark = "met" if verdict.met else "NOT met"
            print(f"  {verdict.benchmark:<12} {verdict.target:<{width}}  {verdict.measured:>14}  {mark}")

    def write(self, file: Path, arguments: Mapping[str, object]) -> None:
        """Everything as JSON."""
        content = {
            "arguments": dict(arguments),
            "cores": os.cpu_count(),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "figures": self.figures,
        }
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
