"""The documents of a supplier order, PDF and XLSX, made once from its frozen rows and kept in the database (I-28, I-34).

What belongs here: what stands where on them. What does not: words (`wording`), typesetting (`outbox.typesetting`), and sending
(`handing`).

Text in an order comes from catalogues and price lists: in the PDF it is data, in the spreadsheet a text cell, so nothing of it is
ever run (F-45).
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.outbox.files import File, store_files
from cloudsales_pipeline.outbox.typesetting import make_pdf
from cloudsales_pipeline.purchasing.order_facts import order_facts
from cloudsales_pipeline.purchasing.wording import WORDS, amount, day, plain, price, rounded, whole

if TYPE_CHECKING:
    from cloudsales_pipeline.settings import Settings

TEMPLATE = "templates/supplier_order.typ"
MEDIA_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
LONGEST_PART = 12  # characters of a code between dashes that fit into its column; a longer one may be broken anywhere
LONGEST_CELL = 32_767  # what a spreadsheet takes
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class OrderLine:
    """A line as it was frozen."""

    position: int
    sku: str
    name: str
    supplier_code: str
    pack_size: int
    quantity: int
    price: Decimal | None
    currency: str

    @property
    def value(self) -> Decimal | None:
        """Rounded to the cent, as the supplier's invoice will have it."""
        return None if self.price is None else rounded(self.price * self.quantity)

    @property
    def packs(self) -> tuple[int, int]:
        """Whole packs, and pieces beside them where the rounding was `none`."""
        return divmod(self.quantity, self.pack_size)


@dataclass(frozen=True)
class Order:
    """A closed order: what its documents and its messages are made of."""

    supplier_order_id: int
    supplier: str
    number: str
    business_date: date
    closed_at: datetime
    language: str
    facts: dict[str, Any]
    lines: tuple[OrderLine, ...]

    @property
    def pieces(self) -> int:
        """Of all lines."""
        return sum(line.quantity for line in self.lines)

    def totals(self) -> dict[str, Decimal]:
        """The value by currency, of the lines that have a price."""
        sums: dict[str, Decimal] = {}
        for line in self.lines:
            if line.value is not None:
                sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.value
        return sums


def read_orders(connection: Connection, settings: Settings, supplier_order_ids: Collection[int]) -> list[Order]:
    """Orders with their lines, in two statements, by number. One that was closed without facts has those of the settings."""
    queries = steps(__package__, "order_files")
    ids = {"ids": list(supplier_order_ids)}
    lines: dict[int, list[OrderLine]] = {}
    for row in connection.execute(sa.text(queries["lines"]), ids):
        lines.setdefault(row.supplier_order_id, []).append(
            OrderLine(
                row.position,
                row.sku,
                row.name,
                row.supplier_code or "",
                row.pack_size,
                row.quantity,
                row.price,
                row.currency or "",
            )
        )
    return [
        Order(
            row.supplier_order_id,
            row.supplier,
            row.number,
            row.business_date,
            row.closed_at,
            row.language if row.language in WORDS else "en",
            _merged(order_facts(settings, row.supplier), row.facts),
            tuple(lines.get(row.supplier_order_id, ())),
        )
        for row in connection.execute(sa.text(queries["orders"]), ids)
    ]


def _merged(now: dict[str, Any], frozen: dict[str, Any]) -> dict[str, Any]:
    """What was frozen counts; what it does not say is as the settings have it."""
    return {who: {**facts, **(frozen.get(who) or {})} for who, facts in now.items()}


def make_files(connection: Connection, settings: Settings, supplier_order_ids: Collection[int]) -> dict[int, list[int]]:
    """Make and store what documents these orders do not have yet, in the caller's transaction, which holds the lock of papers.

    Returns:
        For each order the ids of its stored files, in the order of `purchasing.attach`. What is stored is never made again.
    """
    return files_of(connection, settings, read_orders(connection, settings, supplier_order_ids))


def files_of(connection: Connection, settings: Settings, orders: Sequence[Order]) -> dict[int, list[int]]:
    """`make_files`, for orders that are read already."""
    kinds = tuple(dict.fromkeys(settings.purchasing.attach))
    queries = steps(__package__, "order_files")
    found = {"ids": [order.supplier_order_id for order in orders]}
    kept = {(row.supplier_order_id, row.kind): row.file_id for row in connection.execute(sa.text(queries["kept"]), found)}
    wanted = [(order, kind) for order in orders for kind in kinds if (order.supplier_order_id, kind) not in kept]
    ids = store_files(connection, [document(order, kind) for order, kind in wanted])
    made = {(order.supplier_order_id, kind): file_id for (order, kind), file_id in zip(wanted, ids, strict=True)}
    if made:
        values = {"ids": [key[0] for key in made], "kinds": [key[1] for key in made], "files": list(made.values())}
        connection.execute(sa.text(queries["keep"]), values)
    kept |= made
    return {order.supplier_order_id: [kept[order.supplier_order_id, kind] for kind in kinds] for order in orders}


def document(order: Order, kind: str) -> File:
    """One document of an order; the same order gives the same bytes. Pure."""
    content = pdf(order) if kind == "pdf" else xlsx(order)
    return File(f"{order.number}.{kind}", MEDIA_TYPES[kind], content)


# ------------------------------------------------------------------------------------------------ PDF


def pdf(order: Order) -> bytes:
    """The order on paper."""
    return make_pdf(__package__, TEMPLATE, paper(order), made_at=order.closed_at)


def paper(order: Order) -> dict[str, Any]:
    """What the template is given: all text, written out in the order's language."""
    words, language = WORDS[order.language], order.language
    columns = [column for column in COLUMNS if column in {"no", "sku", "name", "quantity"} or _is_used(order, column)]
    unpriced = sum(line.price is None for line in order.lines)
    totals = [(words["pieces"], whole(order.pieces, language))]
    totals += [(words["total"], f"{amount(value, language)} {currency}".strip()) for currency, value in order.totals().items()]
    priced = bool(order.totals())
    return {
        "language": language,
        "words": words,
        "title": f"{words['order']} {order.number}",
        "number": order.number,
        "footer": f"{words['order']} {order.number} · {plain(order.facts['buyer'].get('name'))}".rstrip(" ·"),
        "dates": _dates(order),
        "buyer": _party(order, "buyer"),
        "supplier": _party(order, "supplier"),
        "delivery": _delivery(order),
        "headers": [_header(order, column) for column in columns],
        "widths": [COLUMNS[column] for column in columns],
        "right": [place for place, column in enumerate(columns) if column in NUMBERS],
        "codes": [place for place, column in enumerate(columns) if column in {"code", "sku"}],
        "rows": [[_cell(line, column, language) for column in columns] for line in order.lines],
        "totals": totals,
        "notes": [*([words["unpriced"].format(unpriced)] if unpriced and priced else []), words["confirm"]],
    }


COLUMNS = {"no": 0, "code": 1.7, "sku": 2.1, "name": 3.8, "packs": 0, "quantity": 0, "price": 0, "value": 0, "currency": 0}
"""A column, and its share of the width; 0: as wide as its content."""
NUMBERS = frozenset({"no", "packs", "quantity", "price", "value"})


def _dates(order: Order) -> list[tuple[str, str]]:
    words, expected = WORDS[order.language], order.facts["delivery"].get("expected_on")
    dates = [(words["date"], day(order.business_date, order.language))]
    dates += [(words["expected"], day(date.fromisoformat(expected), order.language))] if expected else []
    return [*dates, (words["lines"], whole(len(order.lines), order.language))]


def _header(order: Order, column: str) -> str:
    """A single currency stands above its column; of several, each has its own cell."""
    word, currencies = WORDS[order.language][column], list(order.totals())
    return f"{word} ({plain(currencies[0])})" if column == "value" and len(currencies) == 1 and currencies[0] else word


def _is_used(order: Order, column: str) -> bool:
    if column == "currency":
        return len(order.totals()) > 1
    if column == "code":
        return any(line.supplier_code for line in order.lines)
    if column == "packs":
        return any(line.pack_size > 1 for line in order.lines)
    return any(line.price is not None for line in order.lines)


def _cell(line: OrderLine, column: str, language: str) -> str:
    match column:
        case "no":
            return str(line.position)
        case "code":
            return _breakable(plain(line.supplier_code))
        case "sku" | "name" | "currency":
            return _breakable(plain(getattr(line, column)))
        case "packs":
            packs, rest = line.packs
            return f"{packs} × {line.pack_size}" + (f" + {rest}" if rest else "")
        case "quantity":
            return whole(line.quantity, language)
        case "price":
            return "—" if line.price is None else price(line.price, language)
        case _:
            return "—" if line.value is None else amount(line.value, language)


def _breakable(text: str) -> str:
    """Codes get invisible places to break at, behind dashes and the like or anywhere, or they would run into the next column."""
    parts = re.findall(r"[^-_/.,;:@ ]*[-_/.,;:@ ]?", text)
    return "\u200b".join("\u200b".join(part) if len(part) > LONGEST_PART else part for part in parts).rstrip("\u200b")


def _party(order: Order, who: str) -> dict[str, Any]:
    facts, words = order.facts[who], WORDS[order.language]
    labelled = [f"{words[name]} {plain(facts[name])}" for name in ("tax_id", "registration_number", "phone") if facts.get(name)]
    lines = [*labelled[:2], *address_lines(facts.get("address") or {}), *labelled[2:], plain(facts.get("email"))]
    name = plain(facts.get("name")) or (plain(order.supplier) if who == "supplier" else "—")
    return {"name": name, "lines": [_breakable(line) for line in lines if line]}


def _delivery(order: Order) -> dict[str, Any]:
    facts, words = order.facts["delivery"], WORDS[order.language]
    warehouse = plain(facts.get("warehouse"))
    name = plain(facts.get("name"))
    code = [f"{words['warehouse']} {warehouse}"] if warehouse and name else []
    return {
        "name": name or f"{words['warehouse']} {warehouse or '—'}",
        "lines": [*code, *address_lines(facts.get("address") or {})],
    }


def address_lines(address: dict[str, str]) -> list[str]:
    """A postal address, line by line; the country alone is no address."""
    street, city, county = (plain(address.get(part)) for part in ("street", "city", "county"))
    town = " ".join(part for part in (plain(address.get("postal_code")), city) if part)
    place = ", ".join(part for part in (town, county) if part)
    country = plain(address.get("country"))
    lines = [line for line in (street, place) if line]
    return [*lines, country] if lines and country and country != "RO" else lines


# ------------------------------------------------------------------------------------------------ XLSX

SHEET = ("no", "code", "sku", "name", "packs", "pack_size", "quantity", "price", "value", "currency")
WIDTHS = {"no": 6, "code": 18, "sku": 22, "name": 48, "currency": 10}


def xlsx(order: Order) -> bytes:
    """The order as a spreadsheet: the lines with one header row, for machines; the order's head on a second sheet."""
    import xlsxwriter  # type: ignore[import-untyped]

    made = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(made, options) as book:
        naive = order.closed_at.astimezone(UTC).replace(tzinfo=None)
        book.set_properties({"title": order.number, "created": naive})
        _Sheets(book, order).write()
    return made.getvalue()


class _Sheets:
    def __init__(self, book: Any, order: Order) -> None:
        self.book, self.order, self.words = book, order, WORDS[order.language]
        self.bold = book.add_format({"bold": True, "bottom": 1, "bg_color": "#F1F3F6"})
        self.quoted = book.add_format({"quote_prefix": True})  # stays text also where a person edits the cell
        self.price = book.add_format({"num_format": "#,##0.00##"})
        self.money = book.add_format({"num_format": "#,##0.00"})

    def write(self) -> None:
        sheet = self.book.add_worksheet(self.order.number)
        for column, name in enumerate(SHEET):
            sheet.write_string(0, column, self.words[name], self.bold)
            sheet.set_column(column, column, WIDTHS.get(name, 12))
        for row, line in enumerate(self.order.lines, start=1):
            self._line(sheet, row, line)
        sheet.freeze_panes(1, 0)
        self._head(self.book.add_worksheet(self.words["details"]))

    def _line(self, sheet: Any, row: int, line: OrderLine) -> None:
        for column, text in ((1, line.supplier_code), (2, line.sku), (3, line.name), (9, line.currency)):
            self._text(sheet, row, column, text)
        packs, rest = line.packs
        numbers: list[tuple[int, Any, Any]] = [(0, line.position, None), (5, line.pack_size, None), (6, line.quantity, None)]
        numbers += [(4, packs, None)] if not rest else []
        numbers += [] if line.price is None else [(7, line.price, self.price), (8, line.value, self.money)]
        for column, number, form in numbers:
            sheet.write_number(row, column, number, form)

    def _text(self, sheet: Any, row: int, column: int, text: str) -> None:
        shown = plain(text)[:LONGEST_CELL]
        if shown:
            sheet.write_string(row, column, shown, self.quoted if shown.startswith(RUN_BY_SPREADSHEETS) else None)

    def _head(self, sheet: Any) -> None:
        order = self.order
        rows = [(self.words["number"], order.number), (self.words["date"], day(order.business_date, order.language))]
        for who, party in (
            ("buyer", _party(order, "buyer")),
            ("supplier", _party(order, "supplier")),
            ("delivery", _delivery(order)),
        ):
            rows += [(self.words[who], party["name"]), *(("", line.replace("\u200b", "")) for line in party["lines"])]
        rows += [(self.words["pieces"], whole(order.pieces, order.language))]
        rows += [
            (self.words["total"], f"{amount(value, order.language)} {name}".strip()) for name, value in order.totals().items()
        ]
        sheet.set_column(0, 0, 18)
        sheet.set_column(1, 1, 60)
        for row, (label, text) in enumerate(rows):
            sheet.write_string(row, 0, label, self.bold if label else None)
            self._text(sheet, row, 1, text)
