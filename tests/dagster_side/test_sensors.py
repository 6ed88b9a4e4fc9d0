"""Sensors and the schedule: what is due starts once, what waits for a person does not, and what is late turns red."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    import dagster as dg

pytestmark = pytest.mark.usefixtures("config_file")


def _evaluate(name: str, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorExecutionData | Any:
    import dagster as dg
    from dagster._core.definitions.partitions.context import partition_loading_context

    from cloudsales_pipeline.definitions import defs

    repository = defs.get_repository_def()
    with (
        dg.build_sensor_context(
            instance=instance, cursor=cursor, repository_def=repository, resources=_resources(), sensor_name=name
        ) as context,
        partition_loading_context(dynamic_partitions_store=instance),
    ):
        return repository.get_sensor_def(name).evaluate_tick(context)


def _resources() -> dict[str, Any]:
    from cloudsales_pipeline.resources.project import Project

    return {"project": Project()}


def _pending(engine: Engine, revision: int = 5) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "with l as (insert into cloudsales.listing (channel, variant_id, product_external_id, position, ean_state,"
                "   row_hash, first_seen_at, changed_at) values ('fashionup', :variant, 'P', 0, 'empty', '', now(), now())"
                " returning listing_id)"
                " insert into cloudsales.listing_pending (listing_id, channel, revision, ean_state)"
                " select listing_id, 'fashionup', :revision, 'empty' from l"
            ),
            {"revision": revision, "variant": f"V{revision}"},
        )


def _plan(engine: Engine, state: str, revision: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cloudsales.plan (channel, state, revision, rules_version) values ('fashionup', :state, :revision, 1)"
            ),
            {"state": state, "revision": revision},
        )


def _started(data: Any) -> list[str]:
    return [request.partition_key for request in data.run_requests or []]


def test_pending_listings_start_an_import_of_their_channel(engine: Engine, instance: dg.DagsterInstance) -> None:
    assert _started(_evaluate("listing_changed", instance)) == []
    _pending(engine)
    first = _evaluate("listing_changed", instance)
    assert _started(first) == ["fashionup"]
    assert first.run_requests[0].run_key.startswith("fashionup:5:")
    assert first.run_requests[0].tags["cloudsales/slot"] == "import_catalog"


def test_a_rejected_plan_waits_for_a_person_until_something_changes(engine: Engine, instance: dg.DagsterInstance) -> None:
    _pending(engine, revision=5)
    _plan(engine, "rejected", revision=6)
    data = _evaluate("listing_changed", instance)
    assert _started(data) == []
    assert "the checks rejected the plan of fashionup" in data.skip_message
    _pending(engine, revision=7)
    assert _started(_evaluate("listing_changed", instance)) == ["fashionup"]


def test_no_second_import_starts_while_one_is_under_way(engine: Engine, instance: dg.DagsterInstance) -> None:
    import dagster as dg

    _pending(engine)
    run = dg.DagsterRun("import_catalog", status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "fashionup"})
    instance.add_run(run)
    data = _evaluate("listing_changed", instance)
    assert (_started(data), data.skip_message) == ([], "an import is under way")


def test_images_that_are_due_start_a_run_and_later_ones_do_not(engine: Engine, instance: dg.DagsterInstance) -> None:
    insert = sa.text(
        "insert into cloudsales.image (url, channel, due_at) values (:url, 'fashionup', now() + cast(:late as interval))"
    )
    with engine.begin() as connection:
        connection.execute(insert, {"url": "http://a/1", "late": "1 hour"})
    assert _evaluate("images_due", instance).skip_message == "no image is due"
    with engine.begin() as connection:
        connection.execute(insert, {"url": "http://a/2", "late": "-1 second"})
    assert _started(_evaluate("images_due", instance)) == ["fashionup"]


def test_a_run_for_images_that_failed_is_not_started_again_at_once(engine: Engine, instance: dg.DagsterInstance) -> None:
    import dagster as dg

    with engine.begin() as connection:
        connection.execute(sa.text("insert into cloudsales.image (url, channel) values ('http://a/1', 'fashionup')"))
    run = dg.DagsterRun("fetch_images", status=dg.DagsterRunStatus.FAILURE, tags={"dagster/partition": "fashionup"})
    instance.add_run(run)
    data = _evaluate("images_due", instance)
    assert (_started(data), data.skip_message) == ([], "a run is under way, or failed a few minutes ago")


def test_partitions_follow_the_settings(engine: Engine, instance: dg.DagsterInstance, config_file: Path) -> None:
    assert "are the channels" in _evaluate("channel_partitions", instance).skip_message
    content = yaml.safe_load(config_file.read_text())
    content["channels"]["second"] = content["channels"].pop("fashionup")
    content["channels"]["cluj"] = {"kind": "store"}
    config_file.write_text(yaml.safe_dump(content))
    add, delete = _evaluate("channel_partitions", instance).dynamic_partitions_requests
    assert (add.partition_keys, delete.partition_keys) == (["second"], ["fashionup"])
    with engine.connect() as connection:
        known = connection.scalars(sa.text("select channel from cloudsales.channel order by 1")).all()
    assert known == ["cluj", "fashionup", "second"]


def test_a_channel_not_imported_for_twice_its_interval_turns_the_check_red(engine: Engine, instance: dg.DagsterInstance) -> None:
    first = _evaluate("listing_freshness", instance)
    assert [event.passed for event in first.asset_events] == [True]
    assert _evaluate("listing_freshness", instance, first.cursor).asset_events == []
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.channel set registered_at = now() - interval '121 minutes'"))
    late = _evaluate("listing_freshness", instance, first.cursor)
    (event,) = late.asset_events
    assert not event.passed
    assert "fashionup" in event.metadata["what_to_do"].value
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cloudsales.listing_import (channel, mode, state, finished_at)"
                " values ('fashionup', 'full', 'stored', now())"
            )
        )
    assert [event.passed for event in _evaluate("listing_freshness", instance, late.cursor).asset_events] == [True]


def test_the_schedule_starts_a_run_for_each_channel_and_makes_a_missing_partition(engine: Engine, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    import dagster as dg
    from dagster._core.definitions.partitions.context import partition_loading_context

    from cloudsales_pipeline.definitions import defs

    repository = defs.get_repository_def()
    at = datetime(2026, 11, 24, 5, 7, tzinfo=UTC)
    with (
        dg.instance_for_test(temp_dir=str(tmp_path)) as instance,
        dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, repository_def=repository, resources=_resources()
        ) as context,
        partition_loading_context(dynamic_partitions_store=instance),
    ):
        data = repository.get_schedule_def("listing_refresh").evaluate_tick(context)
        assert list(instance.get_dynamic_partitions("channel")) == ["fashionup"]
    requests = data.run_requests or []
    assert [(request.run_key, request.partition_key) for request in requests] == [("fashionup:202611240507", "fashionup")]


def test_a_database_that_is_away_is_a_clear_line_of_the_tick(instance: dg.DagsterInstance, config_file: Path) -> None:
    import dagster as dg

    content = yaml.safe_load(config_file.read_text())
    content["database"]["url"] = "postgresql+psycopg://u:pw_canary@127.0.0.1:9/x"
    config_file.write_text(yaml.safe_dump(content))
    with pytest.raises(dg.Failure, match="can't be reached") as caught:
        _evaluate("images_due", instance)
    assert "pw_canary" not in str(caught.value)


def test_a_failed_run_is_recorded_with_job_channel_step_and_class_alone(instance: dg.DagsterInstance) -> None:
    import dagster as dg

    from cloudsales_pipeline.resources.failures import clear_failures
    from cloudsales_pipeline.sensors.failures import describe

    @dg.op
    def import_it() -> None:
        with clear_failures():
            raise ValueError("ion.popescu@example.ro")

    @dg.job(tags={"dagster/partition": "fashionup"})
    def import_listing() -> None:
        import_it()

    result = import_listing.execute_in_process(instance=instance, raise_on_error=False)
    event = next(event for event in result.all_events if (event.is_failure and event.is_job_event) or event.is_run_failure)
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failures", dagster_event=event, dagster_instance=instance, dagster_run=result.dagster_run
    ).for_run_failure()
    assert describe(context) == {
        "event": "run_failed",
        "job": "import_listing",
        "channel": "fashionup",
        "run_id": result.run_id,
        "steps": [{"step": "import_it", "error": "ValueError"}],
    }
