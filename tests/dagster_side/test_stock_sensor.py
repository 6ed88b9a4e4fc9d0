"""The sensor and the job of stock: what is sent by them shows in Dagster, and no more often than a minute from the sensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.simulator.state import State
from tests.listing.fake_channel import product, variant
from tests.stock.planted import move, stocked

if TYPE_CHECKING:
    import dagster as dg


def _told_of_stock(config_file: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = yaml.safe_load(config_file.read_text())
    content["warehouses"] = {"main": {}}
    content["channels"]["fashionup"] |= {"url": url, "token_env": "SHOP_TOKEN", "stock": {"warehouses": ["main"]}}
    config_file.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("SHOP_TOKEN", "t")


@pytest.mark.timeout(60)
def test_the_sensor_and_the_job_send_what_differs_and_say_so(
    defs: dg.Definitions, engine: Engine, config_file: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from cloudsales_pipeline.resources.channels import register_partitions
    from cloudsales_pipeline.resources.project import Project
    from cloudsales_pipeline.sensors import stock

    monkeypatch.setattr(stock, "TICK_SECONDS", 1.0)
    names = [f"v{n:05}" for n in range(1, 6)]
    state = State.of([], [json.dumps(product(name, [variant(name)])).encode() for name in names], [])
    with running(state, token="t") as server:
        _told_of_stock(config_file, server.url, monkeypatch)
        stocked(engine, 5)
        context = dg.build_sensor_context(instance=instance)
        first = stock.stock_deltas(context, project=Project())
        assert isinstance(first, dg.SensorResult)
        (event,) = first.asset_events
        assert isinstance(event, dg.AssetMaterialization)
        assert (event.partition, event.metadata["acknowledged"].value, event.metadata["due"].value) == ("fashionup", 5, 0)
        move(engine, {names[0]: 1})
        second = stock.stock_deltas(dg.build_sensor_context(instance=instance, cursor=first.cursor), project=Project())
        assert isinstance(second, dg.SkipReason)
        assert second.skip_message == "fashionup: 1 sent, 0 due, 0 held"
        move(engine, {names[1]: 1, names[2]: -1})
        register_partitions(instance, Project().settings())
        ran = defs.resolve_job_def("publish_stock").execute_in_process(instance=instance, partition_key="fashionup")
        (made,) = ran.asset_materializations_for_node("stock_publication")
        assert made.metadata["acknowledged"].value == 2
    assert len(state.stock_history) == 8
