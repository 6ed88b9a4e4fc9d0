"""The checks of purchasing: what must hold of requirement and supplier orders. The rules are `purchasing.quality`'s.

They judge all of purchasing, whatever date their run is of.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.purchasing.quality import PURCHASING_RULES, PurchasingRule
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from cloudsales_pipeline.catalog.rules import RuleResult

ASSET = "supplier_orders"


@dg.multi_asset_check(
    name="purchasing_audit",
    specs=[dg.AssetCheckSpec(rule.name, asset=ASSET, description=rule.description) for rule in PURCHASING_RULES],
    description="Works out again what must hold of all supplier orders, apart from the constraints and triggers that keep it.",
)
def purchasing_audit(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check supplier orders, what they were bought for, and that no date is missed."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.purchasing.quality import check_purchasing

        results = check_purchasing(engine, project.settings())
    for rule, result in zip(PURCHASING_RULES, results, strict=True):
        yield _result(rule, result)


def _result(rule: PurchasingRule, result: "RuleResult") -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=result.ran and result.passed,
        asset_key=ASSET,
        check_name=rule.name,
        severity=dg.AssetCheckSeverity.WARN if rule.warns else dg.AssetCheckSeverity.ERROR,
        description=_sentence(result),
        metadata=_shown(result),
    )


def _sentence(result: "RuleResult") -> str:
    if not result.ran:
        return "could not be evaluated"
    return "holds" if result.passed else f"{result.offending_rows} of {result.checked_rows} rows break it"


def _shown(result: "RuleResult") -> dict[str, Any]:
    """Counts, and where it is broken some rows: suppliers, numbers, codes and figures alone."""
    told: dict[str, Any] = {"rows_checked": result.checked_rows, "rows_offending": result.offending_rows}
    if result.sample:
        told["sample"] = metadata.table(result.sample)
    if result.what_to_do:
        told["what_to_do"] = dg.MetadataValue.text(result.what_to_do)
    return told
