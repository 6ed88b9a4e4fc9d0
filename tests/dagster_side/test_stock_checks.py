"""The checks of stock in Dagster: what is red, what is green, and what they show; judged by a run and by the sensor alike."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.resources.lag_picture import lag_histogram
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.stock.quality import STOCK_RULES
from cloudsales_pipeline.stock.watch import lags, reaches
from tests.dagster_side.test_sensors import _evaluate
from tests.stock.planted import stocked

if TYPE_CHECKING:
    import dagster as dg

OBJECTIVE, UNREACHED = timedelta(seconds=5), timedelta(minutes=15)
BUCKETS = 64


@pytest.fixture
def told_of_stock(config_file: Path) -> Path:
    """The settings, with a rule for fashionup."""
    content = yaml.safe_load(config_file.read_text())
    content["warehouses"] = {"main": {}}
    content["channels"]["fashionup"]["stock"] = {"warehouses": ["main"]}
    config_file.write_text(yaml.safe_dump(content))
    return config_file


def run(engine: Engine, sql: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(sql), values)


def acknowledged(engine: Engine, *seconds: float, minutes_ago: int = 1) -> None:
    """A minute in which changes were acknowledged after so long, as pushes.sql writes it down."""
    run(
        engine,
        "insert into cloudsales.stock_push_minute (channel, minute, requests, acknowledged, longest_lag, lag_counts)"
        " select 'fashionup', date_trunc('minute', now()) - make_interval(mins => :ago), 1, count(*), max(lag),"
        " array(select (select count(*) from unnest(cast(:lags as float8[])) l where least(64, greatest(1,"
        "               ceil(ln(greatest(l, 0.001) / 0.001) / ln(1.3)))) = n)::integer from generate_series(1, 64) n order by n)"
        " from unnest(cast(:lags as float8[])) lag",
        ago=minutes_ago,
        lags=list(seconds),
    )


def waiting(engine: Engine, minutes: float, *, listings: int = 1, state: str = "due") -> None:
    run(
        engine,
        "update cloudsales.publication set state = :state, acknowledged_version = version - 1, waiting_since = now() - make_interval(secs => :secs)"
        " where variant_id in (select variant_id from cloudsales.publication order by variant_id limit :listings)",
        state=state,
        secs=60 * minutes,
        listings=listings,
    )


def reached(engine: Engine, minutes_ago: float, **columns: Any) -> None:
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", :{name}" for name in columns)
    run(
        engine,
        f"insert into cloudsales.stock_channel (channel, reached_at{names})"
        f" values ('fashionup', now() - make_interval(secs => :ago){values})",
        ago=60 * minutes_ago,
        **columns,
    )


def settle(engine: Engine) -> None:
    """All that is due was acknowledged."""
    run(
        engine,
        "update cloudsales.publication set state = 'done', acknowledged_version = version, acknowledged_quantity = quantity,"
        " waiting_since = null where state = 'due'",
    )


@pytest.fixture
def watched(told_of_stock: Path, engine: Engine) -> Engine:
    """200 listings that all show what they should."""
    stocked(engine, 200)
    settle(engine)
    return engine


def judged(instance: dg.DagsterInstance, cursor: str | None = None) -> dict[str, Any]:
    """What the sensor reports, by check."""
    data = _evaluate("stock_watch", instance, cursor)
    return {event.check_name: event for event in data.asset_events}


def lag_of(engine: Engine) -> Any:
    with engine.connect() as connection:
        return lags(connection, {"fashionup": OBJECTIVE})[0]


def reach_of(engine: Engine) -> Any:
    with engine.connect() as connection:
        return reaches(connection, {"fashionup": UNREACHED})[0]


def test_nothing_sent_in_the_last_hour_passes_and_says_so(watched: Engine, instance: dg.DagsterInstance) -> None:
    acknowledged(watched, 90.0, minutes_ago=62)
    check = judged(instance)["push_lag_objective"]
    assert (check.passed, check.description) == (True, "kept; nothing was sent in the last hour to fashionup")


@pytest.mark.parametrize(("slowest", "kept"), [(4.999, True), (5.001, False)])
def test_the_slowest_of_a_hundred_just_above_the_objective_is_red_and_just_below_is_green(
    watched: Engine, slowest: float, kept: bool
) -> None:
    acknowledged(watched, *[0.1] * 97, slowest, slowest)
    found = lag_of(watched)
    assert (found.kept, found.acknowledged, found.overdue) == (kept, 99, 0)
    assert found.p99 == pytest.approx(slowest, rel=1e-4)


def test_one_slow_change_in_two_hundred_is_allowed_three_are_not(watched: Engine) -> None:
    acknowledged(watched, *[0.1] * 199, 60.0)
    assert lag_of(watched).kept
    acknowledged(watched, 60.0, 60.0, minutes_ago=2)
    assert not lag_of(watched).kept


def test_changes_that_still_wait_count_so_that_a_dead_channel_does_not_look_fast(
    watched: Engine, instance: dg.DagsterInstance
) -> None:
    acknowledged(watched, *[0.1] * 198)
    waiting(watched, 1, listings=2)
    assert lag_of(watched).kept  # 2 of 200
    waiting(watched, 1, listings=3)
    assert (lag_of(watched).kept, lag_of(watched).overdue) == (False, 3)
    check = judged(instance)["push_lag_objective"]
    assert (check.passed, check.severity.value) == (False, "ERROR")
    assert check.description == "fashionup: p99 0.1 s, 3 changes wait too long"


@pytest.mark.parametrize(("minutes", "late"), [(14, False), (16, True)])
def test_a_channel_that_took_nothing_for_16_minutes_is_red_and_for_14_green(
    watched: Engine, instance: dg.DagsterInstance, minutes: int, late: bool
) -> None:
    reached(watched, minutes, failure="ChannelUnavailableError", failures=9)
    waiting(watched, 40)
    found = reach_of(watched)
    assert (found.late, found.waiting, round(found.unreached.total_seconds() / 60)) == (late, 1, minutes)
    check = judged(instance)["every_channel_reached_lately"]
    assert check.passed is not late
    said = "fashionup took nothing for 16 min (ChannelUnavailableError)" if late else "every channel is reached"
    assert check.description == said


def test_a_channel_that_was_never_reached_counts_from_the_oldest_change_that_waits(watched: Engine) -> None:
    waiting(watched, 14)
    assert not reach_of(watched).late
    waiting(watched, 16, listings=2)
    found = reach_of(watched)
    assert (found.late, found.reached_at, found.waiting) == (True, None, 2)


def test_a_channel_long_not_reached_to_which_nothing_is_due_is_green(watched: Engine) -> None:
    reached(watched, 900)
    found = reach_of(watched)
    assert (found.late, found.unreached, found.waiting) == (False, None, 0)


def test_a_store_that_answers_nothing_is_red_too(watched: Engine) -> None:
    reached(watched, 16)
    waiting(watched, 16, listings=7, state="pending")
    assert (reach_of(watched).late, reach_of(watched).waiting) == (True, 7)


def test_what_the_brake_holds_is_said_and_waits_for_a_person_not_for_the_channel(
    watched: Engine, instance: dg.DagsterInstance
) -> None:
    reached(watched, 16)
    waiting(watched, 16, listings=60, state="held")
    check = judged(instance)["every_channel_reached_lately"]
    assert (check.passed, check.description) == (True, "every channel is reached; the brake holds 60 zeroes of fashionup")
    assert check.metadata["what_to_do"].value == "after a look: cloudsales stock release-hold fashionup"


def test_the_sensor_reports_a_change_at_once_and_else_every_ten_minutes(
    watched: Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudsales_pipeline.sensors import stock

    clock = 6_000_000.0
    monkeypatch.setattr(stock.time, "time", lambda: clock)
    first = _evaluate("stock_watch", instance)
    assert [event.passed for event in first.asset_events] == [True, True]
    again = _evaluate("stock_watch", instance, first.cursor)
    assert (again.asset_events, again.skip_message) == (
        [],
        "push_lag_objective: kept; nothing was sent in the last hour to fashionup; every_channel_reached_lately: every channel is"
        " reached",
    )
    waiting(watched, 16)
    assert [event.passed for event in _evaluate("stock_watch", instance, first.cursor).asset_events] == [False, False]
    settle(watched)
    clock += 601
    assert len(_evaluate("stock_watch", instance, first.cursor).asset_events) == 2


def test_a_database_that_is_away_is_no_green_check(instance: dg.DagsterInstance, told_of_stock: Path) -> None:
    import dagster as dg

    content = yaml.safe_load(told_of_stock.read_text())
    content["database"]["url"] = "postgresql+psycopg://u:pw_canary@127.0.0.1:9/x"
    told_of_stock.write_text(yaml.safe_dump(content))
    with pytest.raises(dg.Failure, match="can't be reached"):
        _evaluate("stock_watch", instance)


def nightly(defs: dg.Definitions, instance: dg.DagsterInstance, date: str) -> dict[tuple[str, str], Any]:
    """The checks of a run of take_stock_snapshot."""
    ran = defs.resolve_job_def("take_stock_snapshot").execute_in_process(instance=instance, partition_key=date)
    assert ran.success
    return {(found.asset_key.to_user_string(), found.check_name): found for found in ran.get_asset_check_evaluations()}


def test_every_rule_of_stock_is_a_check_of_the_nightly_job_and_passes_where_all_is_sound(
    watched: Engine, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    found = nightly(defs, instance, "2026-01-05")
    place = {rule.name: "stock_snapshot" for rule in STOCK_RULES} | {"published_within_rule": "stock_publication"}
    assert set(found) == {(asset, name) for name, asset in place.items()}
    assert all(check.passed and check.severity.value == "ERROR" for check in found.values())
    assert found["stock_snapshot", "ledger_equals_levels"].metadata["rows_checked"].value == 200
    assert found["stock_publication", "published_within_rule"].description == "holds"


def test_planted_faults_turn_their_checks_red_with_the_rows_and_no_other(
    watched: Engine, owner_engine: Engine, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    run(owner_engine, "alter table cloudsales.stock_level disable trigger user")
    run(owner_engine, "alter table cloudsales.publication disable trigger user")
    run(
        owner_engine,
        "update cloudsales.stock_level set on_hand = 6 where product_id = (select min(product_id) from cloudsales.product)",
    )
    run(owner_engine, "update cloudsales.publication set quantity = 9, acknowledged_quantity = 9 where variant_id = 'v00007'")
    red = {name: check for name, check in nightly(defs, instance, "2026-01-05").items() if not check.passed}
    assert set(red) == {("stock_snapshot", "ledger_equals_levels"), ("stock_publication", "published_within_rule")}
    ledger = red["stock_snapshot", "ledger_equals_levels"]
    assert ledger.description == "1 of 200 rows break it"
    (row,) = ledger.metadata["sample"].value.records
    assert (row.data["sku"], row.data["ledger"], row.data["on_hand"]) == ("S00001", 5, 6)
    published = red["stock_publication", "published_within_rule"]
    assert {record.data["variant_id"] for record in published.metadata["sample"].value.records} == {"v00001", "v00007"}


def test_a_check_that_could_not_be_evaluated_says_so_and_is_red(watched: Engine, owner_engine: Engine) -> None:
    run(owner_engine, "alter table cloudsales.reservation rename to reservation_elsewhere")
    from cloudsales_pipeline.checks.stock import LEDGER_RULES, _audited

    found = {result.check_name: result for result in _audited(Project(), "stock_snapshot", LEDGER_RULES)}
    broken = found["reserved_equals_reservations"]
    assert (broken.passed, broken.description) == (False, "could not be evaluated")
    assert "UndefinedTable" in str(broken.metadata["what_to_do"].value)
    assert found["ledger_equals_levels"].passed


def test_the_picture_has_a_bar_for_each_bucket_in_use_and_marks_p50_p99_and_the_objective() -> None:
    counts = [0] * BUCKETS
    counts[16], counts[20], counts[32] = 50, 100, 1
    markdown = lag_histogram(counts, 0.19, 0.25, 5.0)
    svg = b64decode(re.search(r"base64,([^)]+)\)", markdown)[1]).decode()  # type: ignore[index]
    assert svg.count("<rect x=") == 3
    assert re.findall(r"(p50 0.19 s|p99 0.25 s|objective 5 s)</text>", svg) == ["p50 0.19 s", "p99 0.25 s", "objective 5 s"]
    assert len(markdown) < 6_000


def test_the_cursor_holds_the_names_of_red_checks_alone(watched: Engine, instance: dg.DagsterInstance) -> None:
    cursor = json.loads(_evaluate("stock_watch", instance).cursor)
    assert set(cursor) == {"red", "period"}
    assert cursor["red"] == []
