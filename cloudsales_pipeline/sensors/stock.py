"""The sensor of stock: publishes inside its own tick (docs/dagster.md has why: no process more, a lag under a second)."""

import json
import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.stock import published
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.stock.publisher import PublishResult

TICK_SECONDS = 4.5
REPORT_EVERY_SECONDS = 60.0


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
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.stock.publishing import publish_all

        results = publish_all(project.settings(), engine, seconds=TICK_SECONDS)
        reported: dict[str, float] = json.loads(context.cursor or "{}")
        now = time.time()
        ripe = [
            name for name, result in results.items() if result.requests and now - reported.get(name, 0) >= REPORT_EVERY_SECONDS
        ]
        if not ripe:
            return dg.SkipReason(_told(results))
        events = [_materialization(engine, name, results[name]) for name in ripe]
    return dg.SensorResult(asset_events=events, cursor=json.dumps(reported | dict.fromkeys(ripe, now)))


def _materialization(engine: "Engine", name: str, result: "PublishResult") -> dg.AssetMaterialization:
    with engine.connect() as connection:
        told: dict[str, Any] = published(connection, name, result)
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
