"""Group `operations`: what waits for a person, and what operators were told. The rules are `cloudsales_pipeline.operations`'.

What belongs here: calling the stage and showing what came of it. What does not: any rule, and asking Dagster (`resources`).
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.dagster_record import note_dagster
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from cloudsales_pipeline.operations.telling import Told

ASSET = "what_waits"
CHECK = "nothing_urgent_waits"
CHECK_SPEC = dg.AssetCheckSpec(CHECK, asset=ASSET, description="Nothing waits for a person that can't wait.")


@dg.asset(
    name=ASSET,
    group_name="operations",
    description="What waits for a person: failed runs, red checks, held pushes, what was set aside, documents and messages that"
    " are not clear, a channel that is silent. The sensor operators_told looks each minute and tells operators, once.",
    kinds={"python", "postgres"},
    owners=["team:operations"],
    tags={"stage": "operations"},
    check_specs=[CHECK_SPEC],
)
def what_waits(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult:  # type: ignore[type-arg] # with check_specs Dagster takes it bare
    """Look for what waits, and tell whom the settings name."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.operations.telling import tell_operators

        now = datetime.now(UTC)
        note_dagster(engine, context.instance, now)
        told = tell_operators(engine, project.settings(), now=now)
    passed, sentence = judged(told)
    result = dg.AssetCheckResult(
        passed=passed,
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata={"urgent": urgent(told)},
    )
    return dg.MaterializeResult(metadata=shown(told), check_results=[result])


def shown(told: "Told") -> dict[str, Any]:
    """What the asset's page shows: all that waits, with the command for each."""
    return {
        "dagster/row_count": len(told.reading.findings),
        "urgent": len(told.reading.of("now")),
        "can_wait": len(told.reading.of("digest")),
        "told_at_once": told.alerted,
        "digest_sent": told.digest,
        "messages": told.messages,
        "waits": metadata.table(
            [
                {"severity": one.severity, "stage": one.stage, "what": one.sentence(), "since": one.since, "command": one.command}
                for one in told.reading.findings
            ]
        ),
        "not_read": ", ".join(sorted(told.reading.unread)) or "none",
        "look_next": dg.MetadataValue.text("cloudsales status; cloudsales.operator_notice has what was told"),
    }


def judged(told: "Told") -> tuple[bool, str]:
    """Whether nothing urgent waits and all could be read, and a sentence."""
    now, unread = told.reading.of("now"), told.reading.unread
    if now:
        return False, "; ".join(one.sentence() for one in now)
    return not unread, f"could not be read: {', '.join(sorted(unread))}" if unread else "nothing urgent waits"


def urgent(told: "Told") -> dg.TableMetadataValue | dg.TextMetadataValue:
    """The urgent ones as a table."""
    return metadata.table(
        [{"what": one.sentence(), "since": one.since, "command": one.command} for one in told.reading.of("now")]
    )
