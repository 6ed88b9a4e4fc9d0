"""The e-invoice: UBL 2.1 in the Romanian CIUS of EN 16931, as RO e-Factura takes it.

What belongs here: the XML of a Content. What does not: the PDF, and handing it over (`submission`).

A storno is a CreditNote (type 381) with positive amounts: EN 16931 allows no negative price, and 381 is among the types that
CIUS-RO takes (BR-RO-020). An order's discount is an allowance of the document, delivery a charge, one for each rate.
"""

from __future__ import annotations

import re
from decimal import Decimal
from xml.etree import ElementTree as ET  # only writes: nothing from outside is parsed

from cloudsales_pipeline.documents.amounts import ZERO, base_of
from cloudsales_pipeline.documents.content import Content, Line, Party, Tax
from cloudsales_pipeline.errors import CloudSalesError

PROFILE = "urn:cen.eu:en16931:2017#compliant#urn:efactura.mfinante.ro:CIUS-RO:1.0.1"
UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
CAC, CBC = f"{{{UBL}CommonAggregateComponents-2}}", f"{{{UBL}CommonBasicComponents-2}}"
PERSON = "0000000000000"  # how e-Factura wants a private person whose CNP is not given
MEANS = {"cash_on_delivery": "10", "cash": "10", "card": "48", "bank_transfer": "30"}  # UNCL 4461; others: 1, not defined
OUT_OF_SCOPE = "VATEX-EU-O"
LONGEST = {"name": 200, "street": 150, "city": 50, "item": 100, "note": 300}  # CIUS-RO's BR-RO-L…
NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_xml(content: Content) -> bytes:
    """The e-invoice of a fiscal invoice or a storno, UTF-8; the same bytes each time.

    Raises:
        CloudSalesError: a proforma, which is no invoice; a currency other than RON, which needs the VAT in RON at the day's rate.
    """
    if content.kind == "proforma_invoice":
        raise CloudSalesError(f"{content.number} is a proforma: it has no e-invoice.")
    if content.currency != "RON":
        raise CloudSalesError(
            f"{content.number} is in {content.currency}: an e-invoice needs its VAT in RON too, and no exchange rate is known.",
            next_step="make this e-invoice by hand",
        )
    return _Writer(content).document()


class _Writer:
    """Writes one document. On a storno every amount changes its sign."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.storno = content.kind == "storno"
        self.sign = -1 if self.storno else 1

    def document(self) -> bytes:
        name = "CreditNote" if self.storno else "Invoice"
        ET.register_namespace("cac", CAC[1:-1])
        ET.register_namespace("cbc", CBC[1:-1])
        root = ET.Element(f"{{{UBL}{name}-2}}{name}")
        self._header(root)
        self._seller(_in(root, "AccountingSupplierParty"))
        self._buyer(_in(root, "AccountingCustomerParty"))
        _put(_in(root, "Delivery"), "ActualDeliveryDate", self.content.supplied_on.isoformat())
        self._payment(root)
        self._allowances(root)
        self._taxes(root)
        self._totals(root)
        for line in (line for line in self.content.lines if line.kind == "goods"):
            self._line(root, line)
        text = ET.tostring(root, encoding="unicode")
        text = text.replace("xmlns:ns0=", "xmlns=", 1).replace("<ns0:", "<").replace("</ns0:", "</")  # the root's is the default
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()

    def _header(self, root: ET.Element) -> None:
        content = self.content
        _put(root, "CustomizationID", PROFILE)
        _put(root, "ID", content.number)
        _put(root, "IssueDate", content.issued_on.isoformat())
        if not self.storno:
            _put(root, "DueDate", content.due_on.isoformat())
        _put(root, "CreditNoteTypeCode" if self.storno else "InvoiceTypeCode", "381" if self.storno else "380")
        if content.note:
            _put(root, "Note", content.note, longest="note")
        _put(root, "DocumentCurrencyCode", content.currency)
        _put(_in(root, "OrderReference"), "ID", content.order_id)
        if content.corrects:
            reference = _in(_in(root, "BillingReference"), "InvoiceDocumentReference")
            _put(reference, "ID", content.corrects.number)
            _put(reference, "IssueDate", content.corrects.dated.isoformat())

    def _seller(self, parent: ET.Element) -> None:
        seller = self.content.seller
        party = _in(parent, "Party")
        _address(party, seller)
        _tax_scheme(party, seller.tax_id, "VAT" if seller.vat_payer else "FC")
        legal = _in(party, "PartyLegalEntity")
        _put(legal, "RegistrationName", seller.name, longest="name")
        _put(legal, "CompanyID", seller.registration_number or seller.tax_id)
        _contact(party, seller)

    def _buyer(self, parent: ET.Element) -> None:
        buyer = self.content.buyer
        party = _in(parent, "Party")
        _address(party, buyer)
        as_payer = buyer.vat_payer and self.content.seller.vat_payer  # BR-O-02: out of scope, no VAT number of the buyer
        if as_payer:
            _tax_scheme(party, buyer.tax_id, "VAT")
        legal = _in(party, "PartyLegalEntity")
        _put(legal, "RegistrationName", buyer.name, longest="name")
        known = buyer.registration_number if as_payer and buyer.registration_number else buyer.tax_id
        _put(legal, "CompanyID", known if buyer.company else PERSON)
        _contact(party, buyer)

    def _payment(self, root: ET.Element) -> None:
        iban = self.content.seller.iban
        code = MEANS.get(self.content.payment_method, "1")
        means = _in(root, "PaymentMeans")
        _put(means, "PaymentMeansCode", "1" if code == "30" and not iban else code)
        if self.storno:
            _put(means, "PaymentDueDate", self.content.due_on.isoformat())
            _put(_in(root, "PaymentTerms"), "Note", f"Storno {self.content.corrects.number if self.content.corrects else ''}")
        if iban and code == "30":
            account = _in(means, "PayeeFinancialAccount")
            _put(account, "ID", iban)
            if self.content.seller.bank:
                _put(account, "Name", self.content.seller.bank, longest="name")

    def _allowances(self, root: ET.Element) -> None:
        for line in (line for line in self.content.lines if line.kind != "goods"):
            amount = line.net * self.sign
            # A delivery that costs nothing less than nothing can't be written; its sign says which of the two it is.
            charge = amount >= 0
            element = _in(root, "AllowanceCharge")
            _put(element, "ChargeIndicator", "true" if charge else "false")
            _put(element, "AllowanceChargeReasonCode", "FC" if charge else "95")
            _put(element, "AllowanceChargeReason", line.name, longest="item")
            self._amount(element, "Amount", abs(amount))
            self._category(_in(element, "TaxCategory"), line.vat_rate)

    def _taxes(self, root: ET.Element) -> None:
        total = _in(root, "TaxTotal")
        self._amount(total, "TaxAmount", self.content.vat * self.sign)
        for tax in self.content.taxes:
            part = _in(total, "TaxSubtotal")
            self._amount(part, "TaxableAmount", tax.base * self.sign)
            self._amount(part, "TaxAmount", tax.vat * self.sign)
            self._category(_in(part, "TaxCategory"), tax.rate, reason=True)

    def _totals(self, root: ET.Element) -> None:
        content, sign = self.content, self.sign
        goods = sum((line.net for line in content.lines if line.kind == "goods"), ZERO) * sign
        beside = [line.net * sign for line in content.lines if line.kind != "goods"]
        total = _in(root, "LegalMonetaryTotal")
        self._amount(total, "LineExtensionAmount", goods)
        self._amount(total, "TaxExclusiveAmount", content.net * sign)
        self._amount(total, "TaxInclusiveAmount", (content.net + content.vat) * sign)
        self._amount(total, "AllowanceTotalAmount", -sum((amount for amount in beside if amount < 0), ZERO))
        self._amount(total, "ChargeTotalAmount", sum((amount for amount in beside if amount > 0), ZERO))
        if content.rounding:
            self._amount(total, "PayableRoundingAmount", content.rounding * sign)
        self._amount(total, "PayableAmount", content.payable * sign)

    def _line(self, root: ET.Element, line: Line) -> None:
        pieces, net = line.quantity * self.sign, line.net * self.sign
        off = base_of(line.discount * self.sign, line.vat_rate)
        element = _in(root, "CreditNoteLine" if self.storno else "InvoiceLine")
        _put(element, "ID", str(line.position))
        _put(element, "CreditedQuantity" if self.storno else "InvoicedQuantity", str(pieces), unitCode="H87")  # pieces
        self._amount(element, "LineExtensionAmount", net)
        if off:
            allowance = _in(element, "AllowanceCharge")
            _put(allowance, "ChargeIndicator", "false")
            _put(allowance, "AllowanceChargeReasonCode", "95")
            self._amount(allowance, "Amount", off)
        item = _in(element, "Item")
        _put(item, "Name", line.name or line.sku, longest="item")
        if line.sku:
            _put(_in(item, "SellersItemIdentification"), "ID", line.sku)
        self._category(_in(item, "ClassifiedTaxCategory"), line.vat_rate)
        price = max((net + off) / pieces, Decimal(0)).quantize(Decimal("0.000001"))
        _put(_in(element, "Price"), "PriceAmount", f"{price:f}", currencyID=self.content.currency)

    def _category(self, element: ET.Element, rate: Decimal, *, reason: bool = False) -> None:
        category = _category_of(self.content.taxes, rate)
        _put(element, "ID", category)
        if category != "O":
            _put(element, "Percent", f"{rate:.2f}")
        elif reason:
            _put(element, "TaxExemptionReasonCode", OUT_OF_SCOPE)
        _put(_in(element, "TaxScheme"), "ID", "VAT")

    def _amount(self, parent: ET.Element, name: str, amount: Decimal) -> None:
        _put(parent, name, f"{amount + 0:.2f}", currencyID=self.content.currency)


def _category_of(taxes: tuple[Tax, ...], rate: Decimal) -> str:
    return next((tax.category for tax in taxes if tax.rate == rate), "S" if rate else "Z")


def _address(party: ET.Element, who: Party) -> None:
    """County as RO-CJ; in Bucharest the city is its sector (BR-RO-100). Where street or city is unknown stands a dash."""
    address = _in(party, "PostalAddress")
    _put(address, "StreetName", who.street or "-", longest="street")
    _put(address, "CityName", (_sector(who) if who.county == "B" else who.city) or "-", longest="city")
    if who.postal_code:
        _put(address, "PostalZone", who.postal_code)
    if who.county:
        _put(address, "CountrySubentity", f"{who.country}-{who.county}")
    _put(_in(address, "Country"), "IdentificationCode", who.country)


def _sector(who: Party) -> str:
    """SECTOR1 to SECTOR6, from the text or else the postal code, whose second digit it is; the city where neither says it."""
    said = re.search(r"\bsect(?:or|orul|\.)?\s*([1-6])\b", f"{who.city} {who.street}", re.IGNORECASE)
    coded = re.fullmatch(r"0([1-6])\d{4}", who.postal_code.strip())
    found = said or coded
    return f"SECTOR{found[1]}" if found else who.city


def _tax_scheme(party: ET.Element, number: str, scheme: str) -> None:
    element = _in(party, "PartyTaxScheme")
    _put(element, "CompanyID", number)
    _put(_in(element, "TaxScheme"), "ID", scheme)


def _contact(party: ET.Element, who: Party) -> None:
    if who.phone or who.email:
        contact = _in(party, "Contact")
        if who.phone:
            _put(contact, "Telephone", who.phone)
        if who.email:
            _put(contact, "ElectronicMail", who.email)


def _in(parent: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(parent, f"{CAC}{name}")


def _put(parent: ET.Element, name: str, text: str, *, longest: str = "", **attributes: str) -> None:
    """A value; what XML can't hold is left out, and what CIUS-RO allows no room for is cut."""
    clean = " ".join(NOT_IN_XML.sub("", text).split())
    ET.SubElement(parent, f"{CBC}{name}", attributes).text = clean[: LONGEST[longest]] if longest else clean
