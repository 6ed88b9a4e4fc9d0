"""Purchasing in Dagster: the requirement is shown, a date is closed once whoever runs it, and missed dates are caught up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.purchasing.closing import close_day
from cloudsales_pipeline.purchasing.due import close_due
from cloudsales_pipeline.purchasing.quality import PURCHASING_RULES
from cloudsales_pipeline.settings import Settings, load_settings
from tests.conftest import ROOT
from tests.purchasing.buying import ordered, shelves, to_be_bought, wanted
from tests.stock.shelf import rows

if TYPE_CHECKING:
    import dagster as dg

MONDAY = "2026-11-16"
EVENING = datetime(2026, 11, 16, 16, 5, tzinfo=UTC)
"""Five minutes past acme's cut-off, which is 18:00 in Bucharest; moda closes at 12:00."""


@pytest.fixture
def house(config_file: Path, engine: Engine) -> Settings:
    """acme (packs of 4, with an address) and moda (without); R-1 and R-2 are acme's, R-3 moda's, R-4 nobody's. Known since Sunday."""
    content = yaml.safe_load(config_file.read_text())
    content["warehouses"] = {"CENTRAL": {}, "CLUJ": {}}
    content["channels"]["fashionup"] |= {"stock": {"warehouses": ["CENTRAL"]}, "orders": {"warehouse": "CENTRAL"}}
    content["suppliers"] = {
        "acme": {"pack_size": 4, "email": "comenzi@acme.example"},
        "moda": {"cut_off": "12:00"},
    }
    config_file.write_text(yaml.safe_dump(content))
    settings = load_settings(config_file)
    shelves(engine, settings, {"R-1": "acme", "R-2": "acme", "R-3": "moda", "R-4": None}, stock={"R-1": 1})
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.supplier set changed_at = '2026-11-15 16:30+00'")
    return settings


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance in files, as schedules ask for one."""
    import dagster as dg

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def run(defs: dg.Definitions, instance: dg.DagsterInstance, day: str, **fields: Any) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("close_day").execute_in_process(instance=instance, partition_key=day, **fields)


def told(ran: dg.ExecuteInProcessResult, asset: str = "supplier_orders") -> dict[str, Any]:
    (made,) = ran.asset_materializations_for_node(asset)
    return {name: value.value for name, value in made.metadata.items()}


def table(metadata: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [record.data for record in metadata[name].records]


def tick(instance: dg.DagsterInstance, at: datetime, name: str = "daily_replenishment") -> dg.ScheduleExecutionData:
    import dagster as dg

    from cloudsales_pipeline.definitions import defs

    repository = defs.get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=at,
        repository_def=repository,
        resources=repository.get_top_level_resources(),
    ) as context:
        return repository.get_schedule_def(name).evaluate_tick(context)


def asked(data: dg.ScheduleExecutionData) -> list[str | None]:
    return [request.partition_key for request in data.run_requests or []]


def test_a_date_is_closed_handed_over_and_told_and_again_orders_nothing(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    wanted(engine, "A", "R-1", 3)  # one is there, two are short
    wanted(engine, "B", "R-2", 4)
    wanted(engine, "C", "R-3", 5)
    first = told(run(defs, instance, MONDAY))
    counts = ("suppliers_closed", "orders", "order_lines", "pieces", "surplus", "queued", "without_address")
    assert {name: first[name] for name in counts} == dict(zip(counts, (2, 2, 3, 13, 2, 1, 1), strict=True))
    orders = [(row["supplier"], row["outcome"], row["lines"], row["quantity"], row["required"], row["surplus"], row["state"])
              for row in table(first, "supplier_orders")]  # fmt: skip
    assert orders == [("acme", "ordered", 2, 8, 6, 2, "queued"), ("moda", "ordered", 1, 5, 5, 0, "closed")]
    assert [(row["sku"], row["quantity"]) for row in table(first, "lines")] == [("R-1", 4), ("R-2", 4), ("R-3", 5)]
    assert first["pieces_by_date"].startswith("![pieces ordered, by business date](data:image/png;base64,")
    again = told(run(defs, instance, MONDAY))
    assert (again["suppliers_closed"], again["closed_before"], again["queued"]) == (0, 2, 0)
    assert table(again, "supplier_orders") == table(first, "supplier_orders")
    assert rows(engine, "select count(*) from personal.message where subject_kind = 'supplier_order'") == [(1,)]
    assert len(ordered(engine)) == 3


def test_the_checks_of_purchasing_run_with_the_close_and_hold(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    run(defs, instance, yesterday.isoformat())
    close_due(engine, house)  # today's too, where its cut-off has passed
    ran = run(defs, instance, yesterday.isoformat())
    found = {one.check_name: one.passed for one in ran.get_asset_check_evaluations()}
    assert found == {rule.name: True for rule in PURCHASING_RULES}


def test_a_missed_date_is_a_check_that_fails_and_says_which(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    found = {one.check_name: one for one in run(defs, instance, MONDAY).get_asset_check_evaluations()}
    assert not found["closes_complete"].passed
    assert "cloudsales purchasing close" in str(found["closes_complete"].metadata["what_to_do"].value)


def test_a_date_whose_cut_off_is_to_come_is_refused_in_one_line(
    house: Settings, config_file: Path, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    content = yaml.safe_load(config_file.read_text())
    for one in content["suppliers"].values():
        one["cut_off"] = "23:59"
    config_file.write_text(yaml.safe_dump(content))
    ran = run(defs, instance, today(house).isoformat(), raise_on_error=False)
    assert not ran.success
    assert "can't be closed" in ran.failure_data_for_node("supplier_orders").user_failure_data.description


def today(settings: Settings) -> date:
    from zoneinfo import ZoneInfo

    return datetime.now(ZoneInfo(settings.timezone)).date()


def test_the_schedule_closes_each_supplier_at_its_own_cut_off(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    assert asked(tick(instance, datetime(2026, 11, 16, 9, 55, tzinfo=UTC))) == []
    at_noon = tick(instance, datetime(2026, 11, 16, 10, 0, tzinfo=UTC))
    assert [(one.partition_key, one.run_key) for one in at_noon.run_requests or []] == [(MONDAY, f"{MONDAY}:202611161000")]
    close_day(engine, house, date(2026, 11, 16), suppliers=["moda"], now=datetime(2026, 11, 16, 10, tzinfo=UTC))
    nothing = tick(instance, datetime(2026, 11, 16, 15, 55, tzinfo=UTC))
    assert (asked(nothing), nothing.skip_message) == ([], "no supplier's cut-off has passed that is not closed")
    assert asked(tick(instance, datetime(2026, 11, 16, 16, 0, tzinfo=UTC))) == [MONDAY]


def test_f26_after_three_days_away_each_missed_date_is_asked_for_the_oldest_first(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    back = datetime(2026, 11, 19, 5, 0, tzinfo=UTC)
    assert asked(tick(instance, back)) == ["2026-11-16", "2026-11-17", "2026-11-18"]
    wanted(engine, "A", "R-2", 3, at="2026-11-17 09:00")
    for day in asked(tick(instance, back)):
        assert run(defs, instance, str(day)).success
    assert asked(tick(instance, back)) == []
    assert ordered(engine) == [("acme", "2026-11-17", "R-2", 4, 3, 1)]


def test_what_was_closed_and_not_handed_over_is_asked_for_again(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    """F-24: killed between the close and the hand-over. An order whose supplier has no address waits for a person alone."""
    wanted(engine, "A", "R-2", 4)
    wanted(engine, "C", "R-3", 1)
    close_day(engine, house, date(2026, 11, 16), now=EVENING)
    assert asked(tick(instance, EVENING)) == [MONDAY]
    assert told(run(defs, instance, MONDAY))["queued"] == 1
    assert asked(tick(instance, EVENING)) == []


def test_a_date_whose_run_has_just_failed_is_left_for_a_quarter_of_an_hour(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cloudsales_pipeline.purchasing.handing as handing

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no paper")

    wanted(engine, "A", "R-2", 4)
    with monkeypatch.context() as patch:
        patch.setattr(handing, "hand_over", broken)
        assert not run(defs, instance, MONDAY, raise_on_error=False).success
    now = datetime.now(UTC)
    data = tick(instance, now)
    assert MONDAY not in asked(data)
    assert MONDAY in asked(tick(instance, now + timedelta(minutes=16)))
    assert ordered(engine) == [("acme", MONDAY, "R-2", 4, 4, 0)]


def test_f28_a_backfill_of_thirty_dates_orders_nothing_twice(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    """Thirty dates through the stage, of which four runs through Dagster, before, between and after."""
    first = date(2026, 10, 1)
    days = [first + timedelta(days=back) for back in range(30)]
    for number in range(12):
        wanted(engine, f"A{number}", "R-2", 3, at=f"{days[number * 2 + 3]} 10:00")
    run(defs, instance, "2026-10-15")  # out of turn: it buys what had come in by then
    for day in reversed(days):
        close_day(engine, house, day)
    for key in ("2026-10-01", "2026-10-15", "2026-10-30"):
        assert run(defs, instance, key).success
    assert to_be_bought(engine) == {}
    assert rows(engine, "select sum(quantity) from cloudsales.requirement") == [(36,)]
    assert rows(engine, "select supplier, count(*) from cloudsales.supplier_close group by 1 order by 1") == [
        ("acme", 30),
        ("moda", 30),
    ]
    bought = rows(engine, "select sum(quantity), sum(required) from cloudsales.supplier_order_line")[0]
    assert bought[0] - 36 < 4  # the surplus of one pack
    assert len({(supplier, day) for supplier, day, *_ in ordered(engine)}) == len(ordered(engine))


DAEMON = f"""
import json, sys
import dagster as dg
from cloudsales_pipeline.definitions import defs
job = defs.resolve_job_def("close_day")
with dg.DagsterInstance.ephemeral() as instance:
    print("ready", flush=True)
    sys.stdin.readline()
    ran = job.execute_in_process(instance=instance, partition_key="{MONDAY}")
    (made,) = ran.asset_materializations_for_node("supplier_orders")
    print(json.dumps([made.metadata[name].value for name in ("suppliers_closed", "queued")]))
"""


@pytest.mark.timeout(150)
def test_f27_two_daemons_close_one_date_at_once_and_one_order_goes_out(house: Settings, engine: Engine) -> None:
    """Two processes that are told to go in the same moment."""
    for number in range(20):
        wanted(engine, f"A{number}", "R-2", 2)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    daemons = [subprocess.Popen([sys.executable, "-c", DAEMON], cwd=ROOT, **pipes) for _ in range(2)]
    try:
        assert [one.stdout.readline() for one in daemons if one.stdout] == ["ready\n"] * 2
        for one in daemons:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        made = sorted(json.loads(one.communicate(timeout=90)[0]) for one in daemons)
    finally:
        for one in daemons:
            one.kill()
            one.wait()
    assert [closed for closed, _ in made] == [0, 2]
    assert sum(queued for _, queued in made) == 1
    assert ordered(engine) == [("acme", MONDAY, "R-2", 40, 40, 0)]
    assert rows(engine, "select count(*) from personal.message where subject_kind = 'supplier_order'") == [(1,)]


def review(defs: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, Any]:
    ran = defs.resolve_job_def("review_requirement").execute_in_process(instance=instance)
    return told(ran, "purchase_requirement")


def test_the_requirement_is_shown_by_supplier_and_what_has_none_apart(
    house: Settings, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    wanted(engine, "A", "R-1", 3)
    wanted(engine, "B", "R-4", 2)
    shown = review(defs, instance)
    assert (shown["to_be_bought"], shown["dagster/row_count"], shown["products_without_supplier"]) == (4, 2, 1)
    assert {(row["supplier"], row["pieces"]) for row in table(shown, "by_supplier")} == {("acme", 2), (None, 2)}
    assert [row["sku"] for row in table(shown, "without_supplier")] == ["R-4"]
    assert shown["waiting_by_day"].startswith("![pieces that wait")
    assert shown["proposals"].startswith("off")
    assert ordered(engine) == []


def test_proposals_stand_beside_the_requirement_where_the_settings_ask_for_them(
    house: Settings, config_file: Path, defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    from cloudsales_pipeline.stock.movements import Movement, post

    noon = datetime.now(UTC) - timedelta(days=2)
    post(engine, [Movement("in", "CENTRAL", "R-3", "receipt", 40, noon - timedelta(days=9))])
    post(engine, [Movement(f"s{day}", "CENTRAL", "R-3", "sale", 4, noon - timedelta(days=day)) for day in range(9)])
    content = yaml.safe_load(config_file.read_text())
    content["purchasing"] = {"proposal": {}}
    config_file.write_text(yaml.safe_dump(content))
    shown = review(defs, instance)
    assert (shown["to_be_bought"], shown["proposed"], shown["products_with_demand"]) == (0, 1, 1)
    (row,) = table(shown, "proposals")
    assert (row["sku"], row["supplier"], row["position"]) == ("R-3", "moda", 4)
    assert ordered(engine) == []


def test_the_requirement_is_looked_at_each_hour(house: Settings, instance: dg.DagsterInstance) -> None:
    data = tick(instance, datetime(2026, 11, 16, 10, 37, tzinfo=UTC), "hourly_requirement")
    assert [one.run_key for one in data.run_requests or []] == ["2026111610"]


def test_without_suppliers_the_schedule_says_so(config_file: Path, instance: dg.DagsterInstance) -> None:
    assert tick(instance, EVENING).skip_message == "the settings have no supplier"
