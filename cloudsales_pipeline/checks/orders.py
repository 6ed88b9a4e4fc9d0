"""The checks of orders: what must hold of every line, reservation and acknowledgement. The rules are `orders.quality`'s.

They judge the channel of their run; run alone without a channel, every channel that has orders.
"""

from collections.abc import Iterator

import dagster as dg

from cloudsales_pipeline.orders.quality import ORDER_RULES
from cloudsales_pipeline.resources.audits import check_result, check_specs
from cloudsales_pipeline.resources.channels import importing_channels
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

ASSET = "sales_orders"


@dg.multi_asset_check(
    name="orders_audit",
    specs=check_specs(ASSET, ORDER_RULES),
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
        yield check_result(ASSET, rule, result, {"channels": dg.MetadataValue.text(", ".join(names))})
