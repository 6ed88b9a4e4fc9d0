"""The checks of orders: what must hold of every line, reservation and acknowledgement. The rules are `orders.quality`'s.

They judge the channel of their run; run alone without a channel, every channel that has orders.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.orders.quality import ORDER_RULES, OrderRule
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import importing_channels
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from cloudsales_pipeline.catalog.rules import RuleResult

ASSET = "sales_orders"


@dg.multi_asset_check(
    name="orders_audit",
    specs=[dg.AssetCheckSpec(rule.name, asset=ASSET, description=rule.description) for rule in ORDER_RULES],
    description="Works out again what must hold of the channel's orders, apart from the constraints and triggers that keep it.",
)
def orders_audit(context: dg.AssetCheckExecutionContext, project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check the orders of the run's channel, or of all."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.orders.quality import check_orders

        settings = project.settings()
        names = [context.partition_key] if context.has_partition_key else importing_channels(settings)
        results = check_orders(engine, {name: settings.channel(name) for name in names})
    for rule, result in zip(ORDER_RULES, results, strict=True):
        yield _result(rule, result, names)


def _result(rule: OrderRule, result: "RuleResult", channels: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=result.ran and result.passed,
        asset_key=ASSET,
        check_name=rule.name,
        severity=dg.AssetCheckSeverity.WARN if rule.warns else dg.AssetCheckSeverity.ERROR,
        description=_sentence(result),
        metadata={"channels": dg.MetadataValue.text(", ".join(channels)), **_shown(result)},
    )


def _sentence(result: "RuleResult") -> str:
    if not result.ran:
        return "could not be evaluated"
    return "holds" if result.passed else f"{result.offending_rows} of {result.checked_rows} rows break it"


def _shown(result: "RuleResult") -> dict[str, Any]:
    """Counts, and where it is broken some rows: channel, ids, codes and figures alone."""
    told: dict[str, Any] = {"rows_checked": result.checked_rows, "rows_offending": result.offending_rows}
    if result.sample:
        told["sample"] = metadata.table(result.sample)
    if result.what_to_do:
        told["what_to_do"] = dg.MetadataValue.text(result.what_to_do)
    return told
