"""The checks of messages: they leave in time, few fail, nothing unclear is left lying. The rules are `messages.quality`'s."""

from collections.abc import Iterator

import dagster as dg

from cloudsales_pipeline.messages.quality import MESSAGE_RULES
from cloudsales_pipeline.resources.audits import check_result, check_specs
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

ASSET = "messages"


@dg.multi_asset_check(
    name="messages_audit",
    specs=check_specs(ASSET, MESSAGE_RULES),
    description="Looks at how long messages wait, how many of the last day failed, and what nobody has decided on.",
)
def messages_audit(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check the outbox."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.messages.quality import check_messages

        results = check_messages(engine, project.settings().messages)
    for rule, result in zip(MESSAGE_RULES, results, strict=True):
        yield check_result(ASSET, rule, result)
