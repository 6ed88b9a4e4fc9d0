"""A retailer's office: settings with a company and rules, and what tests ask of the documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog import audit
from cloudsales_pipeline.catalog.audit import AuditRule
from cloudsales_pipeline.documents.quality import DOCUMENT_RULES, check_documents
from cloudsales_pipeline.settings import ChannelSettings, CompanySettings, DocumentSettings, Settings
from tests.stock.shelf import rows

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
COMPANY = {
    "name": "Atelier Fictiv SRL",
    "tax_id": "RO14399840",
    "registration_number": "J12/345/2010",
    "address": {"street": "Strada Fictivă 1", "city": "Cluj-Napoca", "county": "Cluj", "postal_code": "400000"},
}
ON_STOCK = {"issue": "fiscal_invoice", "when": "fully_reserved", "name": "all is there"}
UNPAID = {"issue": "proforma_invoice", "when": "payment_method == 'bank_transfer' and not paid", "name": "to be paid"}
PAID = {"issue": "fiscal_invoice", "when": "paid", "name": "paid"}


def office(
    settings: Settings, *rules: dict[str, Any], channels: dict[str, dict[str, Any]] | None = None, **documents: Any
) -> Settings:
    """The test's settings with a company, these rules, and channels' own `documents:` sections."""
    made = {
        name: ChannelSettings.model_validate({"kind": "fashionup", "url": "http://127.0.0.1:9/v1", "documents": own})
        for name, own in (channels or {"fashionup": {}}).items()
    }
    return settings.model_copy(
        update={
            "company": CompanySettings.model_validate(COMPANY),
            "documents": DocumentSettings.model_validate({"rules": rules, **documents}),
            "channels": made,
        }
    )


def documents(engine: Engine) -> list[tuple[str, str, str, str]]:
    """(order, kind, number, state), as they were issued."""
    found = rows(
        engine,
        "select o.external_id, d.kind, d.series || ' ' || d.number,"
        " case when d.kind = 'storno' then 'issued' when l.document_id is not null then 'live' else 'ended' end"
        " from cloudsales.document d join cloudsales.sales_order o using (order_id)"
        " left join cloudsales.document_live l using (document_id) order by d.document_id",
    )
    return [tuple(one) for one in found]  # type: ignore[misc]


def quarantined(engine: Engine) -> list[tuple[str, str]]:
    found = rows(
        engine,
        "select reference, reason from cloudsales.quarantine where stage = 'documents' and resolved_at is null order by 1, 2",
    )
    return [tuple(one) for one in found]  # type: ignore[misc]


def figures(engine: Engine) -> list[tuple[str, str, str]]:
    """(number, total, cause) of each document."""
    found = rows(engine, "select series || ' ' || number, total::text, cause from cloudsales.document order by document_id")
    return [tuple(one) for one in found]  # type: ignore[misc]


def broken(engine: Engine) -> dict[str, tuple[dict[str, object], ...]]:
    """What of the documents' rules does not hold, with its rows; but the last day for e-invoices: these orders are of a fixed day."""
    timeless = [rule for rule in DOCUMENT_RULES if rule.name != "submitted_in_time"]
    return {one.rule: one.sample for one in check_documents(engine, Settings(), timeless) if not one.passed}


def looked(connection: Connection, rule: AuditRule) -> tuple[int, int, tuple[dict[str, object], ...]]:
    """What a rule sees within a transaction that is not committed: rows looked at, rows at fault, some of these."""
    values = {"unknown_after": 1800.0, "zone": "Europe/Bucharest"}
    return audit._run(connection, "cloudsales_pipeline.documents", rule, values, "")
