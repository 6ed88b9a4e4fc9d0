"""The sensor that looks each minute what waits for a person, and tells operators inside its own tick."""

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from cloudsales_pipeline.assets.operators import ASSET, CHECK, judged, shown, urgent
from cloudsales_pipeline.resources.dagster_record import note_dagster
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from cloudsales_pipeline.operations.telling import Told

REPORT_AGAIN_SECONDS = 3600.0


@dg.sensor(
    minimum_interval_seconds=59,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks each minute what waits for a person, notes failed jobs and red checks, and queues an e-mail to the"
    " operators of the settings: at once for what can't wait, a digest a day for the rest, nothing twice. Reports a change to"
    " what_waits at once, and otherwise once an hour.",
    tags={"stage": "operations"},
    asset_selection=dg.AssetSelection.assets(ASSET),
)
def operators_told(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """Look, tell, report."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.operations.telling import tell_operators

        now = datetime.now(UTC)
        checks = context.repository_def.asset_graph.asset_check_keys if context.repository_def else None
        note_dagster(engine, context.instance, now, checks, by_daemon=True)
        told = tell_operators(engine, project.settings(), now=now)
    stand = sorted(f"{one.key}={one.severity}" for one in told.reading.findings)
    cursor = json.dumps({"stand": stand, "hour": int(time.time() // REPORT_AGAIN_SECONDS)})
    if cursor == context.cursor and not told.messages:
        return dg.SkipReason(judged(told)[1])
    return dg.SensorResult(asset_events=[dg.AssetMaterialization(ASSET, metadata=shown(told)), _evaluation(told)], cursor=cursor)


def _evaluation(told: "Told") -> dg.AssetCheckEvaluation:
    passed, sentence = judged(told)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(ASSET),
        check_name=CHECK,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata={"urgent": urgent(told)},
    )
