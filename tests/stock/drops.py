"""What a store drops, and an inbox to drop it in."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from sqlalchemy.engine import Engine

from cloudsales_pipeline.settings import ChannelSettings, Settings, StockSettings
from cloudsales_pipeline.stock.inbox import FileOutcome, InboxResult, take_inbox

HEADER = "reference,warehouse,sku,reason,quantity,occurred_at\n"
COLUMNS = ("reference", "warehouse", "sku", "reason", "quantity")


def with_inbox(settings: Settings, inbox: str, *, settle_seconds: float = 0.0, **channel: Any) -> Settings:
    """The settings with the store cluj, which drops files into `inbox`."""
    store = ChannelSettings(kind="store", inbox=inbox, outbox="/nowhere", **channel)
    stock = StockSettings(settle_seconds=settle_seconds)
    return settings.model_copy(update={"channels": {**settings.channels, "cluj": store}, "stock": stock})


def drop(folder: Path, name: str, *lines: str, end: str = "\n", age: float = 0.0, header: str = HEADER) -> Path:
    """A CSV with these rows, last written `age` seconds ago."""
    path = folder / name
    path.write_text(header + "\n".join(lines) + end, encoding="utf-8")
    return aged(path, age)


def drop_sheet(folder: Path, name: str, rows: Sequence[Sequence[object]], age: float = 0.0) -> Path:
    """An XLSX with these rows, the header among them."""
    path = folder / name
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return aged(path, age)


def aged(path: Path, age: float) -> Path:
    """The file, last written `age` seconds ago."""
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def take(engine: Engine, settings: Settings, **how: Any) -> InboxResult:
    """One look into cluj's inbox."""
    return take_inbox(engine, settings, "cluj", **how)


def outcomes(result: InboxResult) -> dict[str, str]:
    """name → outcome."""
    return {one.name: one.outcome for one in result.files}


def only(result: InboxResult) -> FileOutcome:
    """The one file of a look."""
    (one,) = result.files
    return one


def tree(folder: Path) -> list[str]:
    """All files below, by their path with the month left out, sorted."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted("/".join(part for part in path.parts if not part[:4].isdigit() or "." in part) for path in found)
