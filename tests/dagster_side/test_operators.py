"""What Dagster alone knows reaches operators: failed jobs until they succeed again, red checks until they are green."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.operations.findings import findings
from cloudsales_pipeline.settings import load_settings

if TYPE_CHECKING:
    import dagster as dg

SECRET = "ana.canar@example.ro"


@pytest.fixture
def told_by_mail(config_file: Path) -> Path:
    content = yaml.safe_load(config_file.read_text())
    content["operators"] = {"emails": ["operator@magazin.ro"], "language": "en", "digest_at": "23:59"}
    config_file.write_text(yaml.safe_dump(content))
    return config_file


def tick(instance: dg.DagsterInstance, defs: dg.Definitions, cursor: str | None = None) -> Any:
    import dagster as dg

    from cloudsales_pipeline.resources.project import Project
    from cloudsales_pipeline.sensors.operators import operators_told

    repository = defs.get_repository_def()
    return operators_told(dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor), project=Project())


def titles(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        query = "select title from personal.message where subject_kind = 'operations' and event = 'alert' order by message_id"
        return list(connection.scalars(sa.text(query)))


def run(instance: dg.DagsterInstance, *, fails: bool, tags: dict[str, str] | None = None) -> None:
    """A run of a job named import_orders, which raises an error with somebody's address in it where `fails`."""
    import dagster as dg

    @dg.op
    def work() -> None:
        if fails:
            raise ValueError(SECRET)

    @dg.job(name="import_orders", tags=tags or {})
    def job() -> None:
        work()

    job.execute_in_process(instance=instance, raise_on_error=False)


def test_a_job_that_fails_is_told_once_until_it_succeeds_again_and_its_error_s_text_nowhere(
    told_by_mail: Path,
    engine: Engine,
    instance: dg.DagsterInstance,
    defs: dg.Definitions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DAGSTER_REDACT_USER_CODE_ERRORS", raising=False)  # a command that another test called may have set it
    tick(instance, defs)
    partition = {"dagster/partition": "fashionup"}
    for _ in range(3):
        run(instance, fails=True, tags=partition)
        tick(instance, defs)
    assert titles(engine) == ["CloudSales: Runs of import_orders/fashionup that failed since it last succeeded: 1"]
    with engine.connect() as connection:
        row = connection.execute(sa.text("select failures, error from cloudsales.failed_job")).one()
        told = str(connection.execute(sa.text("select * from cloudsales.failed_job, cloudsales.operator_notice")).all())
    assert tuple(row) == (3, "ValueError")
    assert SECRET not in told
    run(instance, fails=False)  # of another partition: says nothing of this one
    tick(instance, defs)
    assert [one.kind for one in findings(engine, load_settings(), now=datetime.now(UTC)).findings] == ["run_failed"]
    run(instance, fails=False, tags=partition)
    tick(instance, defs)
    assert findings(engine, load_settings(), now=datetime.now(UTC)).findings == ()


def test_a_run_that_dagster_tries_again_by_itself_is_not_told(
    told_by_mail: Path, engine: Engine, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    run(instance, fails=True, tags={"dagster/will_retry": "true"})
    tick(instance, defs)
    assert titles(engine) == []


def test_a_failed_job_that_nobody_runs_again_is_forgotten_after_two_weeks(
    told_by_mail: Path, engine: Engine, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    with engine.begin() as connection:
        rows = ", ".join(f"('import_orders', 'c{days}', 'r', '', now(), now() - interval '{days} days', 1)" for days in (13, 15))
        connection.execute(sa.text(f"insert into cloudsales.failed_job values {rows}"))
    tick(instance, defs)
    with engine.connect() as connection:
        assert connection.scalars(sa.text("select channel from cloudsales.failed_job")).all() == ["c13"]


def test_a_check_is_told_while_it_is_red_and_the_sensor_shows_what_waits(
    told_by_mail: Path, engine: Engine, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    import dagster as dg

    def evaluated(passed: bool) -> None:
        seen = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("sales_orders"), check_name="lines_accounted_for", passed=passed, metadata={"rows_offending": 2}
        )
        instance.report_runless_asset_event(seen)

    for _ in range(2):
        evaluated(passed=False)
        result = tick(instance, defs)
    assert titles(engine) == ["CloudSales: Rows that break the check sales_orders.lines_accounted_for: 2"]
    shown, check = result.asset_events
    assert (shown.metadata["urgent"].value, check.passed) == (1, False)
    assert shown.metadata["waits"].value.records[0].data["command"] == "cloudsales verify"
    assert isinstance(tick(instance, defs, cursor=result.cursor), dg.SkipReason)
    evaluated(passed=True)
    assert tick(instance, defs, cursor=result.cursor).asset_events[1].passed
    assert findings(engine, load_settings(), now=datetime.now(UTC)).findings == ()


def test_the_job_tells_by_hand_and_a_daemon_that_looks_no_more_is_noticed(
    told_by_mail: Path, engine: Engine, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    run(instance, fails=True)
    ran = defs.resolve_job_def("tell_operators").execute_in_process(instance=instance)
    assert ran.success
    assert ran.asset_materializations_for_node("what_waits")[0].metadata["told_at_once"].value == 1
    assert [one.passed for one in ran.get_asset_check_evaluations()] == [False]
    later = datetime.now(UTC) + timedelta(minutes=31)

    def silent() -> list[str]:
        return [one.kind for one in findings(engine, load_settings(), now=later).findings if one.kind == "daemon_silent"]

    assert silent() == []  # a job by hand is no sign of a daemon, and where there never was one none is missed
    tick(instance, defs)
    assert silent() == ["daemon_silent"]
