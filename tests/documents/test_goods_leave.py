"""Goods leave with their invoice, or when a scan says that they are right: in one transaction with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.database.migrate import register_channels
from cloudsales_pipeline.documents.issuing import issue_due
from cloudsales_pipeline.documents.scans import check_goods, dropped_scans
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.purchasing.receipts import dropped_receipts
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.stock.files import FileCounts, take_file
from tests.documents.office import NOON, ON_STOCK, broken, documents, office, quarantined
from tests.orders.market import line, lines_of, market, order, receive, statuses
from tests.stock.drops import drop, outcomes, take, with_inbox
from tests.stock.shelf import receipt, rows


def stock(engine: Engine) -> tuple[object, ...]:
    return tuple(rows(engine, "select on_hand, reserved from analytics.stock_level where sku = 'R-1'")[0])


def left(engine: Engine) -> list[tuple[object, ...]]:
    return rows(engine, "select reference, quantity from cloudsales.stock_movement where reason = 'sale' order by movement_id")


def scanned(engine: Engine, made: Settings, folder: Path, *ids: str, name: str = "scan.csv", head: str = "order") -> FileCounts:
    file = folder / name
    file.write_text("\n".join((head, *ids, "")))
    found = dropped_scans(made, now=lambda: NOON)(file, "fashionup")
    assert found is not None
    counts = take_file(engine, file, "fashionup", found[1], stage=found[0])
    assert counts is not None
    return counts


def test_with_the_fiscal_invoice_goods_leave_and_the_order_is_issued(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    made = office(settings, ON_STOCK, goods_leave_on="fiscal_invoice")
    receive(engine, order("FO1", line("R-1", 2)))
    issue_due(engine, made, now=NOON)
    assert left(engine) == [("invoice:FU 1", -2)]
    assert (stock(engine), statuses(engine)) == ((3, 0), {"FO1": "issued"})
    one = "select count(distinct m.xmin::text) from (select xmin from cloudsales.document union all select xmin from cloudsales.stock_movement where reason = 'sale') m"
    assert rows(engine, one) == [(1,)]  # one transaction wrote both
    issue_due(engine, made, now=NOON)
    assert (len(left(engine)), len(documents(engine))) == (1, 1)


def test_an_invoice_that_fails_takes_no_goods_along(engine: Engine, settings: Settings, owner_engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1", 2)))
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("alter table cloudsales.event add check (kind <> 'document_issued')")
    made = office(settings, ON_STOCK, goods_leave_on="fiscal_invoice")
    assert issue_due(engine, made, now=NOON).refused == 1
    assert (stock(engine), left(engine), documents(engine)) == ((5, 2), [], [])
    assert quarantined(engine) == [("FO1", "issue_failed")]


@pytest.mark.parametrize(("leave_on", "gone"), [("command", []), ("scan", [("scan:fashionup/FO1", -2)])])
def test_checked_goods_are_a_fact_of_rules_and_leave_where_the_settings_say_so(
    engine: Engine, settings: Settings, leave_on: str, gone: Sequence[object]
) -> None:
    market(engine, {"R-1": 5})
    checked = {"issue": "fiscal_invoice", "when": "goods_checked"}
    made = office(settings, checked, goods_leave_on=leave_on)
    receive(engine, order("FO1", line("R-1", 2)))
    assert issue_due(engine, made, now=NOON).fiscal_invoices == 0
    assert check_goods(engine, made, "fashionup", "FO1", now=NOON)
    assert not check_goods(engine, made, "fashionup", "FO1", now=NOON)
    assert left(engine) == gone
    assert issue_due(engine, made, now=NOON).fiscal_invoices == 1
    with pytest.raises(InputError, match="no order FO9"):
        check_goods(engine, made, "fashionup", "FO9")


def test_a_scan_file_checks_its_orders_and_holds_the_rows_that_name_none(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    """I-44, F-30: once by its content."""
    market(engine, {"R-1": 5}, channels=("fashionup", "magazin"))
    made = office(settings, {"issue": "fiscal_invoice", "when": "goods_checked"}, goods_leave_on="scan")
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    receive(engine, order("M1", line("R-1")), channel="magazin")
    counts = scanned(engine, made, tmp_path, "FO1,", "GHOST,", "M1,magazin", "FO1,", head="Comanda,Canal")
    assert counts == FileCounts(rows_in=4, loaded=2, unchanged=1, quarantined=1)
    assert [tuple(one) for one in left(engine)] == [("scan:fashionup/FO1", -1), ("scan:magazin/M1", -1)]
    assert statuses(engine) == {"FO1": "issued", "FO2": "new", "M1": "issued"}
    held = rows(engine, "select reference, reason, detail ->> 'order' from cloudsales.quarantine where resolved_at is null")
    assert [(str(reference).split(" (")[0], reason, named) for reference, reason, named in held] == [
        ("scan.csv", "unknown_order", "GHOST")
    ]
    again = dropped_scans(made)(tmp_path / "scan.csv", "fashionup")
    assert again is not None
    assert take_file(engine, tmp_path / "scan.csv", "fashionup", again[1], stage="documents") is None
    receive(engine, order("GHOST", line("R-1"), minutes=2))
    assert scanned(engine, made, tmp_path, "GHOST", name="scan2.csv").loaded == 1  # it came after all, and was scanned again
    assert quarantined(engine) == []


def test_a_second_scan_takes_along_what_came_later(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    from cloudsales_pipeline.orders.serving import serve
    from cloudsales_pipeline.stock.movements import post

    market(engine, {"R-1": 1})
    made = office(settings, goods_leave_on="scan")
    receive(engine, order("FO1", line("R-1", 3)))
    assert scanned(engine, made, tmp_path, "FO1").loaded == 1
    post(engine, [receipt("more", "R-1", 2)], then=serve)
    assert scanned(engine, made, tmp_path, "FO1", "", name="scan2.csv").loaded == 1
    assert left(engine) == [("scan:fashionup/FO1", -1), ("scan:fashionup/FO1:1", -2)]
    assert lines_of(engine) == {"fashionup/FO1/1": (3, 0, 0, 3, 0)}


def test_other_files_are_not_scans_and_a_cut_row_is_held(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    made = office(settings)
    read = dropped_scans(made)
    for name, text in (
        ("stock.csv", "reference,warehouse,sku,reason,quantity\nA,B,C,sale,1\n"),
        ("receptie.csv", "supplier,reference,sku,quantity,order\nA,B,C,1,O-1\n"),
    ):
        (tmp_path / name).write_text(text)
        assert read(tmp_path / name, "fashionup") is None
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")), order("FO12", line("R-1"), minutes=1))
    (tmp_path / "scan.csv").write_text("order\nFO12\nFO1")  # was to become FO12, or FO1, who knows
    found = read(tmp_path / "scan.csv", "fashionup")
    assert found is not None
    counts = take_file(engine, tmp_path / "scan.csv", "fashionup", found[1], stage=found[0])
    assert counts == FileCounts(rows_in=2, loaded=1, unchanged=0, quarantined=1)
    checked = rows(engine, "select external_id from cloudsales.sales_order where goods_checked_at is not null")
    assert checked == [("FO12",)]


def test_an_order_that_is_cancelled_or_held_keeps_its_goods_when_scanned(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    made = office(settings, goods_leave_on="scan")
    receive(engine, order("FO1", line("R-1"), status="cancelled"), order("FO2", line("R-1"), status="unknown", minutes=1))
    for name in ("FO1", "FO2"):
        check_goods(engine, made, "fashionup", name, now=NOON + timedelta(hours=1))
    assert left(engine) == []
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from cloudsales.sales_order where status = 'issued'")) == 0
    assert broken(engine) == {}


def test_a_scan_file_in_a_store_s_inbox_is_told_from_movements_and_deliveries(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    market(engine, {"R-1": 5})
    made = with_inbox(office(settings, goods_leave_on="scan"), str(tmp_path))
    with engine.begin() as connection:
        register_channels(connection, made)
    receive(engine, order("FO1", line("R-1", 2)))
    drop(tmp_path, "verificat.csv", "FO1,fashionup", header="nr_comanda,canal\n")
    drop(tmp_path, "till.csv", "T-1,CENTRAL,R-1,sale,1,")
    drop(tmp_path, "nir.csv", "acme,N-1,R-1,4", header="supplier,reference,sku,quantity\n")
    result = take(engine, made, others=[dropped_receipts(made), dropped_scans(made)])
    assert outcomes(result) == {"verificat.csv": "taken", "till.csv": "taken", "nir.csv": "taken"}
    assert statuses(engine) == {"FO1": "issued"}
    assert sorted(str(reference) for reference, _ in left(engine)) == ["T-1", "scan:fashionup/FO1"]
    assert rows(engine, "select stage from cloudsales.run_summary where channel = 'cluj' and stage = 'documents'") == [
        ("documents",)
    ]
