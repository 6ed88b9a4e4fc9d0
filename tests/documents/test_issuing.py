"""Documents that issue themselves as orders change, once each, with the rule and the facts kept."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import Address, Buyer, PaymentMethod
from cloudsales_pipeline.channels.port import Company as BuyerCompany
from cloudsales_pipeline.documents.explain import explain, replay
from cloudsales_pipeline.documents.issuing import issue_due, issue_one, storno
from cloudsales_pipeline.errors import InputError, RefusedError, SettingsError
from cloudsales_pipeline.orders.life import clear_review, issue
from cloudsales_pipeline.settings import CompanySettings, Settings
from tests.documents.office import NOON, ON_STOCK, PAID, UNPAID, broken, documents, figures, office, quarantined
from tests.orders.market import line, lines_of, market, order, receive, shop, statuses
from tests.stock.shelf import rows

TRANSFER = {"payment_method": PaymentMethod.BANK_TRANSFER}


def test_an_order_that_is_fully_reserved_gets_its_fiscal_invoice_and_one_that_waits_does_not(
    engine: Engine, settings: Settings
) -> None:
    """I-36: the rule and what it saw stand on the document. I-40: again, nothing."""
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
    amounts = (Decimal("181.81"), Decimal("38.18"), Decimal("0.00"), Decimal("219.99"))
    assert kept == [("all is there", "rule", "2", "true", *amounts, "2026-11-27")]
    assert issue_due(engine, made, now=NOON).fiscal_invoices == 0
    assert len(documents(engine)) == 1


def test_a_proforma_becomes_the_fiscal_invoice_when_the_transfer_arrives(engine: Engine, settings: Settings) -> None:
    """I-33: the proforma has its own series; it ends when the fiscal invoice lives."""
    market(engine, {"R-1": 5})
    made = office(settings, PAID, UNPAID)
    receive(engine, order("FO1", line("R-1"), **TRANSFER))
    issue_due(engine, made, now=NOON)
    assert documents(engine) == [("FO1", "proforma_invoice", "PF 1", "live")]
    receive(engine, order("FO1", line("R-1"), revision=2, status="paid", **TRANSFER))
    issue_due(engine, made, now=NOON)
    assert documents(engine) == [
        ("FO1", "proforma_invoice", "PF 1", "ended"),
        ("FO1", "fiscal_invoice", "FU 1", "live"),
    ]
    assert rows(engine, "select submit_by from cloudsales.document where kind = 'proforma_invoice'") == [(None,)]
    assert broken(engine) == {}


def test_a_proforma_becomes_the_fiscal_invoice_when_the_goods_have_left(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    on_goods = {"issue": "fiscal_invoice", "when": "status == 'issued'"}
    made = office(settings, UNPAID, on_goods)
    receive(engine, order("FO1", line("R-1", 2), **TRANSFER))
    issue_due(engine, made, now=NOON)
    issue(engine, "fashionup", "FO1")
    issue_due(engine, made, now=NOON)
    assert [one[1:3] for one in documents(engine)] == [("proforma_invoice", "PF 1"), ("fiscal_invoice", "FU 1")]
    supplied = rows(engine, "select supplied_on = current_date from cloudsales.document where kind = 'fiscal_invoice'")
    assert supplied == [(True,)]  # the day on which they left, whatever day it was issued on


def test_the_kill_switch_of_a_channel_stops_it_alone_and_what_happened_meanwhile_is_done_when_it_is_back(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 20}, channels=("fashionup", "magazin"))
    on = office(settings, ON_STOCK, channels={"fashionup": {}, "magazin": {}})
    off = office(settings, ON_STOCK, channels={"fashionup": {"enabled": False}, "magazin": {}})
    receive(engine, order("OLD", line("R-1")))
    issue(engine, "fashionup", "OLD")  # left before there was any switch: not ours to invoice
    issue_due(engine, off, now=NOON)
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    receive(engine, order("MA1", line("R-1")), channel="magazin")
    assert issue_due(engine, off, now=NOON).fiscal_invoices == 1
    assert documents(engine) == [("MA1", "fiscal_invoice", "FU 1", "live")]
    assert "channels.fashionup.documents.enabled is false" in explain(engine, off, "fashionup", "FO1").notes[0]
    assert issue_one(engine, off, "fashionup", "FO2", "fiscal_invoice", now=NOON) == "FU 2"  # a person may
    issue(engine, "fashionup", "FO1")
    assert issue_due(engine, on, now=NOON).fiscal_invoices == 1  # its goods left while the switch was off
    assert documents(engine)[2:] == [("FO1", "fiscal_invoice", "FU 3", "live")]
    assert issue_due(engine, on, now=NOON).judged <= 1  # its own writing marks it once more
    assert issue_due(engine, on, now=NOON).judged == 0


def test_an_order_that_is_held_gets_nothing_and_one_in_review_what_the_rule_says(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    careful = office(settings, {"issue": "fiscal_invoice", "when": "fully_reserved and not in_review"})
    receive(engine, order("FO1", line("R-1"), status="unknown"), order("FO2", line("R-1"), total=Decimal("90.00")))
    assert statuses(engine)["FO1"] == "held"
    assert issue_due(engine, careful, now=NOON).fiscal_invoices == 0
    assert explain(engine, careful, "fashionup", "FO1").notes == ("the order is held: rules issue nothing for it",)
    clear_review(engine, "fashionup", "FO2")
    assert issue_due(engine, careful, now=NOON).fiscal_invoices == 1
    # What the lines say is to be paid; that the channel's total is another stands as a flag.
    assert rows(engine, "select total::text, flags from cloudsales.document") == [("119.99", ["total_differs"])]


def test_orders_that_wait_are_judged_anew_when_the_rules_change(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), **TRANSFER), order("FO2", line("R-1")))
    strict = office(settings, PAID)
    assert issue_due(engine, strict, now=NOON).judged == 2
    assert issue_due(engine, strict, now=NOON).judged == 0
    changed = office(settings, PAID, UNPAID)
    found = replay(engine, changed, NOON - timedelta(days=1), now=NOON + timedelta(days=1))
    assert (found.orders, found.same) == (2, 1)
    assert [(one.id, one.would, one.issued, one.by) for one in found.differences] == [
        ("FO1", ("proforma_invoice",), (), ("to be paid",))
    ]
    result = issue_due(engine, changed, now=NOON)
    assert (result.judged, result.proforma_invoices) == (3, 1)  # both, and the one that its own document changed
    assert replay(engine, changed, NOON - timedelta(days=1), now=NOON + timedelta(days=1)).same == 2
    assert issue_due(engine, changed, now=NOON).judged == 0


def test_explain_says_what_issuing_did(engine: Engine, settings: Settings) -> None:
    """I-36. The rule that decides, the facts that each looks at, and the documents."""
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), **TRANSFER))
    made = office(settings, PAID, UNPAID, ON_STOCK, {"issue": "proforma_invoice", "when": "total / cancelled > 1"})
    before = explain(engine, made, "fashionup", "FO1", now=NOON)
    assert [(one.rule, one.says, one.decides) for one in before.rules[:3]] == [
        (1, "no", False),
        (2, "yes", True),
        (3, "yes", True),
    ]
    assert before.rules[3].says.startswith("divides by zero")
    assert before.rules[1].facts == {"paid": False, "payment_method": "bank_transfer"}
    issue_due(engine, made, now=NOON)
    assert documents(engine) == [("FO1", "fiscal_invoice", "FU 1", "live")]  # no proforma beside a fiscal invoice
    after = explain(engine, made, "fashionup", "FO1", now=NOON)
    assert [(one["series"], one["number"], one["rule"]) for one in after.documents] == [("FU", "1", "all is there")]
    kept = rows(engine, "select facts ->> 'payment_method', facts ->> 'paid', facts ->> 'total' from cloudsales.document")
    assert kept == [("bank_transfer", "false", "119.99")]
    with pytest.raises(InputError, match="no order NONE"):
        explain(engine, made, "fashionup", "NONE")


def test_a_rule_that_divides_by_zero_fails_for_its_order_and_the_others_go_on(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 1, "R-2": 5})
    receive(engine, order("FO1", line("R-2")), order("FO2", line("R-1", 2), minutes=1))
    made = office(settings, {"issue": "fiscal_invoice", "when": "reserved / waiting >= 1"})
    result = issue_due(engine, made, now=NOON)
    assert (result.judged, result.failed, result.fiscal_invoices) == (3, 1, 1)
    assert documents(engine) == [("FO2", "fiscal_invoice", "FU 1", "live")]
    assert quarantined(engine) == [("FO1", "rule_failed")]
    detail = rows(
        engine, "select detail -> 'rules' -> 0 ->> 'rule', detail -> 'rules' -> 0 ->> 'what' from cloudsales.quarantine"
    )
    assert detail == [("1", "divides by zero, or reckons what has no result")]
    issue_due(engine, office(settings, ON_STOCK), now=NOON)  # mended
    assert quarantined(engine) == []
    assert len(documents(engine)) == 2


def test_the_same_order_id_on_two_channels_settles_its_own_quarantine_only(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 1, "R-2": 5}, channels=("fashionup", "magazin"))
    receive(engine, order("A", line("R-2")))
    receive(engine, order("A", line("R-2")), channel="magazin")
    by_channel = "channel == 'magazin' ? reserved / {} >= 1 : reserved / {} >= 1"
    channels: dict[str, dict[str, object]] = {"fashionup": {}, "magazin": {}}
    both = office(settings, {"issue": "fiscal_invoice", "when": by_channel.format("waiting", "waiting")}, channels=channels)
    issue_due(engine, both, now=NOON)
    assert quarantined(engine) == [("A", "rule_failed"), ("A", "rule_failed")]
    one = office(settings, {"issue": "fiscal_invoice", "when": by_channel.format("waiting", "1")}, channels=channels)
    issue_due(engine, one, now=NOON)
    still = rows(engine, "select channel from cloudsales.quarantine where resolved_at is null")
    assert still == [("magazin",)]


def test_a_buyer_without_an_address_and_one_with_a_false_tax_number_get_their_invoices_as_persons(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 5})
    false = Buyer("Ion Fictiv", "ion@example.invalid", "+40700000002", BuyerCompany("Falsă SRL", "RO12345678", "J1/1/2000"))
    nowhere = Address("", "", "", "", "", "", "RO", None)
    receive(engine, order("FO1", line("R-1"), delivery=nowhere), order("FO2", line("R-1"), buyer=false))
    assert issue_due(engine, office(settings, ON_STOCK), now=NOON).fiscal_invoices == 2
    kept = rows(
        engine,
        "select d.flags, c.content -> 'buyer' ->> 'name', c.content -> 'buyer' ->> 'company', c.content -> 'buyer' ->> 'tax_id'"
        " from cloudsales.document d join personal.document_content c using (document_id) order by d.number",
    )
    assert kept == [
        (["buyer_without_address"], "Ana Câmpeanu", "false", ""),
        (["buyer_tax_id_invalid"], "Ion Fictiv", "false", ""),
    ]
    assert quarantined(engine) == []


def test_without_a_company_nothing_is_issued_and_nothing_is_quarantined_until_it_is_there(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1")))
    made = office(settings, ON_STOCK)
    nobody = made.model_copy(update={"company": CompanySettings()})
    for _ in range(3):
        with pytest.raises(SettingsError, match=r"company\.name and company\.tax_id"):
            issue_due(engine, nobody, now=NOON)
    assert (documents(engine), quarantined(engine)) == ([], [])
    assert issue_due(engine, made, now=NOON).fiscal_invoices == 1  # it was not forgotten


def test_a_batch_with_one_order_that_can_not_be_issued_for_issues_for_all_others(
    engine: Engine, settings: Settings, owner_engine: Engine
) -> None:
    """A line whose amount is past what a document's row can hold: set aside, by itself."""
    market(engine, {"R-1": 9})
    receive(engine, *[order(f"FO{n}", line("R-1"), minutes=n) for n in range(1, 5)])
    with owner_engine.begin() as connection:
        connection.exec_driver_sql(
            "create function pg_temp.x() returns void language sql as ''; alter table cloudsales.document add check (order_id <>"
            " (2))"
        )
    victim = rows(engine, "select external_id from cloudsales.sales_order where order_id = 2")[0][0]
    result = issue_due(engine, office(settings, ON_STOCK), now=NOON)
    assert (result.fiscal_invoices, result.refused) == (3, 1)
    assert quarantined(engine) == [(victim, "issue_failed")]
    assert [number for _, _, number, _ in documents(engine)] == ["FU 1", "FU 2", "FU 3"]  # what failed left no gap
    assert issue_due(engine, office(settings, ON_STOCK), now=NOON).refused == 0  # not due until its facts change


def test_an_amendment_after_the_invoice_changes_neither_lines_nor_invoice_and_a_person_is_told(
    engine: Engine, settings: Settings
) -> None:
    """I-34, F-19."""
    market(engine, {"R-1": 9})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", line("R-1", 2)))
    issue_due(engine, made, now=NOON)
    receive(engine, order("FO1", line("R-1", 5), revision=2))
    assert issue_due(engine, made, now=NOON).fiscal_invoices == 0
    assert figures(engine) == [("FU 1", "219.99", "rule")]
    assert lines_of(engine)["fashionup/FO1/1"][0] == 2
    assert rows(engine, "select review from cloudsales.sales_order") == [(["changed_after_document"],)]
    # A person corrects it: the storno, then an invoice of what the order is now.
    assert storno(engine, made, "FU 1", now=NOON) == "FU 2"
    assert issue_due(engine, made, now=NOON).fiscal_invoices == 0  # rules would repeat what was wrong
    assert issue_one(engine, made, "fashionup", "FO1", "fiscal_invoice", now=NOON) == "FU 3"
    assert [state for *_, state in documents(engine)] == ["ended", "issued", "live"]
    assert broken(engine) == {}


def test_a_person_can_not_issue_a_second_live_invoice_nor_for_a_cancelled_order(engine: Engine, settings: Settings) -> None:
    """I-31."""
    market(engine, {"R-1": 9})
    made = office(settings, ON_STOCK)
    receive(engine, order("FO1", line("R-1")), order("FO2", line("R-1"), status="cancelled"))
    issue_due(engine, made, now=NOON)
    for kind in ("fiscal_invoice", "proforma_invoice"):
        with pytest.raises(RefusedError, match="has FU 1"):
            issue_one(engine, made, "fashionup", "FO1", kind, now=NOON)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="is cancelled"):
        issue_one(engine, made, "fashionup", "FO2", "fiscal_invoice", now=NOON)
    with pytest.raises(InputError, match="no order FO9"):
        issue_one(engine, made, "fashionup", "FO9", "fiscal_invoice", now=NOON)


def test_a_rule_by_age_holds_when_the_order_is_old_enough_and_is_looked_at_once_an_hour(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 9})
    made = office(settings, {"issue": "fiscal_invoice", "when": "age_hours >= 24"})
    receive(engine, order("FO1", line("R-1")))
    assert issue_due(engine, made, now=NOON, by_age=True).fiscal_invoices == 0
    later = NOON + timedelta(hours=24)
    assert issue_due(engine, made, now=later).fiscal_invoices == 0  # nothing of the order changed
    assert issue_due(engine, made, now=later, by_age=True).fiscal_invoices == 1


def test_what_was_issued_is_never_changed_or_deleted(engine: Engine, settings: Settings, owner_engine: Engine) -> None:
    """I-32, I-34: not even by the tables' owner, unless the trigger is taken away."""
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1")))
    issue_due(engine, office(settings, ON_STOCK), now=NOON)
    for statement in (
        "update cloudsales.document set total = 1",
        "delete from cloudsales.document",
        "update personal.document_content set content = '{}'",
        "delete from personal.document_content",
        "truncate cloudsales.document_file",
    ):
        with pytest.raises(sa.exc.IntegrityError, match="never changed or deleted"), owner_engine.begin() as connection:
            connection.exec_driver_sql(statement)
    # A buyer who moves, a product that is renamed: the document stays what it was.
    moved = replace(order("FO1", line("R-1"), revision=2), buyer=Buyer("Altcineva", "x@example.invalid", "+40700000009", None))
    receive(engine, moved, settings=shop())
    assert rows(engine, "select content -> 'buyer' ->> 'name' from personal.document_content") == [("Ana Câmpeanu",)]
