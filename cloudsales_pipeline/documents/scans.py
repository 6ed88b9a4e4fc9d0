"""Goods that were checked: by a person's word, or by the file that a scanner drops into a store's inbox.

A file of scans has a column `order`, and `channel` where the order is not of the store's own channel. Each row says that this
order's goods are there and right. With documents.goods_leave_on `scan` they leave by it, in the same transaction.

What belongs here: such a file's rows, and what a check does. What does not: when files are complete (`stock.inbox`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.file import ALIASES, FileRow, column_name, read_rows
from cloudsales_pipeline.documents.standing import Order, locked_one, run
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.orders.life import issue_goods
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.file_names import plain_name
from cloudsales_pipeline.stock.files import FAULTS, LONGEST_TEXT, UNFITTING, FileCounts, FileWork, is_unfinished
from cloudsales_pipeline.stock.inbox import OtherKind
from cloudsales_pipeline.stock.movements import LONGEST_REFERENCE

Now = Callable[[], datetime]
NAMES = ("scan", "verificat")  # how a dropped file's name begins
SCAN_ALIASES = {
    **ALIASES,
    "comanda": "order", "numar_comanda": "order", "nr_comanda": "order", "order_id": "order", "order_number": "order",
    "canal": "channel", "magazin": "channel",
}  # fmt: skip
MOVING = {"sku", "quantity", "supplier", "reason"}  # columns of files of movements and deliveries
MOST_ROWS = 100_000


def check_goods(engine: Engine, settings: Settings, channel: str, external_id: str, *, now: datetime | None = None) -> bool:
    """Note that the order's goods are there and right, a fact of rules; they leave where the settings say so. Whether it is new.

    Raises:
        InputError: no such order.
    """
    moment = now or datetime.now(UTC)

    def work(connection: Connection) -> bool:
        return bool(_checked(connection, settings, [locked_one(connection, channel, external_id)], moment))

    return order_work(engine, work, doing="note that goods were checked")


def dropped_scans(settings: Settings, now: Now = lambda: datetime.now(UTC)) -> OtherKind:
    """For `stock.inbox.take_inbox(…, others=[…])`: reads the files of scans that a store or warehouse drops."""

    def reader(path: Path, channel: str) -> tuple[str, FileWork] | None:
        if not is_scan_file(path):
            return None
        rows = list(islice(read_rows(path, required=("order",), aliases=SCAN_ALIASES), MOST_ROWS + 1))
        if len(rows) > MOST_ROWS:
            raise InputError(f"{plain_name(path.name)} has more than {MOST_ROWS:,} rows.", next_step="split it into several")
        cut = rows[-1].number if rows and is_unfinished(path) else None

        def work(connection: Connection, file_id: int) -> FileCounts:
            return _take(connection, settings, rows, channel, f"{plain_name(path.name)} (file {file_id})", cut, now())

        return "documents", work

    return reader


def is_scan_file(path: Path) -> bool:
    """Whether a dropped file is of scans: it is called so, or its header names an order and nothing that moves stock.

    Raises:
        InputError: it can't be read as a table.
    """
    found: set[str] = set()
    for row in islice(read_rows(path, required=(), aliases=SCAN_ALIASES), 1):
        found = set(row.fields)
    return "order" in found and (column_name(path.name).startswith(NAMES) or not found & MOVING)


def _take(
    connection: Connection, settings: Settings, rows: Sequence[FileRow], own: str, name: str, cut: int | None, now: datetime
) -> FileCounts:
    """All that a file of scans changes, in the caller's transaction: a row that names no order is quarantined."""
    said = {row.number: (row.fields.get("channel", "").strip() or own, row.fields.get("order", "").strip()) for row in rows}
    faults = {row.number: row.fault or ("unfinished_line" if row.number == cut else "") for row in rows}
    wanted = sorted({pair for number, pair in said.items() if not faults[number] and pair[1]})
    pairs = {"channels": [channel for channel, _ in wanted], "ids": [external_id for _, external_id in wanted]}
    found = run(connection, "lock_scanned", **pairs)
    orders = [Order(row.order_id, row.channel, row.external_id, row.status) for row in found]
    known = {(order.channel, order.external_id): order.order_id for order in orders}
    fresh = _checked(connection, settings, orders, now)
    held = [number for number, pair in said.items() if faults[number] or pair not in known]
    _hold(connection, own, name, {number: (said[number], faults[number]) for number in held})
    run(connection, "settle_scans", channels=[pair[0] for pair in known], ids=[pair[1] for pair in known])
    loaded = len({said[number] for number in said if number not in held and known[said[number]] in fresh})
    return FileCounts(len(rows), loaded, len(rows) - loaded - len(held), len(held))


def _checked(connection: Connection, settings: Settings, orders: Sequence[Order], now: datetime) -> set[int]:
    """Mark locked orders; what they hold leaves where the settings say so. The ids of those for which anything is new."""
    ids = [order.order_id for order in orders]
    fresh = {row.order_id for row in run(connection, "check_goods", orders=ids, now=now)}
    if settings.documents.goods_leave_on != "scan" or not ids:
        return fresh
    return fresh | set(
        issue_goods(connection, {row.order_id: _reference(row) for row in run(connection, "left", orders=ids)}, now=now)
    )


def _reference(row: Any) -> str:
    """Of a movement; each further scan, of pieces that came later, has its own."""
    name = f"scan:{row.channel}/{row.external_id}" + (f":{row.issued}" if row.issued else "")
    return name if len(name) <= LONGEST_REFERENCE else f"scan:#{row.order_id}:{row.issued}"


def _hold(connection: Connection, own: str, name: str, held: dict[int, tuple[tuple[str, str], str]]) -> None:
    rows: list[dict[str, Any]] = []
    for number, ((channel, external_id), fault) in held.items():
        what = FAULTS.get(fault, UNFITTING) if fault else "no order of this channel has this id"
        detail = {"channel": channel[:LONGEST_TEXT], "order": external_id[:LONGEST_TEXT].replace("\x00", ""), "row": number}
        rows.append({"reference": f"{name}:{number}", "reason": fault or "unknown_order", "detail": {**detail, "what": what}})
    if rows:
        run(connection, "hold_scans", channel=own, rows=json.dumps(rows))
