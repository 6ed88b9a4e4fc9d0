"""The checks of documents: series, live invoices, totals, what is handed over, nothing unclear. Rules: `documents.quality`'s."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from cloudsales_pipeline.documents.quality import INVOICE_RULES, WAYBILL_RULES
from cloudsales_pipeline.resources.audits import check_result, check_specs
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from cloudsales_pipeline.catalog.audit import AuditRule


@dg.multi_asset_check(
    name="invoices_audit",
    specs=check_specs("invoices", INVOICE_RULES),
    description="Works out again what must hold of all invoices and stornos, apart from the keys and triggers that keep it.",
)
def invoices_audit(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check series, live invoices, totals, hand-overs."""
    yield from _checked(project, "invoices", INVOICE_RULES)


@dg.multi_asset_check(
    name="waybills_audit",
    specs=check_specs("waybills", WAYBILL_RULES),
    description="Looks for waybills and hand-overs of which nobody knows what became of them.",
)
def waybills_audit(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check waybills."""
    yield from _checked(project, "waybills", WAYBILL_RULES)


def _checked(project: Project, asset: str, rules: "Sequence[AuditRule]") -> Iterator[dg.AssetCheckResult]:
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.documents.quality import check_documents

        results = check_documents(engine, project.settings(), rules)
    for rule, result in zip(rules, results, strict=True):
        yield check_result(asset, rule, result)
