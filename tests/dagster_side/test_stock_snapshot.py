"""The daily snapshot in Dagster: each business date once, missed ones caught up, taken again without harm."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.resources.days import BUSINESS_DATES, dates_to_do
from tests.catalog.shop import scalar
from tests.conftest import ROOT
from tests.stock.rule_world import move, put_products

if TYPE_CHECKING:
    import dagster as dg

NIGHT = datetime(2026, 11, 24, 0, 20, tzinfo=ZoneInfo("Europe/Bucharest"))


def take(defs: dg.Definitions, instance: dg.DagsterInstance, day: str) -> dict[str, Any]:
    ran = defs.resolve_job_def("take_stock_snapshot").execute_in_process(instance=instance, partition_key=day)
    (made,) = ran.asset_materializations_for_node("stock_snapshot")
    assert made.partition == day
    return {name: value.value for name, value in made.metadata.items()}


def test_a_date_is_taken_whole_and_compared_with_the_day_before_and_again_writes_nothing(
    defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    put_products(engine, "P", "Q")
    move(engine, "P", "A", 5, datetime(2026, 3, 28, 12, tzinfo=UTC))
    move(engine, "Q", "B", 7, datetime(2026, 3, 29, 12, tzinfo=UTC))
    move(engine, "P", "A", 3, datetime(2026, 3, 29, 20, 59, tzinfo=UTC))  # the last minute of the day of 23 hours
    assert take(defs, instance, "2026-03-28")["rows_in"] == 1
    first, again = take(defs, instance, "2026-03-29"), take(defs, instance, "2026-03-29")
    assert [(told["rows_in"], told["loaded"], told["unchanged"]) for told in (first, again)] == [(2, 2, 0), (2, 0, 2)]
    assert [record.data for record in first["by_warehouse"].records] == [
        {"warehouse": "A", "products": 1, "on_hand": 8, "reserved": 0, "the_day_before": 5, "change": 3},
        {"warehouse": "B", "products": 1, "on_hand": 7, "reserved": 0, "the_day_before": None, "change": None},
    ]
    assert [record.data["sku"] for record in first["most_changed"].records] == ["P"]


def test_thirty_dates_at_once_and_again_are_the_same_thirty(
    defs: dg.Definitions, instance: dg.DagsterInstance, engine: Engine
) -> None:
    from cloudsales_pipeline.stock.snapshot import take_snapshot

    put_products(engine, "P")
    first = date(2026, 10, 1)
    move(engine, "P", "A", 4, datetime(2026, 9, 30, 12, tzinfo=UTC))
    for days in range(30):
        assert take_snapshot(engine, first + timedelta(days=days), "Europe/Bucharest").loaded == 1
    keys = [f"{first + timedelta(days=days)}" for days in (0, 24, 29)]  # the 25th has 25 hours
    assert [take(defs, instance, key)["loaded"] for key in keys] == [0, 0, 0]
    assert scalar(engine, "select count(*) from cloudsales.stock_snapshot") == 30


def test_the_next_tick_takes_the_dates_that_were_missed_since_the_first_one() -> None:
    assert dates_to_do("2026-11-23", []) == ["2026-11-23"]
    assert dates_to_do("2026-11-23", ["2026-11-18", "2026-11-20"]) == ["2026-11-19", "2026-11-21", "2026-11-22", "2026-11-23"]
    assert dates_to_do("2026-11-23", ["2026-11-23"]) == ["2026-11-23"]  # again does no harm; a tick asks for its own date
    assert len(dates_to_do("2026-11-23", ["2026-02-01"])) == 31


def test_a_daemon_that_was_away_for_days_asks_for_each_missed_date_once(config_file: Path, tmp_path: Path) -> None:
    import dagster as dg

    from cloudsales_pipeline.definitions import defs

    repository = defs.get_repository_def()
    asked: list[tuple[str, str | None]] = []
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("stock_snapshot", partition="2026-11-16"))
        for night in range(5):  # Dagster itself catches up the last five ticks
            with dg.build_schedule_context(
                instance=instance, scheduled_execution_time=NIGHT - timedelta(days=4 - night), repository_def=repository
            ) as context:
                data = repository.get_schedule_def("daily_stock_snapshot").evaluate_tick(context)
            asked += [(request.run_key or "", request.partition_key) for request in data.run_requests or []]
    assert sorted({day for _, day in asked if day}) == [f"2026-11-{day}" for day in range(17, 24)]
    assert len({key for key, _ in asked}) == 7  # a run key is started once
    assert all("cloudsales/slot" in (request.tags or {}) for request in data.run_requests or [])


def test_dates_end_in_the_time_zone_of_the_settings_and_load_without_any(tmp_path: Path) -> None:
    code = "from cloudsales_pipeline.resources.days import BUSINESS_DATES; print(BUSINESS_DATES.timezone)"
    (tmp_path / "cloudsales.yaml").write_text("timezone: Asia/Tokyo\n")

    def zone(folder: Path) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return ran.stdout.strip()

    assert zone(tmp_path) == "Asia/Tokyo"
    (tmp_path / "cloudsales.yaml").write_text("timezone: [\n")
    assert zone(tmp_path) == "Europe/Bucharest"


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_date_of_23_or_25_hours_is_one_partition(day: str) -> None:
    assert BUSINESS_DATES.has_partition_key(day)
    window = BUSINESS_DATES.time_window_for_partition_key(day)
    assert (window.end.timestamp() - window.start.timestamp()) / 3600 == {"2026-03-29": 23, "2026-10-25": 25}[day]
