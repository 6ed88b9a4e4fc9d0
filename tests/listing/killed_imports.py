"""Run by test_resume: imports killed with SIGKILL at every step, each run again and compared with an undisturbed one.

A step is anything that the import does where the outside can see it: a page asked for, a statement sent, a COPY, a commit,
a progress report. Each is a moment of its own child process. Prints a report as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import sqlalchemy as sa

from cloudsales_pipeline.channels.port import ProductPage
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.listing import staging
from cloudsales_pipeline.listing.imports import import_listing
from cloudsales_pipeline.settings import LimitSettings
from tests.listing import tables
from tests.listing.fake_channel import FakeChannel, product, variant

Listing = list[dict[str, Any] | bytes]
LIMITS = LimitSettings(max_unreadable_share=1.0, hold_if_listing_shrinks_by=1.0)

FIRST: Listing = [
    product("P1", [variant("V1"), variant("V2", code="C-V1")]),
    product("P2", [variant("V3", price={"amount": "abc", "currency": "RON"})]),
    product("P3"),
    product("P4", [variant("V1")]),
    product("P5"),
]
SECOND: Listing = [
    product("P1", [variant("V2", code="C-V1"), variant("V9")]),
    product("P2", [variant("V3")]),
    product("P3"),
    product("P4", [variant("V1")]),
    product("P6", []),
]
LISTINGS = (FIRST, SECOND)


class Counted(FakeChannel):
    """Tells each page that is asked for."""

    def __init__(self, listing: Listing, step: Callable[[], None]) -> None:
        super().__init__(listing, page_size=2)
        self.step = step

    def products(self, cursor: str | None = None, updated_since: datetime | None = None) -> ProductPage:
        self.step()
        return super().products(cursor, updated_since)


def stepped_import(url: str, listing: Listing, step: Callable[[], None]) -> None:
    """A full import that calls `step` before and after everything it does."""
    engine = create_engine(url)
    copy = staging.copy_rows

    def counted_copy(*arguments: Any) -> int:
        step()
        rows = copy(*arguments)
        step()
        return rows

    staging.copy_rows = counted_copy
    sa.event.listen(engine, "before_cursor_execute", lambda *_: step())
    sa.event.listen(engine, "commit", lambda *_: step())
    import_listing(engine, Counted(listing, step), LIMITS, mode="full", progress=lambda _: step())
    engine.dispose()


def in_child(url: str, listing: Listing, kill_at: int | None) -> tuple[bool, int]:
    """Import in a forked process; returns whether it was killed, and how many steps it counted if it was not."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            stepped_import(url, listing, step)
            os.write(writer, str(count).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    counted = os.read(reader, 20)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True, 0
    if os.WEXITSTATUS(status):
        raise SystemExit(f"the import failed (kill point {kill_at})")
    return False, int(counted)


def state(url: str) -> str:
    """What the listing shows, what is due for a decision, and that nothing is left of any stage or open import."""
    engine = create_engine(url)
    still_open = tables.scalar(engine, "select count(*) from cloudsales.listing_import where state in ('reading', 'read')")
    uneven = tables.scalar(
        engine,
        "select count(*) from cloudsales.listing_import where state = 'stored' and rows_in <> loaded + unchanged + quarantined",
    )
    pending = tables.content(engine, "pending", "image")
    found = json.dumps([tables.present(engine), pending, tables.staged(engine), still_open, uneven], default=str)
    engine.dispose()
    return found


def sweep(url: str) -> dict[str, Any]:
    """Two listings in turn; each import of one over the other is killed at the next step, run again, and compared.

    So every step is a kill point of one of the two directions, and no point needs a fresh database.
    """
    expected = {}
    steps = 0
    for turn in (0, 1, 0, 1):
        _, counted = in_child(url, LISTINGS[turn], None)
        expected[turn], steps = state(url), max(steps, counted)
    killed, different, turn = 0, [], 0
    for point in range(1, steps + 1):
        was_killed, _ = in_child(url, LISTINGS[turn], point)
        killed += was_killed
        if was_killed:
            in_child(url, LISTINGS[turn], None)
        if state(url) != expected[turn]:
            different.append(point)
        turn = 1 - turn
    return {"kill_points": steps, "killed": killed, "different": different}


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps(sweep(sys.argv[1])))  # noqa: T201
