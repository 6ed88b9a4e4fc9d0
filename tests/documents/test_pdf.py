"""Invoices as PDF."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from cloudsales_pipeline.documents.pdf import WORDS, check_logo, data_of, pictures, read_logo, render
from cloudsales_pipeline.errors import InputError, SettingsError
from tests.documents.test_building import invoice, line, order
from tests.documents.test_ubl import MIXED, storno


def png() -> bytes:
    kept = BytesIO()
    Image.new("RGB", (30, 10), "#1b6f5c").save(kept, "PNG")
    return kept.getvalue()


def text_of(pdf: bytes) -> list[str]:
    from pypdf import PdfReader

    return [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]


def test_the_same_invoice_has_the_same_bytes() -> None:
    assert render(invoice(MIXED), logo=png()) == render(invoice(MIXED), logo=png())


def test_an_invoice_says_who_what_and_how_much_with_diacritics() -> None:
    told = text_of(render(invoice(MIXED), logo=None))[0]
    for words in (
        "Factură",
        "FU 123",
        "Țăndărei SRL",
        "RO18547290",
        "J12/345/2010",
        "RO49 AAAA",
        "Ana Ștefănescu",
        "Iași",
        "24.11.2026",
        "639,21 RON",
        "Pagina 1 / 1",
    ):
        assert words in told


def test_sixty_lines_go_over_pages_each_with_the_header_and_its_number() -> None:
    pages = text_of(render(invoice(order(*[line(n, "10") for n in range(1, 61)])), logo=png()))
    assert len(pages) == 3
    assert [f"Pagina {n} / 3" in page and "Denumire" in page for n, page in enumerate(pages, start=1)] == [True] * 3
    assert sum(page.count("Gheată de piele nr.") for page in pages) == 60


def test_a_storno_names_its_invoice_and_english_has_no_romanian_word() -> None:
    assert "FU 123 din 24.11.2026" in text_of(render(storno(invoice(MIXED)), logo=None))[0]
    told = text_of(render(invoice(MIXED, language="en"), logo=None))[0]
    assert "Total to pay" in told
    assert not any(WORDS["ro"][key] in told for key in ("fiscal_invoice", "payable", "seller", "name"))
    assert WORDS["ro"].keys() == WORDS["en"].keys()


def test_markup_in_a_name_is_text() -> None:
    """F-45."""
    snapshot = order(line(1, "10"))
    evil = '#read("/etc/passwd") $x$ *b*'
    import msgspec

    snapshot = msgspec.structs.replace(snapshot, lines=(msgspec.structs.replace(snapshot.lines[0], name=evil),))
    assert evil in text_of(render(invoice(snapshot), logo=None))[0].replace("\n", " ").replace("“", '"').replace("”", '"')


def test_logos_of_all_three_kinds_are_drawn() -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="6"><rect width="9" height="5"/></svg>'
    jpeg = BytesIO()
    Image.new("RGB", (30, 10)).save(jpeg, "JPEG")
    assert [check_logo(one) for one in (png(), jpeg.getvalue(), svg)] == ["png", "jpg", "svg"]
    plain = pictures(invoice(MIXED), logo=None)
    assert all(pictures(invoice(MIXED), logo=one) != plain for one in (png(), jpeg.getvalue(), svg))


@pytest.mark.parametrize("broken", [png()[:-30], b"GIF89a", b"", b"<svg><g></svg>", b'<!DOCTYPE a [<!ENTITY b "c">]><svg/>'])
def test_a_broken_logo_is_a_clear_error(broken: bytes) -> None:
    with pytest.raises(InputError, match="logo"):
        check_logo(broken)


def test_a_logo_of_50_megabytes_is_refused_without_reading_it(tmp_path: Path) -> None:
    huge = tmp_path / "logo.png"
    with huge.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(SettingsError, match=r"more than 2 MB"):
        read_logo(huge)
    with pytest.raises(SettingsError, match="FileNotFoundError"):
        read_logo(tmp_path / "none.png")


def test_the_unit_price_stands_without_vat_and_times_the_pieces_is_the_line() -> None:
    """Fiscal Code, article 319 (20) i; before the line's discount, on a storno too."""
    for content in (invoice(MIXED), storno(invoice(MIXED))):
        told = text_of(render(content, logo=None))[0]
        assert "247,9250" in told  # 2 × 247.925 = 495.85
        assert "17,4300" in told  # 3 × 17.43 less 5.00 of discount = 47.29
        assert "bucata 299,99 cu TVA" in told
        assert "bucata 0,07" not in told  # of one piece the line says it


def test_a_name_without_spaces_does_not_run_over_the_amounts_and_what_no_font_has_is_left_out() -> None:
    from msgspec.structs import replace

    odd = replace(line(1, "10"), name="NUMEFOARTELUNG" * 20)
    with_emoji = replace(line(2, "10"), name="Rochie \N{DRESS} de\x07 seară\n\u00a0nouă #let x = 1 $y$ \\ <b>")
    data = data_of(invoice(order(odd, with_emoji)), None)
    assert max(len(part) for part in data["rows"][0][1]["name"].split("\u200b")) == 24
    assert data["rows"][1][1]["name"] == "Rochie de seară nouă #let x = 1 $y$ \\ <b>"
    told = text_of(render(invoice(order(odd, with_emoji)), logo=None))[0]
    assert "#let x = 1 $y$ \\ <b>" in told  # text is text: nothing in it is run (F-45)
    assert "12,10" not in told
    assert "10,00" in told
