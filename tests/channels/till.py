"""A store on the other side of the folder: what its till makes of our files, and what two change sets need."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cloudsales_pipeline.channels import store_files
from cloudsales_pipeline.channels.folders import Folder
from cloudsales_pipeline.channels.port import (
    StockOutcome,
    StockResult,
    StockUpdate,
)
from cloudsales_pipeline.channels.store import Store

SET, PENDING, REJECTED = StockOutcome.SET, StockOutcome.PENDING, StockOutcome.REJECTED
LATER = timedelta(seconds=10)
TWO = [StockUpdate("A-1", 5, 11), StockUpdate('B, "2"', 0, 12)]


class Till:
    """What a till's programmer would write by docs/operating.md: keep the highest version, in whatever order files come."""

    def __init__(self) -> None:
        self.shown: dict[str, tuple[int, int]] = {}  # sku → version, quantity
        self.numbers: list[int] = []

    def apply(self, name: str, content: bytes) -> None:
        rows = list(csv.DictReader(content.decode().splitlines()))
        assert {int(row["rows"]) for row in rows} == {len(rows)}, "half a file"
        assert {store_files.change_set_name(int(row["number"])) for row in rows} == {name}
        self.numbers.append(int(rows[0]["number"]))
        for row in rows:
            new = (int(row["version"]), int(row["quantity"]))
            self.shown[row["sku"]] = max(self.shown.get(row["sku"], new), new)

    def take_all(self, folder: Path) -> None:
        """Apply what is there and delete it, as some tills do."""
        for path in sorted(folder.glob("stock-*.csv")):
            self.apply(path.name, path.read_bytes())
            path.unlink()


def later(folder: Folder, *, acknowledged: bool = True) -> Store:
    """A store whose clock is ten seconds ahead, so that what was just written is no longer being written."""
    return Store("cluj", folder, acknowledged=acknowledged, clock=lambda: datetime.now(UTC) + LATER)


def names(folder: Folder) -> list[str]:
    return [entry.name for entry in folder.entries()]


def outcomes(results: tuple[StockResult, ...]) -> list[tuple[str, StockOutcome]]:
    return [(result.variant_id, result.outcome) for result in results]
