"""The checks of purchasing: what must hold of requirement and supplier orders. The rules are `purchasing.quality`'s.

They judge all of purchasing, whatever date their run is of.
"""

from collections.abc import Iterator

import dagster as dg

from cloudsales_pipeline.purchasing.quality import PURCHASING_RULES
from cloudsales_pipeline.resources.audits import check_result, check_specs
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

ASSET = "supplier_orders"


@dg.multi_asset_check(
    name="purchasing_audit",
    specs=check_specs(ASSET, PURCHASING_RULES),
    description="Works out again what must hold of all supplier orders, apart from the constraints and triggers that keep it.",
)
def purchasing_audit(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check supplier orders, what they were bought for, and that no date is missed."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.purchasing.quality import check_purchasing

        results = check_purchasing(engine, project.settings())
    for rule, result in zip(PURCHASING_RULES, results, strict=True):
        yield check_result(ASSET, rule, result)
