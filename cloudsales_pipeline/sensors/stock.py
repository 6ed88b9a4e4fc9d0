"""The sensors of stock: one publishes inside its own tick (docs/dagster.md has why: no process more, a lag under a second), one
watches how that goes.
"""

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.stock import published
from cloudsales_pipeline.checks.stock import PUBLICATION, RED, judge_publishing
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.stock.publisher import PublishResult

TICK_SECONDS = 4.5
REPORT_EVERY_SECONDS = 60.0
WATCH_AGAIN_SECONDS = 600.0


@dg.sensor(
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends a channel the stock figures that differ, in a loop inside its own tick: under a lease for each channel,"
    " so that it never sends beside a run or a worker. Reports what was sent once a minute.",
    tags={"stage": "stock"},
    asset_selection=dg.AssetSelection.assets("stock_publication"),
)
def stock_deltas(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """Publish until shortly before the next tick."""
    begun = time.monotonic()
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.stock.publishing import LEAST_SECONDS, publish_all

        settings = project.settings()
        # What came before counts too: a tick that is not over when the daemon looks again, 5 s after its start, costs 5 s more.
        results = publish_all(settings, engine, seconds=max(LEAST_SECONDS, TICK_SECONDS - (time.monotonic() - begun)))
        reported: dict[str, float] = json.loads(context.cursor or "{}")
        now = time.time()
        ripe = [
            name for name, result in results.items() if result.requests and now - reported.get(name, 0) >= REPORT_EVERY_SECONDS
        ]
        if not ripe:
            return dg.SkipReason(_told(results))
        events = [_materialization(engine, name, results[name], settings.lag_objective(name)) for name in ripe]
    return dg.SensorResult(asset_events=events, cursor=json.dumps(reported | dict.fromkeys(ripe, now)))


@dg.sensor(
    minimum_interval_seconds=59,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks how long changes take to reach each channel, and whether it is reached at all, and turns the two checks of"
    " stock_publication red or green. Reports a change at once, and otherwise every ten minutes.",
    tags={"stage": "stock"},
    asset_selection=dg.AssetSelection.assets("stock_publication"),
)
def stock_watch(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult | dg.SkipReason:
    """Record evaluations of both checks without a run; it stands apart from stock_deltas, which it watches."""
    with clear_failures(), project.engine() as engine, engine.connect() as connection:
        judged = judge_publishing(connection, project.settings())
    red = sorted(name for name, (passed, _, _) in judged.items() if not passed)
    cursor = json.dumps({"red": red, "period": int(time.time() // WATCH_AGAIN_SECONDS)})
    if cursor == context.cursor:
        return dg.SkipReason("; ".join(f"{name}: {told}" for name, (_, told, _) in judged.items()))
    seen = [
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(PUBLICATION), check_name=name, passed=passed, severity=RED, description=told, metadata=shown
        )
        for name, (passed, told, shown) in judged.items()
    ]
    return dg.SensorResult(asset_events=seen, cursor=cursor)


def _materialization(engine: "Engine", name: str, result: "PublishResult", objective: timedelta) -> dg.AssetMaterialization:
    with engine.connect() as connection:
        told: dict[str, Any] = published(connection, name, result, objective)
    return dg.AssetMaterialization("stock_publication", partition=name, metadata=told)


def _told(results: "dict[str, PublishResult]") -> str:
    """One line for all channels."""
    lines = [f"{name}: {_state(result)}" for name, result in results.items()]
    return "; ".join(lines) or "no channel is told of stock: set channels.NAME.stock.warehouses"


def _state(result: "PublishResult") -> str:
    if not result.led:
        return "sent by another"
    state = f"{result.pushed} sent, {result.due} due, {result.held} held"
    return f"{state}, last error {result.failure}" if result.failure else state
