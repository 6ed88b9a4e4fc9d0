"""Files of movements: each once by its content, bad rows in quarantine by their number, nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.stock import files, movements
from cloudsales_pipeline.stock.files import FileResult, load_file, read_quantity
from cloudsales_pipeline.stock.movements import Movement, post
from tests.stock.shelf import NOON, levels, receipt, rows, stock_world

HEADER = "reference,warehouse,sku,reason,quantity,occurred_at\n"
ZONE = "Europe/Bucharest"


@pytest.fixture(autouse=True)
def world(engine: Engine) -> None:
    stock_world(engine)


def load(engine: Engine, path: Path, text: str, channel: str = "") -> FileResult:
    path.write_text(text, encoding="utf-8")
    return load_file(engine, path, timezone=ZONE, channel=channel)


def test_good_rows_are_posted_and_each_bad_one_waits_with_its_number_reason_and_evidence(engine: Engine, tmp_path: Path) -> None:
    text = HEADER + (
        "NIR-1,CENTRAL,R-1,receipt,10,2026-11-20 09:00\n"
        "NIR-2,CENTRAL,R-2,receipt,2.5,\n"
        "NIR-3,CENTRAL,R-9,receipt,1,\n"
        "NIR-4,MOON,R-1,receipt,1,\n"
        "BON-1,CENTRAL,R-1,sale,3.0,2026-11-20T10:00:00+02:00\n"
        "BON-2,CENTRAL,R-1,sale,1,yesterday\n"
        "BON-3,CENTRAL,R-1\n"
        "NIR-5,CENTRAL,R-1,receipt,1000000000000,\n"
        "NIR-6,CENTRAL,R-1,receipt,5,2090-01-01\n"
    )
    result = load(engine, tmp_path / "moves.csv", text)
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined) == (9, 2, 0, 7)
    assert levels(engine) == {("CENTRAL", "R-1"): (7, 0)}
    held = rows(engine, "select reference, reason from analytics.quarantine where stage = 'stock' order by reference")
    assert held == [
        ("moves.csv:10", "future_date"),
        ("moves.csv:3", "quantity_fraction"),
        ("moves.csv:4", "unknown_sku"),
        ("moves.csv:5", "unknown_warehouse"),
        ("moves.csv:7", "bad_time"),
        ("moves.csv:8", "too_few_fields"),
        ("moves.csv:9", "quantity_too_large"),
    ]
    assert (
        rows(engine, "select occurred_at at time zone 'UTC' from analytics.stock_movement order by 1")[0][0].hour == 7
    )  # 09:00 in Bucharest


def test_f38_a_row_with_a_nul_waits_and_says_that_it_has_one(engine: Engine, tmp_path: Path) -> None:
    result = load(engine, tmp_path / "moves.csv", HEADER + "NIR-\x001,CENTRAL,R-1,receipt,1,\nNIR-2,CENTRAL,R-1,receipt,1,\n")
    assert (result.loaded, [one.reason for one in result.refused]) == (1, ["nul_character"])
    assert "a character that is none" in str(result.refused[0].detail["what"])


def test_f30_the_same_content_under_another_name_does_nothing(engine: Engine, tmp_path: Path) -> None:
    text = HEADER + "NIR-1,CENTRAL,R-1,receipt,10,\n"
    first = load(engine, tmp_path / "a.csv", text)
    again = load(engine, tmp_path / "b.csv", text)
    assert (again.taken_before, again.file_id, again.loaded) == (True, first.file_id, 1)
    assert levels(engine) == {("CENTRAL", "R-1"): (10, 0)}


def test_a_corrected_file_posts_the_line_that_waited_and_its_quarantine_is_settled(engine: Engine, tmp_path: Path) -> None:
    bad = HEADER + "NIR-1,CENTRAL,R-1,receipt,10,\nNIR-1,CENTRAL,R-2,receipt,x,\n"
    assert load(engine, tmp_path / "a.csv", bad).quarantined == 1
    better = load(engine, tmp_path / "b.csv", bad.replace(",x,", ",4,"))
    assert (better.loaded, better.unchanged, better.quarantined) == (1, 1, 0)
    assert levels(engine) == {("CENTRAL", "R-1"): (10, 0), ("CENTRAL", "R-2"): (4, 0)}
    assert rows(engine, "select count(*) from analytics.quarantine where resolved_at is null") == [(0,)]
    assert rows(engine, "select line from analytics.stock_movement where reference = 'NIR-1' order by 1") == [(1,), (2,)]


def test_a_file_whose_last_quote_never_closes_posts_nothing_and_says_so(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cut\.csv can't be read as CSV"):
        load(engine, tmp_path / "cut.csv", HEADER + 'NIR-1,CENTRAL,R-1,receipt,10,\nNIR-2,CENTRAL,"R-')
    assert levels(engine) == {}
    assert rows(engine, "select count(*) from cloudsales.stock_file") == [(0,)]


def test_a_spreadsheet_with_a_merged_title_above_its_header_is_refused_by_its_columns(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "merged.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.merge_range("A1:E1", "Mișcări de stoc")
        sheet.write_row(1, 0, ["reference", "warehouse", "sku", "reason", "quantity"])
        sheet.write_row(2, 0, ["NIR-1", "CENTRAL", "R-1", "receipt", 5])
    with pytest.raises(InputError, match="has no column reference"):
        load_file(engine, path, timezone=ZONE)


def test_a_spreadsheet_of_plain_rows_is_posted(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "plain.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["reference", "warehouse", "sku", "reason", "quantity"])
        sheet.write_row(1, 0, ["NIR-1", "CENTRAL", "R-1", "receipt", 5])
        sheet.write_row(2, 0, ["BON-1", "CENTRAL", "R-1", "sale", 2])
    assert load_file(engine, path, timezone=ZONE).loaded == 2
    assert levels(engine) == {("CENTRAL", "R-1"): (3, 0)}


def test_i44_a_files_counts_are_on_its_row_and_in_the_summary(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path / "a.csv", HEADER + "NIR-1,CENTRAL,R-1,receipt,10,\nNIR-2,CENTRAL,R-9,receipt,1,\n")
    assert rows(engine, "select name, state, rows_in, loaded, unchanged, quarantined from analytics.stock_file") == [
        ("a.csv", "taken", 2, 1, 0, 1)
    ]
    assert rows(engine, "select stage, rows_in, loaded, quarantined from analytics.run_summary") == [("stock", 2, 1, 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", (3, None)),
        ("3.0", (3, None)),
        ("-2", (-2, None)),
        ("2.5", (0, "quantity_fraction")),
        ("2,5", (0, "quantity_fraction")),
        ("1e12", (0, "bad_quantity")),
        ("", (0, "bad_quantity")),
        ("3 buc", (0, "bad_quantity")),
    ],
)
def test_a_quantity_is_a_whole_number_of_pieces(text: str, expected: tuple[int, str | None]) -> None:
    assert read_quantity(text) == expected


def test_a_bad_row_beside_a_good_one_of_the_same_document_and_product_stays_in_quarantine(engine: Engine, tmp_path: Path) -> None:
    load(engine, tmp_path / "a.csv", HEADER + "NIR-1,CENTRAL,R-1,receipt,5,\nNIR-1,CLUJ,R-1,receipt,x,\n")
    held = rows(engine, "select reference, reason from analytics.quarantine where resolved_at is null")
    assert held == [("a.csv:3", "bad_quantity")]


def test_i10_two_like_lines_of_which_one_waited_are_posted_once_each_when_the_document_comes_again(
    engine: Engine, tmp_path: Path
) -> None:
    document = "BON-1,CENTRAL,R-1,sale,3,\nBON-1,CENTRAL,R-1,sale,3,\n"
    load(engine, tmp_path / "a.csv", HEADER + "NIR-1,CENTRAL,R-1,receipt,4,\n" + document)
    assert levels(engine) == {("CENTRAL", "R-1"): (1, 0)}
    again = load(engine, tmp_path / "b.csv", HEADER + "NIR-2,CENTRAL,R-1,receipt,4,\n" + document)
    assert (again.loaded, again.unchanged, again.quarantined) == (2, 1, 0)
    assert levels(engine) == {("CENTRAL", "R-1"): (2, 0)}


def test_i10_a_file_whose_document_another_posts_at_this_moment_is_taken_in_and_posts_it_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that the two break asks for another try of the whole file, which then finds the document (F-21)."""
    post(engine, [receipt("NIR-1", "R-1", 10)])
    meanwhile = [[Movement("BON-1", "CENTRAL", "R-1", "sale", 1, NOON)]]
    lock = movements.lock_levels

    def lock_after_another(*given: Any) -> Any:
        if meanwhile:
            post(engine, meanwhile.pop())
        return lock(*given)

    monkeypatch.setattr(movements, "lock_levels", lock_after_another)
    result = load(engine, tmp_path / "a.csv", HEADER + "BON-1,CENTRAL,R-1,sale,1,\nBON-2,CENTRAL,R-1,sale,2,\n", channel="cluj")
    assert (result.loaded, result.unchanged, result.quarantined, result.taken_before) == (1, 1, 0, False)
    assert levels(engine) == {("CENTRAL", "R-1"): (7, 0)}


def test_f30_a_file_that_is_still_written_while_it_is_read_is_refused_whole(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.csv"
    read = files.read_rows

    def read_while_it_grows(file: Path, **how: Any) -> list[Any]:
        found = list(read(file, **how))
        with file.open("a", encoding="utf-8") as more:
            more.write("NIR-2,CENTRAL,R-1,receipt,1,\n")
        return found

    monkeypatch.setattr(files, "read_rows", read_while_it_grows)
    with pytest.raises(RefusedError, match="changed while it was read"):
        load(engine, path, HEADER + "NIR-1,CENTRAL,R-1,receipt,10,\n")
    assert levels(engine) == {}
