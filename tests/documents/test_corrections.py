"""Stornos: what a cancellation, a return or a person corrects of a fiscal invoice, each with its own number."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import OrderDiscount
from cloudsales_pipeline.documents.issuing import issue_due, issue_one, storno, sync_channels
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders.life import cancel_here, issue
from cloudsales_pipeline.orders.returns import receive_return, restock, scrap
from cloudsales_pipeline.settings import Settings
from tests.documents.office import NOON, ON_STOCK, UNPAID, broken, documents, figures, office, quarantined
from tests.orders.market import line, market, order, receive, shop, statuses
from tests.stock.shelf import rows

LINES = (line("R-1", 3, price="33.33"), line("R-2", 2, line_id="2", price="49.99"))


def taxes(engine: Engine) -> list[tuple[object, ...]]:
    return rows(
        engine, "select sum(net), sum(vat), sum(rounding), sum(total) from cloudsales.document where kind <> 'proforma_invoice'"
    )


def come_back(engine: Engine, pieces: dict[str, int], reference: str, *, fit: bool = True) -> None:
    receive_return(engine, "fashionup", "FO1", pieces, reference=f"in-{reference}")
    if fit:
        restock(engine, "fashionup", shop(), "FO1", pieces, reference=f"ok-{reference}")
    else:
        scrap(engine, "fashionup", "FO1", pieces, reference=f"no-{reference}")


def test_a_cancellation_after_the_invoice_is_corrected_in_whole_by_a_storno_with_its_own_number(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 9, "R-2": 9})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", *LINES), order("FO2", line("R-1"), minutes=1))
    issue_due(engine, made, now=NOON)
    cancel_here(engine, "fashionup", "FO1")
    result = issue_due(engine, made, now=NOON)
    assert (result.stornos, result.fiscal_invoices) == (1, 0)
    assert documents(engine) == [
        ("FO1", "fiscal_invoice", "FU 1", "ended"),
        ("FO2", "fiscal_invoice", "FU 2", "live"),
        ("FO1", "storno", "FU 3", "issued"),
    ]
    assert figures(engine)[2] == ("FU 3", "-219.96", "cancellation")
    kept = rows(
        engine,
        "select s.corrects = i.document_id, c.content -> 'corrects' ->> 'number', s.submit_by::text from cloudsales.document s"
        " join personal.document_content c using (document_id), cloudsales.document i where s.kind = 'storno' and i.number = 1",
    )
    assert kept == [(True, "FU 1", "2026-11-27")]
    assert issue_due(engine, made, now=NOON).stornos == 0
    assert broken(engine) == {}


def test_returns_are_corrected_one_after_the_other_to_the_cent_and_the_last_one_takes_the_delivery_along(
    engine: Engine, settings: Settings
) -> None:
    """I-35: with a discount on the order; all stornos together are the invoice."""
    market(engine, {"R-1": 9, "R-2": 9})
    made = office(settings, ON_STOCK)
    discount = OrderDiscount("WELCOME", None, Decimal("10.00"))
    receive(engine, order("FO1", *LINES, discounts=(discount,)))
    issue_due(engine, made, now=NOON)
    issue(engine, "fashionup", "FO1")
    receive_return(engine, "fashionup", "FO1", {"1": 1}, reference="in-0")
    assert issue_due(engine, made, now=NOON).stornos == 0  # not before somebody has looked at it
    scrap(engine, "fashionup", "FO1", {"1": 1}, reference="no-0")
    assert issue_due(engine, made, now=NOON).stornos == 1
    come_back(engine, {"1": 1, "2": 1}, "1")
    assert issue_due(engine, made, now=NOON).stornos == 1
    assert issue_due(engine, made, now=NOON).stornos == 0
    assert documents(engine)[0][3] == "live"
    come_back(engine, {"1": 1, "2": 1}, "2", fit=False)
    assert issue_due(engine, made, now=NOON).stornos == 1
    assert figures(engine) == [
        ("FU 1", "209.96", "rule"),
        ("FU 2", "-31.66", "return"),
        ("FU 3", "-79.16", "return"),
        ("FU 4", "-99.14", "return"),
    ]
    assert taxes(engine) == [(Decimal("0.00"),) * 4]
    assert documents(engine)[0][3] == "ended"
    assert statuses(engine)["FO1"] == "returned"
    assert broken(engine) == {}


def test_two_returns_between_two_passes_are_one_storno(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 9, "R-2": 9})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", *LINES))
    issue_due(engine, made, now=NOON)
    issue(engine, "fashionup", "FO1")
    come_back(engine, {"1": 1}, "1")
    come_back(engine, {"1": 1}, "2")
    assert issue_due(engine, made, now=NOON).stornos == 1
    assert figures(engine)[1] == ("FU 2", "-66.66", "return")


def test_what_is_left_after_a_return_is_corrected_by_a_person_once_and_nothing_of_it_again(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 9, "R-2": 9})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", *LINES))
    issue_due(engine, made, now=NOON)
    issue(engine, "fashionup", "FO1")
    come_back(engine, {"1": 1}, "1")
    issue_due(engine, made, now=NOON)
    assert storno(engine, made, "FU 1", now=NOON) == "FU 3"
    assert figures(engine)[2] == ("FU 3", "-186.63", "command")
    assert taxes(engine) == [(Decimal("0.00"),) * 4]
    with pytest.raises(RefusedError, match="FU 1 was corrected before, by FU 3"):
        storno(engine, made, "FU 1", now=NOON)
    come_back(engine, {"2": 2}, "2")  # nothing of the invoice is left to correct
    assert issue_due(engine, made, now=NOON).stornos == 0
    assert quarantined(engine) == []
    assert broken(engine) == {}


def test_a_storno_of_a_storno_of_a_proforma_and_of_what_is_not_there_is_refused(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 9})
    made = office(settings, UNPAID, ON_STOCK)
    receive(engine, order("FO1", line("R-1")))
    issue_due(engine, made, now=NOON)
    storno(engine, made, "FU 1", now=NOON)
    with pytest.raises(RefusedError, match="FU 2 is a storno; only a fiscal invoice is corrected"):
        storno(engine, made, "FU 2", now=NOON)
    receive(engine, order("FO2", line("R-1", 99), payment_method="bank_transfer"))
    issue_due(engine, made, now=NOON)
    with pytest.raises(RefusedError, match="PF 1 is a proforma invoice"):
        storno(engine, made, "PF 1", now=NOON)
    for number in ("FU 99", "FU 99999999999", "FU", "", "FU -1", "FU ١", "FU 1; drop table"):
        with pytest.raises(InputError):
            storno(engine, made, number, now=NOON)
    assert [one[2] for one in documents(engine)] == ["FU 1", "FU 2", "PF 1"]


def test_goods_that_came_back_before_the_invoice_are_on_it_and_on_its_storno(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 9, "R-2": 9})
    made = office(settings, ON_STOCK)
    sync_channels(engine, made)
    receive(engine, order("FO1", *LINES))
    issue(engine, "fashionup", "FO1")
    come_back(engine, {"1": 3}, "1")
    result = issue_due(engine, made, now=NOON)
    assert (result.fiscal_invoices, result.stornos) == (1, 1)
    assert figures(engine) == [("FU 1", "219.96", "rule"), ("FU 2", "-99.99", "return")]
    assert broken(engine) == {}


def test_an_invoice_after_a_whole_storno_is_corrected_by_what_came_back_of_it_only(engine: Engine, settings: Settings) -> None:
    """The new invoice lists all pieces again, those that came back too: they are corrected of it anew, by the next pass."""
    market(engine, {"R-1": 9, "R-2": 9})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", *LINES))
    issue_due(engine, made, now=NOON)
    issue(engine, "fashionup", "FO1")
    come_back(engine, {"1": 1}, "1")
    issue_due(engine, made, now=NOON)
    storno(engine, made, "FU 1", now=NOON)
    assert issue_one(engine, made, "fashionup", "FO1", "fiscal_invoice", now=NOON) == "FU 4"
    issue_due(engine, made, now=NOON)
    assert figures(engine)[3:] == [("FU 4", "219.96", "command"), ("FU 5", "-33.33", "return")]
    assert broken(engine) == {}
