"""The command line: which benchmarks, how large, and the table at the end."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.measure import Report
from benchmarks.server import Server, running

NAMES = (
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
)
SIZES = ("quick", "usual", "full")


def main() -> None:
    """Run benchmarks; exits 1 where a result was wrong. A target that was not met is said, and is no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all unless named")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick", default="usual", help="small: a smoke test")
    parser.add_argument("--full", dest="size", action="store_const", const="full", help="everything at full size; takes long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = [name for name in NAMES if name in (chosen.names or NAMES)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped and its folder removed
    report = Report()
    with running() as server:
        for name in names:
            run: Callable[[Server, Report, str], None] = import_module(f"benchmarks.{name}").run
            run(server, report, chosen.size)
    report.table()
    if chosen.json:
        report.write(chosen.json, {"names": names, "size": chosen.size})
    print(f"\nall of {', '.join(names)} ran, every result was checked")


if __name__ == "__main__":
    main()
