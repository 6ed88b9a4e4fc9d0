"""The retailer's own file: his word on products and codes; bad rows are held, the rest goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import xlsxwriter
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.catalog.additional_codes import add_code, load_codes
from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.errors import InputError, RefusedError
from tests.catalog.shop import query, scalar, write_catalogue
from tests.killing import killed_at_each_step


def held(engine: Engine) -> dict[str, str]:
    return {
        r.reference: r.reason
        for r in query(engine, "select reference, reason from analytics.quarantine where resolved_at is null")
    }


def test_a_sku_with_leading_zeros_stays_text(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("00123", "", "", "Șapcă")]))
    assert scalar(engine, "select sku from analytics.product") == "00123"


def test_a_spreadsheet_is_read_like_the_same_csv(engine: Engine, tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "c.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Cod produs", "EAN", "Denumire", "Preț", "Raft"])
        sheet.write_string(1, 0, "00123")
        sheet.write_number(1, 1, 5941234567899)
        sheet.write_row(1, 2, ["Șapcă", 19.5, "B7"])
    result = load_catalog(engine, tmp_path / "c.xlsx")
    assert (result.rows_in, result.loaded) == (1, 1)
    (product,) = query(engine, "select sku, name, price::text, extra from cloudsales.product")
    assert tuple(product) == ("00123", "Șapcă", "19.50", {"raft": "B7"})
    assert scalar(engine, "select code from analytics.product_code where kind = 'gtin'") == "5941234567899"


def test_i40_loading_the_same_file_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    path = write_catalogue(tmp_path / "c.csv", [("A", "5941234567899", "q7|q8", "a"), ("B", "", "", "b")])
    load_catalog(engine, path)
    before = query(engine, "select xmin::text, * from cloudsales.product_code order by 2, 3, 4")
    result = load_catalog(engine, path)
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined) == (2, 0, 2, 0)
    assert query(engine, "select xmin::text, * from cloudsales.product_code order by 2, 3, 4") == before


def test_the_file_changes_what_it_names_and_says_nothing_of_the_rest(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("A", "", "old", "a"), ("B", "", "", "b"), ("C", "", "c1", "c")]))
    add_code(engine, "A", "by-hand")
    result = load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("A", "", "new", "a2"), ("C", "", "c1|c2", "c")]))
    assert (result.loaded, result.unchanged) == (2, 0)
    names = [tuple(r) for r in query(engine, "select sku, name from analytics.product order by sku")]
    assert names == [("A", "a2"), ("B", "b"), ("C", "c")]
    codes = [
        r.code
        for r in query(engine, "select code from analytics.product_code where sku = 'A' and kind = 'additional' order by 1")
    ]
    assert codes == ["by-hand", "new"]
    assert scalar(engine, "select count(*) from cloudsales.code_key where key = 'old'") == 0


def test_a_clash_ends_when_the_file_no_longer_has_it(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    assert load_catalog(engine, write_catalogue(path, [("A", "", "Q7", "a"), ("B", "", "Q7", "b")])).clashes == 1
    assert held(engine) == {"q7": "code_on_several_products"}
    assert load_catalog(engine, write_catalogue(path, [("A", "", "Q7", "a"), ("B", "", "", "b")])).clashes == 0
    assert held(engine) == {}
    assert (
        scalar(engine, "select p.sku from cloudsales.code_key k join cloudsales.product p using (product_id) where key = 'q7'")
        == "A"
    )


def test_bad_rows_are_held_with_their_number_and_the_rest_goes_on(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "sku,ean,name,price\n"
        "A,,good,10\n"
        "B,,one,field,too long\n"
        "C,,short\n"
        "N/A,,no sku,1\n"
        "D,,first,1\n"
        "D,,second,2\n"
        "D,,first,1\n"
        "E,5.94E+12,lost digits,1\n"
        "F,,no price,abc\n"
        f"G,,{'x' * 1_001},1\n"
        "H,,huge price,1e400\n",
        encoding="utf-8",
    )
    result = load_catalog(engine, path)
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined, result.noted) == (11, 5, 1, 5, 3)
    assert held(engine) == {
        "c.csv, row 3": "too_many_fields",
        "c.csv, row 4": "too_few_fields",
        "c.csv, row 5": "no_sku",
        "c.csv, row 7": "duplicate_sku",
        "c.csv, row 9": "ean_lost_digits",
        "c.csv, row 10": "bad_price",
        "c.csv, row 11": "name_too_long",
        "c.csv, row 12": "bad_price",
    }
    assert [r.sku for r in query(engine, "select sku from analytics.product order by 1")] == ["A", "D", "E", "F", "H"]


def test_a_missing_column_is_said_with_those_there_are(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("artikel;titel\n1;x\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column sku; it has: artikel, titel"):
        load_catalog(engine, tmp_path / "c.csv")


def test_a_wrong_encoding_is_said_and_the_right_one_can_be_named(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes("sku;denumire\nA;Pălărie cu boruri\n".encode("cp1250"))
    with pytest.raises(InputError, match="--encoding cp1250"):
        load_catalog(engine, tmp_path / "c.csv")
    assert scalar(engine, "select count(*) from analytics.product") == 0
    load_catalog(engine, tmp_path / "c.csv", encoding="cp1250")
    assert scalar(engine, "select name from analytics.product") == "Pălărie cu boruri"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", b""),
        ("c.xlsx", b"not a spreadsheet"),
        ("c.csv", b"\n\n"),
        ("c.csv", b"sku,sku\nA,B\n"),
        ("c.csv", b'sku,name\nA,"x'),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_in_one_line(engine: Engine, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        load_catalog(engine, tmp_path / name)


def test_formulas_and_markup_are_kept_as_the_text_they_are(engine: Engine, tmp_path: Path) -> None:
    name = '=HYPERLINK("http://x")<script>alert(1)</script>{{7*7}}\'); drop table x;--'
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("A", "", "", name)]))
    assert scalar(engine, "select name from analytics.product") == name


def test_an_additional_code_of_another_product_is_refused_and_the_owner_named(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("A", "", "X-1", "a"), ("B", "", "", "b")]))
    with pytest.raises(RefusedError, match="belongs to the product A"):
        add_code(engine, "B", "x-1")
    with pytest.raises(RefusedError, match="no product with the SKU"):
        add_code(engine, "Q", "NEW")
    with pytest.raises(InputError, match="identifies nothing"):
        add_code(engine, "A", "N/A")
    assert add_code(engine, "A", "Z-9").loaded == 1
    assert add_code(engine, "A", "z-9").unchanged == 1


def test_a_file_of_codes_is_taken_row_by_row(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("A", "", "X-1", "a"), ("B", "", "", "b")]))
    rows = [("A", "N-1"), ("B", "x-1"), ("Q", "N-2"), ("A", "-"), ("B", "N-3"), ("A", "n-3"), ("A", "N-1")]
    result = load_codes(engine, write_catalogue(tmp_path / "codes.csv", rows, header=("sku", "code")))
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined) == (7, 2, 1, 4)
    assert held(engine) == {
        "codes.csv, row 3": "code_of_another_product",
        "codes.csv, row 4": "unknown_sku",
        "codes.csv, row 5": "no_code",
        "codes.csv, row 7": "code_of_another_product",
    }


@pytest.mark.timeout(120)
def test_i41_a_load_killed_at_any_step_leaves_the_old_catalogue_or_the_new_one(
    engine: Engine, database_url: URL, tmp_path: Path
) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "old.csv", [("A", "", "q7", "old")]))
    new = write_catalogue(tmp_path / "new.csv", [("A", "", "q8", "new"), ("B", "", "q7", "b")])
    kills = 0
    for _ in killed_at_each_step(database_url, lambda own: load_catalog(own, new)):
        kills += 1
        found = [
            tuple(r)
            for r in query(
                engine,
                "select p.sku, p.name, c.key from analytics.product p left join cloudsales.product_code c on c.kind = 'additional' and c.product_id = (select product_id from cloudsales.product q where q.sku = p.sku) order by 1",
            )
        ]
        assert found in ([("A", "old", "q7")], [("A", "new", "q8"), ("B", "b", "q7")])
    assert kills > 12
    assert scalar(engine, "select count(*) from analytics.product") == 2


def test_a_sku_longer_than_an_index_holds_and_a_price_on_the_edge_do_not_stop_the_rest(engine: Engine, tmp_path: Path) -> None:
    rows = [("A", "", "", "good", "10.0050"), ("x" * 5_000, "", "", "long", "1"), ("B", "", "", "edge", "999999999999.999")]
    path = write_catalogue(tmp_path / "c.csv", rows, header=("sku", "ean", "additional_codes", "name", "price"))
    result = load_catalog(engine, path)
    assert (result.loaded, result.quarantined, result.noted) == (2, 1, 1)
    assert held(engine) == {"c.csv, row 3": "sku_too_long", "c.csv, row 4": "bad_price"}
    assert str(scalar(engine, "select price from analytics.product where sku = 'A'")) == "10.01"


def test_codes_that_differ_only_far_behind_are_two_codes(engine: Engine, tmp_path: Path) -> None:
    hidden = "\u200b" * 300
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [(f"A{hidden}1", "", "", "a"), (f"A{hidden}2", "", "", "b")]))
    assert [r.sku for r in query(engine, "select sku from analytics.product order by 1")] == ["A1", "A2"]
    assert scalar(engine, "select count(*) from cloudsales.code_key where product_id is null") == 0


def test_a_row_of_codes_leaves_quarantine_when_its_file_is_right(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", [("A", "", "", "a")]))
    load_codes(engine, write_catalogue(tmp_path / "codes.csv", [("Q", "N-2"), ("A", "N-2")], header=("sku", "code")))
    assert held(engine) == {"codes.csv, row 2": "unknown_sku"}
    load_codes(engine, write_catalogue(tmp_path / "codes.csv", [("A", "N-9"), ("A", "N-2")], header=("sku", "code")))
    assert held(engine) == {}


def test_a_price_is_read_as_it_is_written_or_not_at_all(engine: Engine, tmp_path: Path) -> None:
    written = ["1234", "1234,5", "1.234,50", "1,234.50", "12.345", "1,234", "1_000", "-1", "1 234,50", "19.990000000000002"]
    rows = [(f"P{n}", "", "", "x", price) for n, price in enumerate(written)]
    load_catalog(engine, write_catalogue(tmp_path / "c.csv", rows, header=("sku", "ean", "additional_codes", "name", "price")))
    prices = [str(r.price) for r in query(engine, "select price from analytics.product order by sku")]
    assert prices == ["1234.00", "1234.50", "1234.50", "1234.50", "None", "None", "None", "None", "1234.50", "19.99"]


@pytest.mark.parametrize("encoding", ["hex", "rot13", "utf-16", "nothing"])
def test_an_encoding_that_does_not_fit_is_said_in_one_line(engine: Engine, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "c.csv").write_text("sku,name\nA,b\n", encoding="utf-8")
    with pytest.raises(InputError):
        load_catalog(engine, tmp_path / "c.csv", encoding=encoding)
