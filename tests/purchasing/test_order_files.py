"""A supplier order on paper and as a spreadsheet: what stands there, and that nothing of it is ever run."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from python_calamine import CalamineWorkbook
from sqlalchemy.engine import Engine

from cloudsales_pipeline.outbox.files import read_file
from cloudsales_pipeline.outbox.typesetting import make_picture
from cloudsales_pipeline.purchasing.order_files import TEMPLATE, Order, OrderLine, make_files, paper, pdf, xlsx
from cloudsales_pipeline.purchasing.wording import plain
from cloudsales_pipeline.settings import Settings
from tests.purchasing.bought import ordered, suppliers, with_suppliers
from tests.stock.shelf import rows, stock_world

FACTS: dict[str, Any] = {
    "buyer": {
        "name": "Fashion Up SRL",
        "tax_id": "RO12345678",
        "address": {"street": "Strada Fabricii 9", "city": "Cluj-Napoca"},
    },
    "supplier": {"name": "Țesătura Nordului SRL", "address": {}},
    "delivery": {"warehouse": "CENTRAL", "name": "Depozit central", "expected_on": "2026-11-27"},
}
EVIL = (
    '=HYPERLINK("http://evil.example","click")',
    "+40 pieces",
    "-2+3",
    "@SUM(A1)",
    "Rochie #panic() $x$ <script>alert(1)</script>",
)


def bought_line(position: int, name: str = "Rochie", **fields: Any) -> OrderLine:
    given = {
        "sku": f"R-{position}",
        "supplier_code": "",
        "pack_size": 1,
        "quantity": 2,
        "price": Decimal("10.005"),
        "currency": "RON",
    }
    return OrderLine(position=position, name=name, **(given | fields))


def an_order(*lines: OrderLine, language: str = "ro") -> Order:
    closed = datetime(2026, 11, 24, 16, 0, 3, tzinfo=UTC)
    return Order(1, "nord", "CF-2026-000001", date(2026, 11, 24), closed, language, FACTS, lines or (bought_line(1),))


def test_i34_the_same_order_gives_the_same_bytes_at_any_time() -> None:
    order = an_order(bought_line(1, "Cămașă țesută ș ț"), bought_line(2))
    assert pdf(order) == pdf(order)
    assert xlsx(order) == xlsx(order)
    assert pdf(order) != pdf(replace(order, number="CF-2026-000002"))


def test_value_is_rounded_half_up_by_line_and_summed_by_currency() -> None:
    order = an_order(
        bought_line(1, quantity=3, price=Decimal("0.335")),
        bought_line(2, quantity=1, price=Decimal("7"), currency="EUR"),
        bought_line(3, price=None),
    )
    assert order.totals() == {"RON": Decimal("1.01"), "EUR": Decimal("7.00")}
    sheet = paper(order)
    assert sheet["totals"] == [("Total bucăți", "6"), ("Total", "1,01 RON"), ("Total", "7,00 EUR")]
    assert sheet["notes"][0] == "1 poziții nu au preț; valoarea lor nu este în total."


def test_paper_speaks_the_suppliers_language() -> None:
    line = bought_line(1, quantity=1200, pack_size=12, price=Decimal("45.5"))
    romanian, english = paper(an_order(line)), paper(an_order(line, language="en"))
    assert romanian["headers"] == ["Nr.", "SKU", "Denumire", "Pachete", "Cantitate", "Preț", "Valoare (RON)"]
    assert romanian["rows"] == [["1", "R-\u200b1", "Rochie", "100 × 12", "1.200", "45,50", "54.600,00"]]
    assert [cell.replace("\u200b", "") for cell in english["rows"][0][3:]] == ["100 × 12", "1,200", "45.50", "54,600.00"]
    assert english["dates"] == [("Date", "2026-11-24"), ("Delivery by", "2026-11-27"), ("Lines", "1")]


def test_f45_text_from_a_catalogue_is_never_part_of_the_template() -> None:
    order = an_order(*(bought_line(place, name) for place, name in enumerate(EVIL, start=1)))
    assert pdf(order).startswith(b"%PDF-")
    assert plain("a\u202eb\u200b\x07c\r\nBcc: x") == "ab c Bcc: x"


def test_f45_formulas_in_names_and_codes_are_text_cells(engine: Engine) -> None:
    order = an_order(*(bought_line(place, name, sku=name, supplier_code=name) for place, name in enumerate(EVIL, start=1)))
    content = xlsx(order)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        styles = archive.read("xl/styles.xml")
    assert len(sheets) == 2
    assert not any(b"<f>" in sheet or b"<f " in sheet or b"<hyperlink" in sheet for sheet in sheets)
    assert b'quotePrefix="1"' in styles
    read = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert [row[3] for row in read[1:]] == list(EVIL)
    assert [row[6] for row in read[1:]] == [2.0] * 5


def test_a_long_order_goes_over_several_pages() -> None:
    order = an_order(*(bought_line(place, "Rochie midi din viscoză, mărimea M, albastru") for place in range(1, 101)))
    pictures = make_picture("cloudsales_pipeline.purchasing", TEMPLATE, paper(order), made_at=order.closed_at)
    assert len(pictures) >= 3
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def test_i28_documents_are_made_once_from_the_frozen_rows_and_kept(engine: Engine, settings: Settings) -> None:
    stock_world(engine)
    suppliers(engine, "nord", "south")
    chosen = with_suppliers(settings)
    first = ordered(engine, "CF-2026-000001", [{"sku": "R-1", "quantity": 12, "pack_size": 6, "price": "10.50"}])
    second = ordered(engine, "CF-2026-000002", [{"sku": "R-2", "quantity": 1}], supplier="south", language="en")
    with engine.begin() as connection:
        made = make_files(connection, chosen, [first, second])
    renamed = chosen.model_copy(update={"company": chosen.company.model_copy(update={"name": "Another SRL"})})
    with engine.begin() as connection:
        assert make_files(connection, renamed, [first, second]) == made
        kept = [read_file(connection, one) for one in made[first]]
    assert [one.name for one in kept if one] == ["CF-2026-000001.pdf", "CF-2026-000001.xlsx"]
    assert rows(engine, "select count(*) from personal.stored_file") == [(4,)]


def test_i28_a_stored_document_and_its_order_are_frozen(engine: Engine, settings: Settings) -> None:
    stock_world(engine)
    suppliers(engine, "nord")
    ordered(engine, "CF-2026-000001", [{"sku": "R-1", "quantity": 1}])
    with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.supplier_order_line set quantity = 5"))
