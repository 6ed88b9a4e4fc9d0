"""A benchmark's worker module, run in a process of its own: its `main` reads one JSON argument and prints its answer.

A fresh interpreter is what memory and cost can be measured in, and takes seconds to import. A forked one begins with its
parent's memory and imports: it shows that the worker runs and is right, which is all that the quick size asks.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import subprocess
import sys
import tempfile
from importlib import import_module
from typing import Any, TextIO


def answer_of(module: str, asked: dict[str, Any], *, fresh: bool) -> str:
    """What the worker printed. Ends the benchmarks where it failed."""
    argument = json.dumps(asked)
    if fresh:
        ran = subprocess.run([sys.executable, "-m", module, argument], check=False, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{module} failed:\n{ran.stderr[-3000:]}")
        return ran.stdout
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        process = multiprocessing.get_context("fork").Process(target=_forked, args=(module, argument, out), daemon=True)
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{module} failed; its error is above")
        out.seek(0)
        return out.read()


def _forked(module: str, argument: str, out: TextIO) -> None:
    sys.argv = [module, argument]
    with contextlib.redirect_stdout(out):
        import_module(module).main()
    out.flush()
