"""Files of deliveries: supplier, reference, sku, quantity[, order, warehouse, occurred_at], as CSV or spreadsheet.

What belongs here: a file's rows as pieces that came, and what is wrong with a row by itself. What does not: the database
(`receipts`), and how a file is read as text (`catalog.file`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from cloudsales_pipeline.catalog.file import ALIASES, FileRow, column_name, content_hash, read_rows
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.stock.files import FAULTS, LONGEST_TEXT, MOST_ROWS, UNFITTING, is_unfinished, read_instant, read_quantity

COLUMNS = ("supplier", "reference", "sku", "quantity")
OPTIONAL = ("order", "warehouse", "occurred_at")
RECEIPT_ALIASES = {
    **ALIASES,
    "referinta": "reference", "document": "reference", "numar_document": "reference", "nr_document": "reference",
    "nr_aviz": "reference", "aviz": "reference", "delivery_note": "reference",
    "cantitate": "quantity", "cantitate_receptionata": "quantity", "cant": "quantity", "bucati": "quantity", "buc": "quantity",
    "comanda": "order", "numar_comanda": "order", "nr_comanda": "order", "order_number": "order",
    "depozit": "warehouse", "gestiune": "warehouse", "magazin": "warehouse",
    "data": "occurred_at", "data_receptiei": "occurred_at", "data_receptie": "occurred_at", "date": "occurred_at",
}  # fmt: skip
NAMES = ("receipt", "receptie")  # how a dropped file's name begins
LONGEST_REFERENCE = 100
Evidence = dict[str, object]


@dataclass(frozen=True)
class Delivered:
    """A row: pieces of a product that a supplier's document says have come.

    Args:
        supplier: as the file writes it; its key once it is known.
        order: the number of the supplier order that they came for; empty: the oldest that lacks them.
        warehouse: empty: where goods are received.
        at: aware; None: now.
    """

    row: int
    supplier: str
    reference: str
    sku: str
    quantity: int
    order: str = ""
    warehouse: str = ""
    at: datetime | None = None

    @property
    def delivery(self) -> tuple[str, str]:
        """Supplier and reference: what it is known by."""
        return self.supplier, self.reference


@dataclass(frozen=True)
class Held:
    """A row that is not received: a reason code, and the evidence."""

    delivered: Delivered
    reason: str
    detail: Evidence


def is_receipt_file(path: Path) -> bool:
    """Whether a dropped file is of deliveries: its header names a supplier, or its name begins with receipt or receptie and its
    header has no reason, as movements have.

    Raises:
        InputError: it can't be read as a table.
    """
    found: set[str] = set()
    for row in islice(read_rows(path, required=(), aliases=RECEIPT_ALIASES), 1):
        found = set(row.fields)
    return "supplier" in found or (column_name(path.name).startswith(NAMES) and "reason" not in found)


def read_deliveries(
    path: Path, zone: ZoneInfo, *, encoding: str | None = None, dropped: bool = False
) -> tuple[list[Delivered], list[Held]]:
    """The rows that can be read, and those that can't.

    Args:
        dropped: a store wrote it: where its last line has no end, that row is held, for a cut `120` reads as `12`.

    Raises:
        InputError: the file can't be read as a whole.
        RefusedError: it changed while it was read.
    """
    before = content_hash(path) if path.is_file() else b""
    rows = list(islice(read_rows(path, required=COLUMNS, encoding=encoding, aliases=RECEIPT_ALIASES), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise InputError(f"{path.name} has more than {MOST_ROWS:,} rows.", next_step="split it into several files")
    if content_hash(path) != before:
        raise RefusedError(
            f"{path.name} changed while it was read; nothing was received.", next_step="take it when it is complete"
        )
    if dropped and rows and is_unfinished(path):
        rows[-1] = replace(rows[-1], fault=rows[-1].fault or "unfinished_line")
    read = [_read(row, zone) for row in rows]
    return [one for one in read if isinstance(one, Delivered)], [one for one in read if isinstance(one, Held)]


def _read(row: FileRow, zone: ZoneInfo) -> Delivered | Held:
    fields = {name: row.fields.get(name, "").strip() for name in (*COLUMNS, *OPTIONAL)}
    quantity, fault = read_quantity(fields["quantity"])
    supplier, reference, sku = (fields[name] for name in COLUMNS[:3])
    delivered = Delivered(row.number, supplier, reference, sku, quantity, fields["order"], fields["warehouse"])
    if row.fault:
        return Held(delivered, row.fault, {"what": FAULTS.get(row.fault, UNFITTING)})
    if fault:
        return Held(
            delivered, fault, {"what": "a whole number of pieces is expected", "found": fields["quantity"][:LONGEST_TEXT]}
        )
    if not delivered.reference or len(delivered.reference) > LONGEST_REFERENCE:
        return Held(
            delivered, "bad_reference", {"what": f"the delivery's own number is expected, 1 to {LONGEST_REFERENCE} characters"}
        )
    try:
        return replace(delivered, at=_moment(fields["occurred_at"], zone))
    except ValueError:
        found = fields["occurred_at"][:LONGEST_TEXT]
        return Held(delivered, "bad_time", {"what": "a time such as 2026-11-24 18:30 or 24.11.2026", "found": found})


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """As in files of movements, and a day as it is written in Romania."""
    if day := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", text):
        return datetime(int(day[3]), int(day[2]), int(day[1]), tzinfo=zone)
    return read_instant(text, zone)
