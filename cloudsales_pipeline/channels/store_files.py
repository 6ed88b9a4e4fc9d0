"""The files between us and a store, as pure functions: change sets out, answers and reports in. docs/operating.md describes them.

What belongs here: names, columns, and what can't be read. What does not: folders, and when a file counts as complete.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from cloudsales_pipeline.channels.port import OfferedStock, StockOutcome, StockResult, StockUpdate

COLUMNS = ("sku", "quantity", "version", "number", "rows", "generated_at")
REPORT = "shown.csv"
LONGEST_DETAIL = 200
OUTCOMES = {
    "set": StockOutcome.SET,
    "stale": StockOutcome.STALE,
    "unknown_variant": StockOutcome.UNKNOWN_VARIANT,
    "rejected": StockOutcome.REJECTED,
}
# What may follow a formula's first character without a spreadsheet calling anything: no call, no link to elsewhere, no DDE.
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
HARMLESS = re.compile(r"\s*[=+\-@＝＋－＠][\w .,*#%&/+-]*")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
WHOLE = re.compile(r"-?[0-9]{1,18}")


class UnreadableError(Exception):
    """A store's file that is not what was agreed; the text says in which line and what was expected, never the value."""

    def __init__(self, line: int, expected: str) -> None:
        super().__init__(f"line {line}: {expected}")
        self.line = line


def change_set_name(number: int) -> str:
    """`stock-000000123.csv`; the names sort as the numbers do."""
    return f"stock-{number:09}.csv"


def answer_name(number: int) -> str:
    """`stock-000000123.ack`."""
    return f"stock-{number:09}.ack"


def document_name(order_id: str, kind: str, number: str) -> str:
    """The file of an order's document: `ORDER_KIND_NUMBER.pdf`, of letters, digits, dots and hyphens alone.

    Raises:
        ValueError: nothing of one of them is left, or it is too long for a file's name.
    """
    parts = [re.sub(r"[^A-Za-z0-9.-]+", "-", part).strip("-.") for part in (order_id, kind, number)]
    if not all(parts) or sum(map(len, parts)) > 200:
        raise ValueError("order, kind and number must name a file")
    return "_".join(parts) + ".pdf"


def number_of(name: str) -> int | None:
    """The number in the name of a change set or an answer; None where it is neither."""
    found = re.fullmatch(r"stock-([0-9]{9,18})\.(?:csv|ack)", name)
    return int(found[1]) if found else None


def refusal(sku: str) -> str | None:
    """Why a SKU can't be written; None where it can, unchanged.

    A till must get each SKU as it is, and a person who opens the file in a spreadsheet must not run what came from outside
    (I-48). Both hold for `-40-BLACK` and `+A1`, which call nothing; what does call something is not sent.
    """
    if CONTROL.search(sku):
        return "a control character in the SKU"
    if FORMULA.match(sku) and not HARMLESS.fullmatch(sku):
        return "a spreadsheet would run this SKU as a formula"
    return None


def change_set(updates: Sequence[StockUpdate], number: int, generated_at: datetime) -> bytes:
    """A change set: UTF-8, commas, a header, CRLF. Each row stands for itself, also in a file that was joined from several."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    same = (number, len(updates), generated_at.isoformat(timespec="seconds"))
    writer.writerows((update.variant_id, update.quantity, update.version, *same) for update in updates)
    return text.getvalue().encode()


def read_skus(content: bytes) -> list[str]:
    """The SKUs of one of our change sets, in its order."""
    return [row["sku"] for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]


def is_complete(answer: bytes) -> bool:
    """Whether an answer is known to be whole by itself: `ok` and the line's end. Of others only time tells."""
    return answer.removeprefix(b"\xef\xbb\xbf").strip(b" \t").lower() in (b"ok\n", b"ok\r\n")


def read_answer(content: bytes, skus: Sequence[str]) -> dict[str, StockResult]:
    """What a store says of single items; those that it does not name are set.

    Empty, or `ok` alone: all are set. Else rows of sku, result and, if wanted, detail, with or without that header.

    Raises:
        UnreadableError: anything else.
    """
    known = frozenset(skus)
    told: dict[str, StockResult] = {}
    for line, row in _rows(content):
        if line == 1 and [field.strip().lower() for field in row] == ["ok"]:
            return _nothing_follows(content)
        if line == 1 and [field.strip().lower() for field in row[:2]] == ["sku", "result"]:
            continue
        if len(row) not in (2, 3):
            raise UnreadableError(line, "sku,result or sku,result,detail is expected")
        result = _result(line, row, known)
        if told.setdefault(result.variant_id, result).outcome is not result.outcome:
            raise UnreadableError(line, "a SKU has another result than before")
    return told


def read_report(content: bytes) -> dict[str, OfferedStock]:
    """What a store shows, by SKU: columns sku, quantity and, if wanted, version, with that header.

    Raises:
        UnreadableError: anything else, or a SKU twice.
    """
    rows = _rows(content)
    _, header = next(rows, (1, []))
    columns = [field.strip().lower() for field in header]
    if columns not in (["sku", "quantity"], ["sku", "quantity", "version"]):
        raise UnreadableError(1, "the header sku,quantity or sku,quantity,version is expected")
    shown: dict[str, OfferedStock] = {}
    for line, row in rows:
        if len(row) != len(columns):
            raise UnreadableError(line, f"{len(columns)} fields are expected")
        version = _whole(line, row[2]) if len(row) == 3 and row[2].strip() else None
        if row[0] in shown:
            raise UnreadableError(line, "a SKU is there twice")
        shown[row[0]] = OfferedStock(row[0], _whole(line, row[1]), version)
    return shown


def _nothing_follows(content: bytes) -> dict[str, StockResult]:
    more = [line for line, _ in _rows(content) if line > 1]
    if more:
        raise UnreadableError(more[0], "nothing is expected behind ok")
    return {}


def _result(line: int, row: Sequence[str], known: frozenset[str]) -> StockResult:
    if row[0] not in known:
        raise UnreadableError(line, "a SKU that the change set does not have")
    outcome = OUTCOMES.get(row[1].strip().lower())
    if outcome is None:
        raise UnreadableError(line, f"one of the results {', '.join(OUTCOMES)} is expected")
    detail = CONTROL.sub("", row[2])[:LONGEST_DETAIL] if len(row) == 3 else ""
    return StockResult(row[0], outcome, detail)


def _rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line where each ends, without empty ones."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(content.count(b"\n", 0, error.start) + 1, "UTF-8 is expected") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield reader.line_num, row
    except csv.Error:
        raise UnreadableError(reader.line_num, "fields separated by commas are expected, quotes that close") from None


def _whole(line: int, text: str) -> int:
    if not WHOLE.fullmatch(text.strip()):
        raise UnreadableError(line, "a whole number is expected")
    return int(text)
