"""Deliveries: stock, who waited, what is still to come, and rows that can't be received."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.purchasing.allotting import Allotted, OpenLine, Piece, allot
from cloudsales_pipeline.purchasing.receipts import ReceiptResult, dropped_receipts, receive_file, write_off
from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.settings import Settings
from tests.killing import killed_at_each_step
from tests.orders.market import line, lines_of, market, order, receive
from tests.purchasing.bought import ordered, with_suppliers
from tests.stock.drops import only, tree, with_inbox
from tests.stock.drops import take as take_inbox
from tests.stock.shelf import ledger_sums, levels, rows

HEADER = "supplier,reference,sku,quantity,order,warehouse,occurred_at\n"
ANA, ION, EVA = "fashionup/FO1/1", "fashionup/FO2/1", "fashionup/FO3/1"


@pytest.fixture
def shop(engine: Engine, settings: Settings) -> Settings:
    """Three orders wait for R-1 (3, 2 and 4 pieces, oldest first); CF-…1 asks for 5 of R-1 and 2 of R-2, CF-…2 for 6 of R-1."""
    chosen = with_suppliers(settings, responsible_email="achizitii@fashionup.example")
    market(engine, {}, more=("R-1", "R-2", "R-3"))
    sync_suppliers(engine, chosen)
    orders = [order(f"FO{number}", line("R-1", pieces), minutes=number) for number, pieces in ((1, 3), (2, 2), (3, 4))]
    receive(engine, *orders)
    ordered(
        engine,
        "CF-2026-000001",
        [{"sku": "R-1", "quantity": 5, "ties": {ANA: 3, ION: 2}}, {"sku": "R-2", "quantity": 2, "required": 0}],
    )
    ordered(engine, "CF-2026-000002", [{"sku": "R-1", "quantity": 6, "required": 4, "ties": {EVA: 4}}], on=NEXT_DAY)
    return chosen


NEXT_DAY = date(2026, 11, 21)


def bring(engine: Engine, settings: Settings, folder: Path, *lines: str, name: str = "aviz.csv") -> ReceiptResult:
    path = folder / name
    path.write_text(HEADER + "".join(f"{one}\n" for one in lines), encoding="utf-8")
    return receive_file(engine, settings, path)


def ties(engine: Engine) -> list[tuple[Any, ...]]:
    """(owner, order, quantity, received, withdrawn)."""
    return rows(
        engine,
        "select l.owner, o.number, r.quantity, r.received, r.withdrawn from cloudsales.requirement r join cloudsales.sales_order_line l using (line_id)"
        " join cloudsales.supplier_order_line s using (supplier_order_line_id) join cloudsales.supplier_order o using (supplier_order_id) order by r.requirement_id",
    )


def outstanding(engine: Engine) -> dict[tuple[str, str], tuple[int, int, int]]:
    """(order, sku) → (received, written off, outstanding)."""
    found = rows(
        engine, "select number, sku, received, written_off, outstanding from analytics.supplier_order_line order by 1, 2"
    )
    return {(number, sku): tuple(figures) for number, sku, *figures in found}  # type: ignore[misc]


def held(engine: Engine) -> list[tuple[str, str]]:
    return rows(  # type: ignore[return-value]
        engine,
        "select reference, reason from cloudsales.quarantine where stage = 'purchasing' and resolved_at is null order by 1, 2",
    )


def test_i30_what_comes_goes_to_the_oldest_waiting_lines_first(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    result = bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,4,,,")
    assert (result.pieces, result.served, result.over, result.unordered) == (4, 4, 0, 0)
    assert {owner: figures[1:3] for owner, figures in lines_of(engine).items()} == {ANA: (3, 0), ION: (1, 1), EVA: (0, 4)}
    assert ties(engine) == [
        (ANA, "CF-2026-000001", 3, 3, 0),
        (ION, "CF-2026-000001", 2, 1, 0),
        (EVA, "CF-2026-000002", 4, 0, 0),
    ]
    assert outstanding(engine)["CF-2026-000001", "R-1"] == (4, 0, 1)
    assert levels(engine) == {("CENTRAL", "R-1"): (4, 4)}
    assert rows(engine, "select quantity from cloudsales.open_requirement") == []


def test_a_delivery_over_two_orders_fills_the_oldest_and_the_rest_is_over(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    result = bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,13,,,", "nord,AVZ-1,R-3,5,,,")
    assert (result.rows_in, result.loaded, result.pieces, result.over, result.unordered, result.served) == (2, 2, 18, 2, 5, 9)
    assert outstanding(engine)["CF-2026-000001", "R-1"] == (5, 0, 0)
    assert outstanding(engine)["CF-2026-000002", "R-1"] == (6, 0, 0)
    assert rows(engine, "select sku, kind, quantity, supplier_order from analytics.goods_receipt order by 1, 2, 3") == [
        ("R-1", "ordered", 5, "CF-2026-000001"),
        ("R-1", "ordered", 6, "CF-2026-000002"),
        ("R-1", "over", 2, None),
        ("R-3", "unordered", 5, None),
    ]


def test_i10_f30_the_same_delivery_again_under_another_name_does_nothing(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,4,,,")
    before = ledger_sums(engine), ties(engine), outstanding(engine)
    again = bring(engine, shop, tmp_path, "Țesătura Nordului SRL,AVZ-1,R-1,4,,,", name="again.csv")
    assert (again.loaded, again.unchanged, again.quarantined, again.pieces) == (0, 1, 0, 0)
    assert (ledger_sums(engine), ties(engine), outstanding(engine)) == before
    assert rows(engine, "select count(*) from personal.message") == [(1,)]


def test_the_same_reference_with_other_pieces_is_refused_and_says_what_was_received(
    engine: Engine, shop: Settings, tmp_path: Path
) -> None:
    bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,4,,,")
    other = bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,5,,,", name="other.csv")
    assert (other.quarantined, [one.reason for one in other.held], other.held[0].detail["received"]) == (
        1,
        ["reference_reused"],
        4,
    )
    assert ledger_sums(engine) == {("CENTRAL", "R-1"): 4}


def test_rows_that_can_not_be_received_wait_by_their_number_and_the_rest_is_received(
    engine: Engine, shop: Settings, tmp_path: Path
) -> None:
    result = bring(
        engine, shop, tmp_path,
        "nord,AVZ-1,R-1,4,,,", "nord,AVZ-1,R-2,two,,,", "nobody,X-1,R-1,1,,,", "nord,AVZ-1,R-9,1,,,",
        "nord,AVZ-1,R-2,1,CF-2026-000099,,", "nord,AVZ-1,R-2,1,,CLUJ,", "nord,AVZ-1,R-2,-1,,,", "nord,,R-2,1,,,", "nord,AVZ-1,R-2,1,,,never",
    )  # fmt: skip
    assert (result.rows_in, result.loaded, result.quarantined) == (9, 1, 8)
    assert held(engine) == [
        ("aviz.csv:10", "bad_time"),
        ("aviz.csv:3", "bad_quantity"),
        ("aviz.csv:4", "unknown_supplier"),
        ("aviz.csv:5", "unknown_sku"),
        ("aviz.csv:6", "unknown_order"),
        ("aviz.csv:7", "other_warehouse"),
        ("aviz.csv:8", "negative_quantity"),
        ("aviz.csv:9", "bad_reference"),
    ]
    assert ledger_sums(engine) == {("CENTRAL", "R-1"): 4}


def test_a_row_that_was_held_follows_when_the_file_comes_corrected(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,4,,,", "nord,AVZ-1,R-2,two,,,")
    result = bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,4,,,", "nord,AVZ-1,R-2,2,,,", name="right.csv")
    assert (result.loaded, result.unchanged, result.quarantined) == (1, 1, 0)
    assert ledger_sums(engine) == {("CENTRAL", "R-1"): 4, ("CENTRAL", "R-2"): 2}
    assert held(engine) == []
    assert rows(engine, "select count(*) from cloudsales.goods_receipt") == [(1,)]
    assert bring(engine, shop, tmp_path, "nord,AVZ-1,R-2,2,,,", name="third.csv").unchanged == 1


def test_a_named_order_gets_its_pieces_though_an_older_one_lacks_them(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,6,CF-2026-000002,,")
    assert outstanding(engine)["CF-2026-000001", "R-1"] == (0, 0, 5)
    assert outstanding(engine)["CF-2026-000002", "R-1"] == (6, 0, 0)
    # the oldest lines were served all the same, so what is tied to the older order has gone over to who still waits
    assert {owner: figures[1:3] for owner, figures in lines_of(engine).items()} == {ANA: (3, 0), ION: (2, 0), EVA: (1, 3)}
    assert rows(engine, "select sum(outstanding) from cloudsales.requirement where outstanding > 0") == [(3,)]


def test_romanian_headers_and_a_spreadsheet_are_read(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    path = tmp_path / "recepție.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Furnizor", "Nr. aviz", "Cod", "Cantitate", "Gestiune", "Data recepției"])
        sheet.write_row(1, 0, ["NORD", "AVZ-7", "R-2", 2.0, "CLUJ", "24.11.2026"])
    assert receive_file(engine, shop, path).loaded == 1
    assert (
        rows(engine, "select warehouse, occurred_at at time zone 'Europe/Bucharest' from cloudsales.goods_receipt")[0][0]
        == "CLUJ"
    )


def test_the_responsible_person_reads_what_came_what_is_missing_and_which_orders_were_served(
    engine: Engine, shop: Settings, tmp_path: Path
) -> None:
    bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,4,,,", "nord,AVZ-1,R-3,1,,,")
    ((kind, about, title, text),) = rows(engine, "select subject_kind, external_id, title, body_text from personal.message")
    assert (kind, about, title) == ("goods_receipt", "nord/AVZ-1", "Recepție nord AVZ-1: 5 bucăți")
    assert text == (
        "Au venit, din comenzi (4 buc.):\n  R-1: 4 buc.\n\nNecomandate (1 buc.):\n  R-3: 1 buc.\n\n"
        "Lipsesc încă din comenzile atinse (3 buc.):\n  CF-2026-000001: 3 buc.\n\n"
        "Au primit marfă comenzile (4 buc.):\n  fashionup/FO1: 3 buc.\n  fashionup/FO2: 1 buc.\n"
    )


def test_pieces_that_will_not_come_are_required_again(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    bring(engine, shop, tmp_path, "nord,AVZ-1,R-1,4,,,")
    written = write_off(engine, "CF-2026-000001")
    # one piece of R-1 was for Ion, who takes one of the two that CF-…2 has to spare
    assert (written.lines, written.pieces, written.required_again) == (2, 3, 0)
    assert outstanding(engine)["CF-2026-000001", "R-2"] == (0, 2, 0)
    second = write_off(engine, "CF-2026-000002", "R-1")
    assert (second.pieces, second.required_again) == (6, 5)
    assert rows(engine, "select sum(quantity) from cloudsales.open_requirement") == [(5,)]
    assert write_off(engine, "CF-2026-000001").pieces == 0
    with pytest.raises(InputError, match="no supplier order CF-9"):
        write_off(engine, "CF-9")


def test_i41_killed_at_any_statement_a_delivery_is_received_once(
    engine: Engine, shop: Settings, database_url: URL, tmp_path: Path
) -> None:
    path = tmp_path / "aviz.csv"
    path.write_text(HEADER + "nord,AVZ-1,R-1,4,,,\nnord,AVZ-1,R-3,1,,,\nnord,AVZ-1,R-9,1,,,\n", encoding="utf-8")
    seen = set()
    for _step in killed_at_each_step(database_url, lambda fresh: receive_file(fresh, shop, path)):
        seen.add(
            (
                sum(ledger_sums(engine).values()),
                sum(one[3] for one in ties(engine)),
                rows(engine, "select count(*) from personal.message")[0][0],
            )
        )
    assert seen <= {(0, 0, 0), (5, 4, 1)}
    assert ledger_sums(engine) == {("CENTRAL", "R-1"): 4, ("CENTRAL", "R-3"): 1}
    assert rows(engine, "select count(*), sum(quantity) from cloudsales.goods_receipt_line") == [(2, 5)]


def test_a_store_drops_a_delivery_and_finds_its_result(engine: Engine, shop: Settings, tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    settings = with_inbox(shop, str(inbox))
    (inbox / "receptie-1.csv").write_text(
        "furnizor;referinta;sku;cantitate\nnord;AVZ-1;R-1;4\nnord;AVZ-1;R-9;1\n", encoding="utf-8"
    )
    (inbox / "sales.csv").write_text("reference,warehouse,sku,reason,quantity\nNIR-1,CENTRAL,R-2,receipt,3\n", encoding="utf-8")
    result = take_inbox(engine, settings, others=[dropped_receipts(settings)])
    assert {one.name: (one.outcome, one.loaded, one.quarantined) for one in result.files} == {
        "receptie-1.csv": ("taken", 1, 1),
        "sales.csv": ("taken", 1, 0),
    }
    assert [name for name in tree(inbox) if "receptie" in name] == ["archive/receptie-1.csv", "archive/receptie-1.csv.result.csv"]
    told = next(inbox.rglob("receptie-1.csv.result.csv")).read_text()
    assert "3,unknown_sku" in told
    (inbox / "renamed.csv").write_text("furnizor;referinta;sku;cantitate\nnord;AVZ-1;R-1;4\nnord;AVZ-1;R-9;1\n", encoding="utf-8")
    assert only(take_inbox(engine, settings, others=[dropped_receipts(settings)])).outcome == "taken_before"
    assert levels(engine)["CENTRAL", "R-1"] == (4, 4)


def test_pieces_go_to_the_oldest_line_and_one_that_names_its_order_goes_first() -> None:
    lines = [OpenLine(1, "nord", 7, "A", 5), OpenLine(2, "nord", 7, "B", 4)]
    nir = ("nord", "1")
    assert allot([Piece(nir, 7, 6), Piece(nir, 7, 4, "B")], lines) == [
        Allotted(nir, 7, 4, 2),
        Allotted(nir, 7, 5, 1),
        Allotted(nir, 7, 1, None),
    ]
