"""Rules of a stage (`catalog.audit`) as Dagster's checks: a specification for each, and what a rule's result looks like there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.catalog.audit import AuditRule
from cloudsales_pipeline.resources import metadata

if TYPE_CHECKING:
    from cloudsales_pipeline.catalog.rules import RuleResult


def check_specs(asset: str, rules: Sequence[AuditRule]) -> list[dg.AssetCheckSpec]:
    """A check for each rule, with the rule's name and words."""
    return [dg.AssetCheckSpec(rule.name, asset=asset, description=rule.description) for rule in rules]


def check_result(asset: str, rule: AuditRule, result: "RuleResult", more: Mapping[str, Any] | None = None) -> dg.AssetCheckResult:
    """What became of a rule: green only where it ran. `more` is metadata besides counts and a sample of rows."""
    return dg.AssetCheckResult(
        passed=result.ran and result.passed,
        asset_key=asset,
        check_name=rule.name,
        severity=dg.AssetCheckSeverity.WARN if rule.warns else dg.AssetCheckSeverity.ERROR,
        description=_sentence(result),
        metadata={**(more or {}), **_shown(result)},
    )


def _sentence(result: "RuleResult") -> str:
    if not result.ran:
        return "could not be evaluated"
    return "holds" if result.passed else f"{result.offending_rows} of {result.checked_rows} rows break it"


def _shown(result: "RuleResult") -> dict[str, Any]:
    """Counts, and where it is broken some rows: ids, codes and figures alone."""
    told: dict[str, Any] = {"rows_checked": result.checked_rows, "rows_offending": result.offending_rows}
    if result.sample:
        told["sample"] = metadata.table(result.sample)
    if result.what_to_do:
        told["what_to_do"] = dg.MetadataValue.text(result.what_to_do)
    return told
