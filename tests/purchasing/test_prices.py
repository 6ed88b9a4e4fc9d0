"""Price lists: what a file says, and what it can't."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.purchasing.prices import load_prices
from cloudsales_pipeline.settings import Settings
from tests.purchasing.buying import house, shelves
from tests.stock.shelf import rows

HEADER = "supplier,sku,price,currency,supplier_code,pack_size,minimum_quantity,lead_time_days,preferred,locked,valid_from,valid_until\n"


@pytest.fixture(autouse=True)
def world(engine: Engine, settings: Settings) -> None:
    ours = house(settings, {"acme": {"name": "Acme Trade"}, "moda": {}})
    shelves(engine, ours, {"R-1": None, "R-2": None, "00123": None})


def written(folder: Path, *lines: str, name: str = "prices.csv", header: str = HEADER) -> Path:
    file = folder / name
    file.write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def prices(engine: Engine) -> list[tuple[object, ...]]:
    return rows(
        engine,
        "select supplier, sku, price::text, currency, pack_size, minimum_quantity, lead_time_days, preferred, locked, valid_from::text,"
        " valid_until::text from analytics.supplier_price order by 1, 2, 10",
    )


def test_a_price_list_is_loaded_and_the_same_file_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "acme,R-1,12.50,,A-1,6,12,5,yes,,2026-01-01,",
        "ACME TRADE,r-1,13,EUR,A-1,6,,,da,nu,01.06.2026,2026-12-31",
        'moda,00123,"1.234,5",lei,,,,,,x,2026-01-01,',
    )
    first = load_prices(engine, file)
    assert (first.rows_in, first.loaded, first.unchanged, first.quarantined) == (3, 3, 0, 0)
    assert prices(engine) == [
        ("acme", "R-1", "12.5000", "RON", 6, 12, 5, True, False, "2026-01-01", None),
        ("acme", "R-1", "13.0000", "EUR", 6, None, None, True, False, "2026-06-01", "2026-12-31"),
        ("moda", "00123", "1234.5000", "RON", None, None, None, False, True, "2026-01-01", None),
    ]
    loaded_at = rows(engine, "select loaded_at from cloudsales.supplier_price order by price_id")
    again = load_prices(engine, file)
    assert (again.rows_in, again.loaded, again.unchanged, again.quarantined) == (3, 0, 3, 0)
    assert rows(engine, "select loaded_at from cloudsales.supplier_price order by price_id") == loaded_at


def test_rows_that_cant_be_used_are_held_with_their_row_and_reason_and_the_rest_is_loaded(engine: Engine, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "acme,R-1,10,RON,,,,,,,2026-01-01,",
        "nobody,R-1,10,RON,,,,,,,2026-01-01,",
        "acme,R-77,10,RON,,,,,,,2026-01-01,",
        "acme,R-2,10,RON,,0,,,,,2026-01-01,",
        "acme,R-2,10,RON,,,,-1,,,2026-01-01,",
        "acme,R-2,zece lei,RON,,,,,,,2026-01-01,",
        "acme,R-2,-1,RON,,,,,,,2026-01-01,",
        "acme,R-2,10,RON,,,doua,,,,2026-01-01,",
        "acme,R-2,10,RON,,,,,,,2026-02-30,",
        "acme,R-2,10,RON,,,,,,,2026-02-01,2026-01-01",
        "acme,R-2,10,RON,,,,,maybe,,2026-01-01,",
        "acme,R-2,10,R0N,,,,,,,2026-01-01,",
        "acme,R-2",
        "moda,R-2,10,RON,,,,,,,2026-01-01,",
        "moda,R-2,11,RON,,,,,,,2026-01-01,",
    )
    result = load_prices(engine, file)
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined) == (15, 1, 0, 14)
    held = [(one.row, one.reason) for one in result.refused]
    assert held == [
        (3, "unknown_supplier"),
        (4, "unknown_sku"),
        (5, "bad_pack_size"),
        (6, "bad_lead_time"),
        (7, "bad_price"),
        (8, "bad_price"),
        (9, "bad_quantity"),
        (10, "bad_date"),
        (11, "bad_date"),
        (12, "bad_flag"),
        (13, "bad_currency"),
        (14, "too_few_fields"),
        (15, "two_prices"),
        (16, "two_prices"),
    ]
    quarantined = rows(
        engine,
        "select reference, reason from cloudsales.quarantine where stage = 'purchasing' and resolved_at is null order by quarantine_id",
    )
    assert sorted(quarantined) == sorted((f"prices.csv:{row}", reason) for row, reason in held)


def test_a_corrected_file_changes_the_price_and_settles_what_was_held(engine: Engine, tmp_path: Path) -> None:
    load_prices(engine, written(tmp_path, "acme,R-1,10,,,0,,,,,2026-01-01,", "acme,R-2,10,,,,,,,,2026-01-01,"))
    result = load_prices(engine, written(tmp_path, "acme,R-1,10,,,5,,,,,2026-01-01,", "acme,R-2,11,,,,,,,,2026-01-01,"))
    assert (result.loaded, result.quarantined) == (2, 0)
    assert [row[2:5] for row in prices(engine)] == [("10.0000", "RON", 5), ("11.0000", "RON", None)]
    assert rows(engine, "select count(*) from cloudsales.quarantine where resolved_at is null") == [(0,)]


def test_the_same_row_twice_is_one_price(engine: Engine, tmp_path: Path) -> None:
    result = load_prices(engine, written(tmp_path, *["acme,R-1,10,,,,,,,,2026-01-01,"] * 2))
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined) == (2, 1, 1, 0)


def test_a_spreadsheet_is_read_as_a_csv_is(engine: Engine, tmp_path: Path) -> None:
    import datetime

    import xlsxwriter

    book = xlsxwriter.Workbook(tmp_path / "prices.xlsx")
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["Furnizor", "SKU", "Preț", "pack_size", "valid_from"])
    sheet.write_row(1, 0, ["acme", "00123", 9.5, 6])
    sheet.write_datetime(1, 4, datetime.datetime(2026, 1, 1), book.add_format({"num_format": "yyyy-mm-dd"}))  # noqa: DTZ001
    book.close()
    assert load_prices(engine, tmp_path / "prices.xlsx").loaded == 1
    assert prices(engine) == [("acme", "00123", "9.5000", "RON", 6, None, None, False, False, "2026-01-01", None)]


def test_a_file_without_a_needed_column_is_refused_whole(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"prices.csv has no column valid_from"):
        load_prices(engine, written(tmp_path, "acme,R-1", header="supplier,sku\n"))
