"""The job, the schedule and the check of reconciliation, against the simulated channel over a real connection."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.simulator.state import State
from tests.listing.fake_channel import product, variant
from tests.stock.planted import stocked

if TYPE_CHECKING:
    import dagster as dg

    from cloudsales_pipeline.settings import Settings

pytestmark = pytest.mark.timeout(90)
NAMES = [f"v{n:05}" for n in range(1, 31)]


def _told_of_stock(config_file: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    from cloudsales_pipeline.settings import load_settings

    content = yaml.safe_load(config_file.read_text())
    content["warehouses"] = {"main": {}}
    content["channels"]["fashionup"] |= {"url": url, "token_env": "SHOP_TOKEN", "stock": {"warehouses": ["main"]}}
    config_file.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("SHOP_TOKEN", "t")
    return load_settings()


def _age(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.publication set acknowledged_at = acknowledged_at - interval '1 hour'"))


def _run(defs: dg.Definitions, job: str, instance: dg.DagsterInstance, asset: str) -> tuple[dict[str, Any], list[Any]]:
    ran = defs.resolve_job_def(job).execute_in_process(instance=instance, partition_key="fashionup")
    (made,) = ran.asset_materializations_for_node(asset)
    return {name: value.value for name, value in made.metadata.items()}, ran.get_asset_check_evaluations()


def test_a_figure_that_somebody_raised_over_there_is_found_shown_corrected_and_sent(
    defs: dg.Definitions, engine: Engine, config_file: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I-23, over HTTP: 30 listings, of which one shows 9 instead of 5 and one is sold there and unknown here."""
    from cloudsales_pipeline.resources.channels import register_partitions

    sold = [*NAMES, "ghost"]
    state = State.of([], [json.dumps(product(name, [variant(name)])).encode() for name in sold], [])
    with running(state, token="t") as server:
        register_partitions(instance, _told_of_stock(config_file, server.url, monkeypatch))
        stocked(engine, 30)
        _run(defs, "publish_stock", instance, "stock_publication")
        _age(engine)
        state.set_stock([("v00004", 9, 500), ("ghost", 6, 0)])
        _put_ghost(engine)
        told, (check,) = _run(defs, "reconcile_channels", instance, "channel_offers")
        assert (told["read"], told["agreed"], told["corrected"], told["ghosts"], told["round"]) == (31, 29, 1, 1, "whole")
        assert told["dagster/row_count"] == 2
        shown = {record["variant_id"]: record["shown"] for record in (row.data for row in told["open"].records)}
        assert shown == {"v00004": 9, "ghost": 6}
        assert (check.passed, check.severity.value) == (False, "WARN")
        assert check.description == "ghost: 1, never acknowledged: 0, not shown: 0, drift: 1"

        _run(defs, "publish_stock", instance, "stock_publication")
        assert state.offers(["v00004"])["v00004"] == (5, 501)
        told, (check,) = _run(defs, "reconcile_channels", instance, "channel_offers")
        assert check.description == "ghost: 1, never acknowledged: 0, not shown: 0, drift: 0"  # corrected: nobody's work
        state.set_stock([("ghost", 0, 1)])
        _age(engine)
        told, (check,) = _run(defs, "reconcile_channels", instance, "channel_offers")
        assert (told["corrected"], told["agreed"], told["dagster/row_count"]) == (0, 30, 0)
        assert check.passed


def _put_ghost(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.listing_product (channel, external_id, code, name, brand, description, category_ids, images,"
            " characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at) values ('fashionup', 'g', null,"
            " 'Rochie', null, null, '{}', '[]', '[]', 'active', now(), '', '', now(), now());"
            "insert into cloudsales.listing (channel, variant_id, product_external_id, position, ean_state, channel_stock,"
            " row_hash, first_seen_at, changed_at) values ('fashionup', 'ghost', 'g', 0, 'empty', 3, '', now(), now())"
        )


def test_a_channel_most_of_which_seems_empty_is_an_error_of_the_check(settings: Settings) -> None:
    """F-42: 10 of 30 are more than hold_if_share_to_zero."""
    from cloudsales_pipeline.checks.stock_reconciliation import judged

    counts: dict[str, Any] = dict.fromkeys(("ghost", "never_acknowledged", "not_shown", "drift", "corrected"), 0)
    row = counts | {"channel": "fashionup", "listings": 30, "suspected": 9, "reconciled_at": None}
    assert judged([row], settings).passed
    result = judged([row | {"suspected": 10}], settings)
    assert (result.passed, result.severity.value) == (False, "ERROR")
    assert "see what happened to fashionup" in str(result.metadata["what_to_do"].value)


def test_each_night_every_channel_that_is_told_of_stock_is_reconciled_once(
    defs: dg.Definitions, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg
    from dagster._core.definitions.partitions.context import partition_loading_context

    from cloudsales_pipeline.resources.project import Project

    _told_of_stock(config_file, "http://127.0.0.1:9/v1", monkeypatch)
    repository = defs.get_repository_def()
    at = datetime(2026, 11, 24, 1, 23, tzinfo=UTC)
    with (
        dg.instance_for_test(temp_dir=str(tmp_path)) as instance,
        dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, repository_def=repository, resources={"project": Project()}
        ) as context,
        partition_loading_context(dynamic_partitions_store=instance),
    ):
        data = repository.get_schedule_def("nightly_reconciliation").evaluate_tick(context)
        assert list(instance.get_dynamic_partitions("publishing_channel")) == ["fashionup"]
    requests = data.run_requests or []
    assert [(request.run_key, request.partition_key) for request in requests] == [("fashionup:202611240123", "fashionup")]
