"""The rules of documents: a sound office passes, and each planted fault is caught by the rule that names it.

Faults are planted as the tables' owner, past the triggers and keys that would refuse them.
"""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents.issuing import issue_due, storno
from cloudsales_pipeline.documents.quality import DOCUMENT_RULES, INVOICE_RULES, check_documents
from cloudsales_pipeline.settings import Settings
from tests.documents.office import NOON, ON_STOCK, UNPAID, broken, looked, office
from tests.orders.market import line, market, order, receive
from tests.stock.shelf import rows

PAST_THE_GUARDS = """
alter table cloudsales.document disable trigger user;
alter table personal.document_content disable trigger user;
alter table cloudsales.document_live drop constraint document_live_pkey;
alter table cloudsales.document drop constraint document_series_number_kind_key;
"""
NOT_DUE = "update cloudsales.document set submit_by = current_date + 5"  # whatever day it is
FAULTS = [
    pytest.param(
        "update cloudsales.document set number = 9 where series = 'FU' and number = 2",
        {"series_without_gaps": {"series": "FU", "documents": 4, "first_number": 1, "last_number": 9, "counter": 4}},
        id="a number that is missing",
    ),
    pytest.param(
        "update cloudsales.document set number = 1 where series = 'FU' and number = 2",
        {"series_without_gaps": {"series": "FU", "documents": 4, "first_number": 1, "last_number": 4, "counter": 4}},
        id="a number that was given twice",
    ),
    pytest.param(
        "update cloudsales.number_series set last_number = 6 where series = 'FU'",
        {"series_without_gaps": {"series": "FU", "documents": 4, "counter": 6}},
        id="numbers that were taken and stand on nothing",
    ),
    pytest.param(
        "insert into cloudsales.number_series (kind, series, year, last_number, last_date) values ('storno', 'ST', 0, 1, '2026-11-20')",
        {"series_without_gaps": {"series": "ST", "counter": 1}},
        id="a series whose documents are all gone",
    ),
    pytest.param(
        "update cloudsales.document set issued_on = '2026-11-19' where series = 'FU' and number = 3",
        {"numbers_grow_with_dates": {"series": "FU", "number": 3, "issued_on": "2026-11-19", "before": "2026-11-20"}},
        id="a higher number with an earlier date",
    ),
    pytest.param(
        "update cloudsales.document set order_id = (select order_id from cloudsales.document where number = 1 and series = 'FU')"
        " where number = 4 and series = 'FU'",
        {"one_live_invoice": {"channel": "fashionup", "order_id": "FO1", "lives": 2}},
        id="two live invoices of one order",
    ),
    pytest.param(
        "delete from cloudsales.document_live using cloudsales.document d where d.document_id = document_live.document_id and d.number = 1"
        " and d.series = 'FU'",
        {"one_live_invoice": {"channel": "fashionup", "order_id": "FO1", "number": 1, "live": False, "remains": 119.99}},
        id="an invoice that was ended without a storno",
    ),
    pytest.param(
        "update cloudsales.document set net = net - 100, total = total - 100 where kind = 'storno'",
        {"one_live_invoice": {"channel": "fashionup", "number": 2, "remains": -100.0}},
        id="a storno of more than the invoice",
    ),
    pytest.param(
        "update cloudsales.sales_order set total = total + 1 where external_id = 'FO1'",
        {"totals_match_orders": {"order_id": "FO1", "number": 1, "total": 119.99, "order_total": 120.99}},
        id="an invoice of another total than its order",
    ),
    pytest.param(
        "update personal.document_content set content = jsonb_set(content, '{payable}', '\"1.00\"') where content ->> 'number' = 'FU 1'",
        {"totals_match_orders": {"order_id": "FO1", "number": 1, "content_total": 1.0}},
        id="content that was changed",
    ),
    pytest.param(
        "update personal.document_content set content = jsonb_set(content, '{taxes,0,vat}', '\"0.01\"') where content ->> 'number' = 'FU 1'",
        {"totals_match_orders": {"order_id": "FO1", "number": 1}},
        id="taxes that do not add up",
    ),
    pytest.param(
        "delete from personal.document_content where content ->> 'number' = 'FU 1'",
        {"totals_match_orders": {"order_id": "FO1", "number": 1}},
        id="a document whose content is gone",
    ),
    pytest.param(
        "update cloudsales.document set submit_by = current_date - 1 where number = 1 and series = 'FU'",
        {"submitted_in_time": {"order_id": "FO1", "document": "FU 1", "state": "due"}},
        id="an e-invoice whose last day is over",
    ),
    pytest.param(
        "update cloudsales.document set issued_at = now() - interval '31 minutes' where number = 1 and series = 'FU'",
        {"handed_over_in_time": {"order_id": "FO1", "document": "FU 1", "state": "due", "attempts": 0}},
        id="a document that its channel was not given in half an hour",
    ),
    pytest.param(
        "update cloudsales.document_handover set state = 'refused', reason = 'too_large' where document_id = (select document_id from"
        " cloudsales.document where number = 1 and series = 'FU')",
        {"handed_over_in_time": {"order_id": "FO1", "document": "FU 1", "state": "refused", "reason": "too_large"}},
        id="a document that its channel refused",
    ),
    pytest.param(
        "update cloudsales.document_submission set state = 'unknown', changed_at = now() - interval '31 minutes' where document_id ="
        " (select document_id from cloudsales.document where number = 1 and series = 'FU')",
        {"nothing_unclear": {"order_id": "FO1", "document": "FU 1", "state": "unknown"}},
        id="an e-invoice of which nobody knows whether the authority has it",
    ),
]


@pytest.fixture
def sound(engine: Engine, settings: Settings) -> Settings:
    """FU 1 of FO1; FU 2 of FO2, corrected by FU 3; FU 4 of FO3; PF 1 of FO4."""
    market(engine, {"R-1": 5})
    made = office(settings, ON_STOCK, UNPAID)
    receive(engine, *[order(f"FO{n}", line("R-1"), minutes=n) for n in (1, 2)])
    issue_due(engine, made, now=NOON)
    storno(engine, made, "FU 2", now=NOON)
    receive(engine, order("FO3", line("R-1"), minutes=3), order("FO4", line("R-1", 9), minutes=4, payment_method="bank_transfer"))
    issue_due(engine, made, now=NOON)
    assert rows(engine, "select series, count(*) from cloudsales.document group by 1 order by 1") == [("FU", 4), ("PF", 1)]
    return made


def test_a_sound_office_passes_every_rule_and_each_looks_at_something(engine: Engine, sound: Settings) -> None:
    rules = [rule for rule in INVOICE_RULES if rule.name != "submitted_in_time"]  # these are of a fixed day
    results = check_documents(engine, Settings(), rules)
    assert [one.rule for one in results] == [one.name for one in rules]
    assert all(one.passed and one.ran and one.checked_rows for one in results)


def test_each_planted_fault_is_caught_by_the_rule_that_names_it(engine: Engine, sound: Settings, owner_engine: Engine) -> None:
    """One office for all: each fault is planted in a transaction of its own, looked at there, and rolled back."""
    for fault in FAULTS:
        statement, wanted = fault.values
        with owner_engine.connect() as connection:
            connection.exec_driver_sql(PAST_THE_GUARDS)
            connection.exec_driver_sql(NOT_DUE)
            connection.exec_driver_sql(statement.replace("%", "%%"))
            found = {}
            for check in DOCUMENT_RULES:
                _, offending, sample = looked(connection, check)
                if offending:
                    found[check.name] = sample
            connection.rollback()
        # A row that differs from its content is seen there too.
        assert set(found) - set(wanted) <= {"totals_match_orders"}, fault.id
        for rule, row in wanted.items():
            assert rule in found, fault.id
            assert any(row.items() <= one.items() for one in found[rule]), (fault.id, found[rule])
    assert broken(engine) == {}
