"""Documents that issue themselves as orders change, once each, with the rule and the facts kept."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import PaymentMethod
from cloudsales_pipeline.documents.issuing import issue_due
from cloudsales_pipeline.settings import Settings
from tests.documents.office import NOON, ON_STOCK, documents, office
from tests.orders.market import line, market, order, receive
from tests.stock.shelf import rows

TRANSFER = {"payment_method": PaymentMethod.BANK_TRANSFER}


def test_an_order_that_is_fully_reserved_gets_its_fiscal_invoice_and_one_that_waits_does_not(
    engine: Engine, settings: Settings
) -> None:
    """I-36: the rule and what it saw stand on the document."""
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 2), minutes=1))
    made = office(settings, ON_STOCK)
    result = issue_due(engine, made, now=NOON)
    assert (result.fiscal_invoices, result.proforma_invoices, result.refused) == (1, 0, 0)
    assert documents(engine) == [("FO1", "fiscal_invoice", "FU 1", "live")]
    kept = rows(
        engine,
        "select rule, cause, facts ->> 'reserved', facts ->> 'fully_reserved', net, vat, rounding, total, submit_by::text from cloudsales.document",
    )
    assert kept == [
        (
            "all is there",
            "rule",
            "2",
            "true",
            Decimal("181.81"),
            Decimal("38.18"),
            Decimal("0.00"),
            Decimal("219.99"),
            "2026-11-27",
        )
    ]
    assert issue_due(engine, made, now=NOON).fiscal_invoices == 0
    assert len(documents(engine)) == 1
