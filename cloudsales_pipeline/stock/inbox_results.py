"""The file that says what became of a dropped file, for the people of the store: row by row what was held, and what to do.

What belongs here: its text, as a pure function. What does not: where it lies (`inbox`). It holds row numbers, reason codes and
our own words, and of the dropped file nothing but its name: it carries no personal data, and nothing runs in a spreadsheet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

SUFFIX = ".result.csv"
COLUMNS = ("row", "result", "what_to_do")
AGAIN = "correct the row and drop a file with it"
ADVICE = {
    "unknown_sku": "no product has this SKU, EAN or additional code, or two have it: have it added, then drop the row again",
    "unknown_warehouse": "no such warehouse: correct its name, or have it added, then drop the row again",
    "unknown_reason": "write receipt, sale, return, adjustment, count, transfer_in or transfer_out",
    "bad_reference": "give the row the number of its document, 1 to 200 characters",
    "quantity_fraction": "write a whole number of pieces",
    "bad_quantity": "write a whole number of pieces",
    "quantity_too_large": "at most a million pieces in one movement",
    "negative_quantity": "write it without a sign; only an adjustment has one",
    "zero_quantity": "only a count may be zero",
    "future_date": "look at the till's clock",
    "bad_time": "write the time as 2026-11-24 18:30",
    "not_enough_stock": "the ledger has less than that: drop the receipt that is missing, or a count, then the row again",
    "not_enough_available": "orders hold it: release them first",
    "count_contradicted": "less was found than was sold since: one of the two is wrong",
    "transfer_incomplete": "both sides of a transfer must stand in one file, with equal pieces",
    "reference_reused": "this document was posted with other content: give a correction a number of its own",
    "too_few_fields": "the row does not fit the header: was the file cut? Drop the whole file again",
    "too_many_fields": "the row does not fit the header: a comma too many, or a quote that is missing",
    "nul_character": "the row has a character that is none: write the file again",
    "unfinished_line": "the last line has no end, so it may be cut: drop the whole file again, each line with its end",
}
WHOLE = "write CSV (UTF-8) or XLSX with the header reference, warehouse, sku, reason, quantity in its first row, and drop it"


def result_name(archived: str) -> str:
    """The result's name beside a file: `sales.csv` has `sales.csv.result.csv`; a long name is cut to fit."""
    room = 255 - len(SUFFIX)
    return archived.encode()[:room].decode(errors="ignore") + SUFFIX


def taken(rows_in: int, loaded: int, unchanged: int, held: Sequence[tuple[int, str]], *, before: str = "") -> bytes:
    """The result of a file that was read: a line for the file, and one for each row (number, reason) that was held.

    `before`: what to say of an earlier time that the same content came.
    """
    told = f"{rows_in} rows: {loaded} taken, {unchanged} there before, {rows_in - loaded - unchanged} held"
    first = ("", "taken before" if before else "taken", f"{before}; {told}" if before else told)
    return _csv([first, *((row, reason, ADVICE.get(reason, AGAIN)) for row, reason in held)])


def refused(refusal: str) -> bytes:
    """The result of a file that could not be read as a whole."""
    return _csv([("", "refused", f"{refusal} Nothing of it was taken. {WHOLE[0].upper()}{WHOLE[1:]}.")])


def _csv(rows: Sequence[tuple[object, ...]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()
