"""Receiving what suppliers deliver: stock, orders that waited, and what of the supplier's order still is to come (I-10, I-30).

What belongs here: the one transaction of a file of deliveries, and its quarantine. What does not: reading a row (`receipt_rows`),
judging rows against the database (`receipt_judging`), the rule which line pieces came for (`allotting`), the notice
(`receipt_notice`).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import lock_purchasing
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.orders.serving import serve
from cloudsales_pipeline.outbox.messages import enqueue
from cloudsales_pipeline.purchasing.allotting import Allotted, OpenLine, Piece, allot
from cloudsales_pipeline.purchasing.covering import cover
from cloudsales_pipeline.purchasing.order_facts import receiving_warehouse
from cloudsales_pipeline.purchasing.receipt_judging import Judged, Row, judge
from cloudsales_pipeline.purchasing.receipt_notice import Came, notices
from cloudsales_pipeline.purchasing.receipt_rows import Delivered, Held, is_receipt_file, read_deliveries
from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.stock.file_names import plain_name
from cloudsales_pipeline.stock.files import LONGEST_TEXT, FileCounts, FileWork
from cloudsales_pipeline.stock.inbox import OtherKind
from cloudsales_pipeline.stock.movements import ANOTHER_POSTED_IT, Movement, post_movements

if TYPE_CHECKING:
    from cloudsales_pipeline.settings import Settings

Now = Callable[[], datetime]
EVIDENCE = ("supplier", "reference", "sku", "order", "warehouse")


@dataclass(frozen=True)
class ReceiptResult:
    """What became of a file of deliveries; rows_in = loaded + unchanged + quarantined (I-44).

    Args:
        pieces: that came; of these `over` were more than was on order, and `unordered` of products never ordered there.
        served: pieces that went to lines that waited.
        held: the rows in quarantine, with their reasons.
    """

    rows_in: int
    loaded: int
    unchanged: int
    quarantined: int
    deliveries: int = 0
    pieces: int = 0
    over: int = 0
    unordered: int = 0
    served: int = 0
    held: tuple[Held, ...] = ()

    @property
    def counts(self) -> FileCounts:
        """Its rows."""
        return FileCounts(self.rows_in, self.loaded, self.unchanged, self.quarantined)


def receive_file(
    engine: Engine,
    settings: Settings,
    path: Path,
    *,
    encoding: str | None = None,
    now: Now = lambda: datetime.now(UTC),
) -> ReceiptResult:
    """Receive the deliveries of a file in one transaction. Again, it does nothing (F-22, I-10).

    A row that can't be received is in quarantine by file and row; the rest of its delivery is received, and the row follows when
    the file comes corrected.

    Raises:
        InputError: the file can't be read as a whole.
        RefusedError: it changed while it was read.
        DatabaseError: the database can't be reached, or others kept changing the same rows.
    """
    sync_suppliers(engine, settings)
    good, bad = read_deliveries(path, ZoneInfo(settings.timezone), encoding=encoding)
    receiving = _Receiving(settings, plain_name(path.name), receiving_warehouse(settings), now)

    def work(connection: Connection) -> ReceiptResult:
        result = receiving.take(connection, good, bad, file_id=None)
        connection.execute(sa.text(steps(__package__, "receipts")["summary"]), vars(result.counts))
        return result

    return unit_of_work(engine, work, also=ANOTHER_POSTED_IT, repeatable=True)


def dropped_receipts(settings: Settings, now: Now = lambda: datetime.now(UTC)) -> OtherKind:
    """For `stock.inbox.take_inbox(…, others=[…])`: reads the files of deliveries that a store or warehouse drops.

    They are received in the store's own warehouse where they name none. The suppliers must be in the database (`sync_suppliers`).
    """

    def reader(path: Path, channel: str) -> tuple[str, FileWork] | None:
        if not is_receipt_file(path):
            return None
        good, bad = read_deliveries(path, ZoneInfo(settings.timezone), dropped=True)

        def work(connection: Connection, file_id: int) -> FileCounts:
            name = f"{plain_name(path.name)} (file {file_id})"
            receiving = _Receiving(settings, name, _warehouse_of(settings, channel), now, channel)
            return receiving.take(connection, good, bad, file_id=file_id).counts

        return "purchasing", work

    return reader


def _warehouse_of(settings: Settings, channel: str) -> str | None:
    own = settings.channel(channel)
    return own.orders.warehouse or next(iter(own.stock.warehouses), None) or receiving_warehouse(settings)


@dataclass(frozen=True)
class _Receiving:
    """The deliveries of one file."""

    settings: Settings
    file: str
    warehouse: str | None
    now: Now
    channel: str = ""

    def take(self, connection: Connection, good: list[Delivered], bad: list[Held], *, file_id: int | None) -> ReceiptResult:
        """All that a file changes, in the caller's transaction."""
        lock_purchasing(connection)
        now = self.now()
        judged = judge(connection, good, self.warehouse, now)
        mark = connection.scalar(sa.text(steps(__package__, "receipts")["event_mark"]))
        products = sorted({row.product_id for row in judged.fresh})
        if products:
            cover(connection, products)  # pieces that a cancelled line was to get must not count as received for it
        rows, refused = _post(connection, judged, now, file_id)
        given = _count(connection, judged, rows, now)
        if products:
            cover(connection, products)
        served = _rows(connection, "served", mark=mark, products=products) if rows else []
        self._tell(connection, judged, given, served)
        held = tuple(sorted([*bad, *judged.held, *refused], key=lambda one: one.delivered.row))
        _settle(connection, [*(row.delivered for row in rows), *judged.unchanged])
        self._quarantine(connection, held, file_id)
        kinds: Counter[str] = Counter()
        for one in given:
            kinds[one.kind] += one.allotted.quantity
        return ReceiptResult(
            len(good) + len(bad),
            len(rows),
            len(judged.unchanged),
            len(held),
            len({row.delivered.delivery for row in rows}),
            kinds.total(),
            kinds["over"],
            kinds["unordered"],
            sum(row.quantity for row in served),
            held,
        )

    def _tell(self, connection: Connection, judged: Judged, given: list[Came], served: Sequence[Any]) -> None:
        address = self.settings.purchasing.responsible_email
        if address is None or not given:
            return
        lines = [one.allotted.line_id for one in given if one.allotted.line_id is not None]
        missing = _rows(connection, "missing", lines=lines)
        enqueue(connection, notices(given, judged, missing, served, address=address, language=self.settings.messages.language))

    def _quarantine(self, connection: Connection, held: Sequence[Held], file_id: int | None) -> None:
        if not held:
            return
        rows = [
            {
                "reference": f"{self.file}:{one.delivered.row}",
                "reason": one.reason,
                "detail": {
                    **{name: _short(getattr(one.delivered, name)) for name in EVIDENCE},
                    "quantity": one.delivered.quantity,
                    "row": one.delivered.row,
                    "file_id": file_id,
                    **one.detail,
                },
            }
            for one in held
        ]
        connection.execute(
            sa.text(steps(__package__, "receipts")["quarantine"]), {"channel": self.channel, "rows": json.dumps(rows)}
        )


def _short(text: str) -> str:
    return text[:LONGEST_TEXT].replace("\x00", "")


def _post(connection: Connection, judged: Judged, now: datetime, file_id: int | None) -> tuple[list[Row], list[Held]]:
    """The pieces in stock and with who waits for them; the rows that were posted, and those that were not."""
    movements = [
        Movement(
            judged.movement_reference(row.delivered.delivery), row.warehouse, row.sku, "receipt", row.quantity, row.at, place
        )
        for place, row in enumerate(judged.fresh)
    ]
    if not movements:
        return [], []
    posted = post_movements(connection, movements, now=now, file_id=file_id, then=serve)
    refused = {one.movement.row: one for one in posted.refused}
    rows = [row for place, row in enumerate(judged.fresh) if place not in refused]
    return rows, [Held(judged.fresh[place].delivered, one.reason, one.detail) for place, one in refused.items()]


def _count(connection: Connection, judged: Judged, rows: Sequence[Row], now: datetime) -> list[Came]:
    """Which lines the pieces came for, written down: the receipt, its lines, and the counters of supplier lines and ties."""
    if not rows:
        return []
    values = {"products": [row.product_id for row in rows], "suppliers": list({row.delivered.supplier for row in rows})}
    lines = [OpenLine(*row) for row in _rows(connection, "open_lines", **values)]
    given = allot([Piece(row.delivered.delivery, row.product_id, row.quantity, row.delivered.order) for row in rows], lines)
    more = any(one.line_id is None for one in given)
    known = {(row.supplier, row.product_id) for row in _rows(connection, "ordered_ever", **values)} if more else set()
    came = [Came(one, _kind(one, known)) for one in given]
    _write(connection, judged, rows, came, now)
    received: Counter[int] = Counter()
    for one in given:
        if one.line_id is not None:
            received[one.line_id] += one.quantity
    counted = {"lines": list(received), "quantities": list(received.values())}
    for step in ("count_lines", "count_ties") if received else ():
        connection.execute(sa.text(steps(__package__, "receipts")[step]), counted)
    return came


def _kind(one: Allotted, ordered_ever: set[tuple[str, int]]) -> str:
    if one.line_id is not None:
        return "ordered"
    return "over" if (one.delivery[0], one.product_id) in ordered_ever else "unordered"


def _write(connection: Connection, judged: Judged, rows: Sequence[Row], came: Sequence[Came], now: datetime) -> None:
    first: dict[tuple[str, str], Row] = {}
    orders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        first.setdefault(row.delivered.delivery, row)
        orders[row.delivered.delivery].add(row.delivered.order)
    receipts = [
        {
            "supplier": supplier,
            "reference": reference,
            "warehouse": row.warehouse,
            "order_number": next(iter(named)) or None if len(named := orders[supplier, reference]) == 1 else None,
            "occurred_at": (row.at or now).isoformat(),
        }
        for (supplier, reference), row in first.items()
    ]
    connection.execute(sa.text(steps(__package__, "receipts")["receipts"]), {"rows": json.dumps(receipts)})
    position = Counter(judged.rows_before)
    lines = []
    for one in came:
        position[one.allotted.delivery] += 1
        supplier, reference = one.allotted.delivery
        facts = {"position": position[one.allotted.delivery], "kind": one.kind, "quantity": one.allotted.quantity}
        product = {"product_id": one.allotted.product_id, "line_id": one.allotted.line_id}
        lines.append({"supplier": supplier, "reference": reference, **facts, **product})
    connection.execute(sa.text(steps(__package__, "receipts")["lines"]), {"rows": json.dumps(lines)})


def _settle(connection: Connection, done: Sequence[Delivered]) -> None:
    """Rows that waited in quarantine since an earlier file and are received now are settled."""
    if done:
        values = {
            "references": [one.reference for one in done],
            "skus": [one.sku for one in done],
            "rows": [one.row for one in done],
        }
        connection.execute(sa.text(steps(__package__, "receipts")["settle"]), values)


def _rows(connection: Connection, step: str, **values: object) -> Sequence[Any]:
    return connection.execute(sa.text(steps(__package__, "receipts")[step]), values).all()


# ------------------------------------------------------------------------------------------------ what will not come


@dataclass(frozen=True)
class WrittenOff:
    """Pieces that will not come, and how many of them somebody waited for: these are to be bought again."""

    lines: int
    pieces: int
    required_again: int


def write_off(engine: Engine, number: str, sku: str | None = None) -> WrittenOff:
    """Note that what a supplier order still lacks (of one product, or of all) will not come. Again, it does nothing.

    Who waits for these pieces takes what other orders have to spare, and the rest is required again.

    Raises:
        InputError: no such order, or it has no line of this product.
    """

    def work(connection: Connection) -> WrittenOff:
        lock_purchasing(connection)
        found = _rows(connection, "order_lines", number=number.strip(), sku=sku)
        if not found:
            what = f" with a line of {_short(sku)}" if sku else ""
            raise InputError(
                f"There is no supplier order {_short(number)}{what}.", next_step="look in analytics.supplier_order_line"
            )
        short = [row for row in found if row.outstanding]
        connection.execute(
            sa.text(steps(__package__, "receipts")["write_off"]), {"lines": [row.supplier_order_line_id for row in short]}
        )
        covered = cover(connection, {row.product_id for row in short}) if short else None
        pieces = sum(row.outstanding for row in short)
        return WrittenOff(len(short), pieces, covered.withdrawn - covered.from_surplus if covered else 0)

    return unit_of_work(engine, work, repeatable=True)
