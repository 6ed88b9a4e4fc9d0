"""Amounts of invoices and stornos."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsales_pipeline.documents.building import build_content, flags_of, storno_content
from cloudsales_pipeline.documents.content import Content
from cloudsales_pipeline.documents.snapshot import Buyer, BuyerAddress, OrderSnapshot, SnapshotLine
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.settings.company import AddressSettings, CompanySettings

D = Decimal
SELLER = CompanySettings(
    name="Atelierul de Încălțăminte Țăndărei SRL", tax_id="RO18547290", registration_number="J12/345/2010",
    address=AddressSettings(street="Str. Șoimului nr. 3", city="Cluj-Napoca", county="Cluj", postal_code="400001"),
    phone="+40 264 000 000", email="facturi@example.com", bank="Banca Transilvania", iban="RO49 AAAA 1B31 0075 9384 0000",
)  # fmt: skip
HOME = BuyerAddress(street="Str. Lăcrămioarelor nr. 7", city="Iași", county="Iași", postal_code="700001")
ANA = Buyer(name="Ana Ștefănescu", email="ana@example.com", address=HOME)


def line(position: int, price: str, quantity: int = 1, rate: str | None = "21", discount: str = "0") -> SnapshotLine:
    return SnapshotLine(
        line_id=str(position), position=position, sku=f"CS-{position:05d}", name=f"Gheată de piele nr. {position}",
        quantity=quantity, unit_price=D(price), discount=D(discount), vat_rate=None if rate is None else D(rate),
    )  # fmt: skip


def order(*lines: SnapshotLine, delivery: str = "0", discount: str = "0", buyer: Buyer = ANA, total: str | None = None,
          currency: str = "RON", supplied_on: date | None = None) -> OrderSnapshot:  # fmt: skip
    worth = sum((each.unit_price * each.quantity - each.discount for each in lines), D(0)) + D(delivery) - D(discount)
    return OrderSnapshot(
        order_id=1, channel="magazin", external_id="1001", placed_on=date(2026, 11, 23), supplied_on=supplied_on, paid=False,
        payment_method="cash_on_delivery", delivery_method="courier", currency=currency, delivery_price=D(delivery),
        discount=D(discount), total=worth if total is None else D(total), buyer=buyer, lines=lines,
    )  # fmt: skip


def invoice(
    snapshot: OrderSnapshot, *, language: str = "ro", issued_on: date = date(2026, 11, 24), seller: CompanySettings = SELLER
) -> Content:
    return build_content(
        snapshot, kind="fiscal_invoice", number="FU 123", seller=seller, issued_on=issued_on, due_on=issued_on, language=language,  # type: ignore[arg-type]
    )  # fmt: skip


def sums_hold(content: Content) -> None:
    for tax in content.taxes:
        assert sum(each.net for each in content.lines if each.vat_rate == tax.rate) == tax.base
    assert content.net == sum(tax.base for tax in content.taxes)
    assert content.vat == sum(tax.vat for tax in content.taxes)
    assert content.net + content.vat + content.rounding == content.payable == sum(each.gross for each in content.lines)
    assert abs(content.rounding) < 1


def test_a_pair_of_boots_for_121_lei_is_100_and_21_of_vat() -> None:
    content = invoice(order(line(1, "121.00")))
    assert (content.net, content.vat, content.rounding, content.payable) == (D("100.00"), D("21.00"), D("0.00"), D("121.00"))


def test_a_cent_that_vat_can_not_reach_stands_as_rounding() -> None:
    """0.03 lei are 0.02 and, of it, 0.00 of VAT: a cent is left (BT-114)."""
    content = invoice(order(line(1, "0.03")))
    assert (content.net, content.vat, content.rounding, content.payable) == (D("0.02"), D("0.00"), D("0.01"), D("0.03"))


def test_a_discount_on_the_order_is_spread_over_its_rates() -> None:
    """Goods of 300 at 21 % and 100 at 11 %: of 40 lei off, 30 and 10. Delivery takes the higher rate."""
    content = invoice(order(line(1, "300"), line(2, "100", rate="11"), delivery="20", discount="40"))
    assert [(each.kind, each.vat_rate, each.gross) for each in content.lines[2:]] == [
        ("delivery", D(21), D(20)), ("discount", D(11), D(-10)), ("discount", D(21), D(-30)),
    ]  # fmt: skip
    assert content.payable == D("380.00")


def test_a_line_without_a_rate_takes_the_rate_of_its_day_of_supply() -> None:
    """F-35: 31 July 2025 is 19 %, 1 August 21 %."""
    last = invoice(order(line(1, "119", rate=None), supplied_on=date(2025, 7, 31)), issued_on=date(2025, 8, 1))
    first = invoice(order(line(1, "121", rate=None), supplied_on=date(2025, 8, 1)), issued_on=date(2025, 8, 1))
    assert (last.taxes[0].rate, last.vat) == (D(19), D("19.00"))
    assert (first.taxes[0].rate, first.vat) == (D(21), D("21.00"))


def test_a_return_of_an_older_sale_has_the_rate_of_its_invoice() -> None:
    """F-35."""
    old = invoice(order(line(1, "119", 2, rate=None), supplied_on=date(2025, 7, 20)), issued_on=date(2025, 7, 20))
    back = storno_content(old, {1: 1}, number="FU 124", issued_on=date(2025, 9, 1))
    assert (back.taxes[0].rate, back.net, back.vat, back.payable) == (D(19), D("-100.00"), D("-19.00"), D("-119.00"))
    assert back.corrects is not None
    assert (back.corrects.number, back.corrects.dated) == ("FU 123", date(2025, 7, 20))


def test_a_company_stands_with_its_cui_and_a_false_one_is_a_person_with_a_flag() -> None:
    firm = Buyer(name="Ion", company=True, company_name="Firma SRL", company_tax_id="RO 18547290", address=HOME)
    good, bad = (
        order(line(1, "10"), buyer=firm),
        order(
            line(1, "10"), buyer=Buyer(name="Ion", company=True, company_name="Firma SRL", company_tax_id="RO123", address=HOME)
        ),
    )
    assert (invoice(good).buyer.name, invoice(good).buyer.tax_id, flags_of(good, invoice(good))) == (
        "Firma SRL",
        "RO18547290",
        (),
    )
    assert (invoice(bad).buyer.name, invoice(bad).buyer.tax_id, invoice(bad).buyer.company) == ("Ion", "", False)
    assert flags_of(bad, invoice(bad)) == ("buyer_tax_id_invalid",)


def test_a_buyer_without_address_and_a_channel_with_another_total_are_flagged() -> None:
    lost = order(line(1, "10"), buyer=Buyer(name="Ion"), total="11")
    assert flags_of(lost, invoice(lost)) == ("buyer_without_address", "total_differs")


def test_more_than_was_sold_can_not_come_back() -> None:
    sold = invoice(order(line(1, "10", 2)))
    first = storno_content(sold, {1: 1}, number="FU 124", issued_on=date(2026, 12, 1))
    with pytest.raises(CloudSalesError, match="More came back than FU 123"):
        storno_content(sold, {1: 2}, number="FU 125", issued_on=date(2026, 12, 2), before=[first])
    with pytest.raises(CloudSalesError, match="More came back"):
        storno_content(sold, {9: 1}, number="FU 125", issued_on=date(2026, 12, 2))


def test_an_order_with_nothing_left_has_no_invoice() -> None:
    with pytest.raises(CloudSalesError, match="magazin/1001 holds nothing"):
        invoice(order(line(1, "10", 0)))


prices = st.decimals("0.01", "5000", places=2)
lines = st.lists(
    st.builds(lambda price, quantity, rate, off: (price, quantity, rate, off), prices, st.integers(1, 9), st.sampled_from(["21", "11", "0"]), st.integers(0, 50)),
    min_size=1, max_size=12,
)  # fmt: skip


@st.composite
def orders(draw: st.DrawFn) -> OrderSnapshot:
    made = []
    for position, (price, quantity, rate, off) in enumerate(draw(lines), start=1):
        made.append(line(position, str(price), quantity, rate, str((price * quantity * off / 100).quantize(D("0.01")))))
    worth = sum(each.unit_price * each.quantity - each.discount for each in made)
    discount = (worth * draw(st.integers(0, 60)) / 100).quantize(D("0.01"))
    return order(*made, delivery=str(draw(st.sampled_from(["0", "19.99", "24.50"]))), discount=str(discount))


@settings(max_examples=60, deadline=None)
@given(orders())
def test_sums_hold_on_every_invoice(snapshot: OrderSnapshot) -> None:
    """I-35: VAT once per rate, and payable is the order's total to the cent."""
    content = invoice(snapshot)
    sums_hold(content)
    assert content.payable == snapshot.total
    for tax in content.taxes:
        assert tax.vat == (tax.base * tax.rate / 100).quantize(D("0.01"), "ROUND_HALF_UP")


@settings(max_examples=60, deadline=None)
@given(orders())
def test_a_whole_storno_is_minus_the_invoice(snapshot: OrderSnapshot) -> None:
    content = invoice(snapshot)
    back = storno_content(content, None, number="FU 124", issued_on=date(2026, 12, 1))
    sums_hold(back)
    assert (back.net, back.vat, back.rounding, back.payable) == (-content.net, -content.vat, -content.rounding, -content.payable)
    assert [(tax.rate, tax.base, tax.vat) for tax in back.taxes] == [
        (tax.rate, -tax.base, -tax.vat) for tax in content.taxes if tax.base or tax.vat
    ]


@settings(max_examples=60, deadline=None)
@given(orders(), st.data())
def test_two_partial_stornos_and_the_rest_are_the_whole(snapshot: OrderSnapshot, data: st.DataObject) -> None:
    content = invoice(snapshot)
    goods = [each for each in content.lines if each.kind == "goods"]
    some = {each.position: data.draw(st.integers(0, each.quantity)) for each in goods}
    stornos: list[Content] = []
    for back in (some, None):
        try:
            made = storno_content(content, back, number="FU 124", issued_on=date(2026, 12, 1), before=stornos)
        except CloudSalesError:
            continue  # nothing came back, or nothing is left
        sums_hold(made)
        stornos.append(made)
    for amount in ("net", "vat", "rounding", "payable"):
        assert sum(getattr(each, amount) for each in stornos) == -getattr(content, amount)
