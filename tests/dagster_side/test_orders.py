"""Orders in Dagster: the sensor looks and starts, the job takes in and tells what came of it, and nobody's name is in any of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.errors import ChannelUnreachableError
from cloudsales_pipeline.orders.quality import ORDER_RULES
from tests.orders.market import line as line_of
from tests.orders.market import lines_of, market, order, statuses
from tests.orders.order_shop import OrderShop
from tests.stock.shelf import rows

if TYPE_CHECKING:
    import dagster as dg


@pytest.fixture
def shops(config_file: Path, engine: Engine, instance: dg.DagsterInstance, fake: Callable[..., None]) -> dict[str, OrderShop]:
    """Two shops, `fashionup` and `second`, with the warehouse CENTRAL; what `open_channel` gives."""
    content = yaml.safe_load(config_file.read_text())
    content["warehouses"] = {"CENTRAL": {}}
    content["channels"]["second"] = dict(content["channels"]["fashionup"])
    for one in content["channels"].values():
        one["orders"] = {"warehouse": "CENTRAL", "poll_seconds": 1}
    config_file.write_text(yaml.safe_dump(content))
    market(engine, {"R-1": 2}, channels=("fashionup", "second"))
    instance.add_dynamic_partitions("channel", ["second"])
    opened = {name: OrderShop(name=name) for name in ("fashionup", "second")}
    fake("channels.registry", open_channel=lambda name, settings, **_: opened[name])
    return opened


def look(instance: dg.DagsterInstance) -> Any:
    import dagster as dg

    from cloudsales_pipeline.resources.project import Project
    from cloudsales_pipeline.sensors.orders import new_orders

    return new_orders(dg.build_sensor_context(instance=instance), project=Project())


def started(result: Any) -> list[str | None]:
    import dagster as dg

    return [request.partition_key for request in result.run_requests or []] if isinstance(result, dg.SensorResult) else []


def time_passes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.order_intake set polled_at = polled_at - interval '1 minute'")


def run(
    defs: dg.Definitions, instance: dg.DagsterInstance, channel: str = "fashionup", **fields: Any
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("import_orders").execute_in_process(instance=instance, partition_key=channel, **fields)


def test_the_sensor_starts_an_import_for_the_channel_with_something_new_and_asks_once_in_its_interval(
    shops: dict[str, OrderShop], engine: Engine, instance: dg.DagsterInstance
) -> None:
    shops["second"].show(order("S1", line_of("R-1")))
    assert started(look(instance)) == ["second"]
    asked = [len(one.asked) for one in shops.values()]
    assert asked == [1, 1]
    look(instance)
    assert [len(one.asked) for one in shops.values()] == asked
    time_passes(engine)
    assert started(look(instance)) == ["second"]


def test_what_is_known_starts_nothing_and_what_is_left_over_does(
    shops: dict[str, OrderShop], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance
) -> None:
    shops["fashionup"].show(order("FO1", line_of("R-1")))
    assert run(defs, instance).success
    time_passes(engine)
    assert started(look(instance)) == []
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.sales_order set acknowledgement = 'due'")
    time_passes(engine)
    assert started(look(instance)) == ["fashionup"]


def test_a_channel_that_does_not_answer_is_told_once_and_the_other_goes_on(
    shops: dict[str, OrderShop], engine: Engine, instance: dg.DagsterInstance
) -> None:
    away = ChannelUnreachableError("no answer", channel="fashionup", operation="listOrders")
    shops["fashionup"].failures = {1: away, 2: away}
    shops["second"].show(order("S1", line_of("R-1")))
    assert started(look(instance)) == ["second"]
    assert rows(engine, "select channel, failure from cloudsales.order_intake where failing_since is not null") == [
        ("fashionup", "fashionup (listOrders): no answer")
    ]
    shops["second"].shown.clear()
    time_passes(engine)
    skipped = look(instance)
    assert skipped.skip_message == "fashionup: fashionup (listOrders): no answer"
    time_passes(engine)
    look(instance)
    assert rows(engine, "select count(*) from cloudsales.order_intake where failing_since is not null") == [(0,)]


def test_a_channel_whose_partition_is_not_made_yet_is_asked_when_it_is(
    shops: dict[str, OrderShop], instance: dg.DagsterInstance
) -> None:
    instance.delete_dynamic_partition("channel", "second")
    shops["second"].show(order("S1", line_of("R-1")))
    assert started(look(instance)) == []
    instance.add_dynamic_partitions("channel", ["second"])
    assert started(look(instance)) == ["second"]


def test_a_kind_of_channel_with_a_defect_keeps_no_other_from_being_asked(
    shops: dict[str, OrderShop], instance: dg.DagsterInstance
) -> None:
    shops["fashionup"].failures = {1: ValueError("ana@example.invalid")}
    shops["second"].show(order("S1", line_of("R-1")))
    assert started(look(instance)) == ["second"]


def test_no_import_is_started_beside_one_that_runs_or_right_behind_one_that_failed(
    shops: dict[str, OrderShop], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance
) -> None:
    shops["fashionup"].show(order("FO1", line_of("R-1")))
    shops["fashionup"].failures = {1: ChannelUnreachableError("no answer", channel="fashionup", operation="listOrders")}
    assert not run(defs, instance, raise_on_error=False).success
    time_passes(engine)
    assert started(look(instance)) == []
    assert len(shops["fashionup"].asked) == 1


def test_the_job_takes_in_and_tells_what_came_of_it(
    shops: dict[str, OrderShop], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance
) -> None:
    shops["fashionup"].show(order("FO1", line_of("R-1", 2)), order("FO2", line_of("R-1", 3), minutes=1))
    done = run(defs, instance)
    (made,) = done.asset_materializations_for_node("sales_orders")
    figures = {
        name: made.metadata[name].value
        for name in ("dagster/row_count", "rows_in", "loaded", "unchanged", "quarantined", "new", "reserved", "waiting")
    }
    assert figures == {
        "dagster/row_count": 2, "rows_in": 2, "loaded": 2, "unchanged": 0, "quarantined": 0, "new": 2, "reserved": 2, "waiting": 3,
    }  # fmt: skip
    assert (made.metadata["acknowledged"].value, made.metadata["unacknowledged"].value) == (2, 0)
    (shortage,) = made.metadata["shortages"].value.records  # type: ignore[union-attr]
    assert (shortage.data["sku"], shortage.data["pieces"], shortage.data["lines"]) == ("R-1", 3, 1)
    assert str(made.metadata["orders_by_hour"].value).startswith("![orders by hour](data:image/png;base64,")
    assert lines_of(engine) == {"fashionup/FO1/1": (2, 2, 0, 0, 0), "fashionup/FO2/1": (3, 0, 3, 0, 0)}
    checks = {check.check_name: check.description for check in done.get_asset_check_evaluations()}
    assert checks == dict.fromkeys((rule.name for rule in ORDER_RULES), "holds")


def test_a_total_that_does_not_add_up_warns_and_fails_no_run(
    shops: dict[str, OrderShop], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance
) -> None:
    from decimal import Decimal

    import dagster as dg

    shops["fashionup"].show(order("FO1", line_of("R-1"), total=Decimal("1.00")))
    done = run(defs, instance)
    failed = [check for check in done.get_asset_check_evaluations() if not check.passed]
    assert [(check.check_name, check.severity) for check in failed] == [("totals_add_up", dg.AssetCheckSeverity.WARN)]
    assert failed[0].description == "1 of 1 rows break it"
    assert statuses(engine) == {"FO1": "new"}


def test_an_import_that_fails_says_why_in_one_line_and_keeps_what_had_come(
    shops: dict[str, OrderShop], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance
) -> None:
    shops["fashionup"].show(*(order(f"FO{n}", line_of("R-1"), minutes=n) for n in range(1, 5)))
    shops["fashionup"].failures = {2: ChannelUnreachableError("no answer", channel="fashionup", operation="listOrders")}
    done = run(defs, instance, raise_on_error=False)
    assert not done.success
    (failure,) = [event for event in done.all_events if event.event_type_value == "STEP_FAILURE"]
    assert failure.step_failure_data.user_failure_data is not None
    assert failure.step_failure_data.user_failure_data.description == "fashionup (listOrders, page 2): no answer"
    assert len(statuses(engine)) == 2


def test_i46_nobody_s_name_is_in_anything_that_dagster_keeps(
    shops: dict[str, OrderShop], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance
) -> None:
    """Also where a row breaks a rule, a payload can't be read, and the run ends in an error that is not ours."""
    shops["fashionup"].show(order("FO1", line_of("R-1", 3), note="canarnote"))
    ran = [run(defs, instance)]
    shops["fashionup"].failures = {2: RuntimeError("ana@example.invalid canarnote")}
    ran.append(run(defs, instance, raise_on_error=False))
    assert [one.success for one in ran] == [True, False]
    kept = "".join(str(entry) for one in ran for entry in instance.all_logs(one.run_id))
    assert "FO1" in kept
    for word in ("Câmpeanu", "ana@example", "+4070000", "Teiului", "canarnote", "400001"):
        assert word not in kept
