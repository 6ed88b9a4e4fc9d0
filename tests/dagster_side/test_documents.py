"""Documents in Dagster: the sensor sees what changed, one run issues and hands over, pages name nobody, checks turn red by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents.issuing import sync_channels
from cloudsales_pipeline.resources.document_links import URL_VARIABLE
from cloudsales_pipeline.settings import Settings, load_settings
from tests.documents.office import COMPANY
from tests.documents.test_handing import Desk
from tests.orders.market import HOME, line, market, order, receive
from tests.stock.shelf import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagster as dg


@pytest.fixture
def house(config_file: Path, engine: Engine) -> Settings:
    """What is fully reserved is invoiced; the triggers know the channel."""
    content = yaml.safe_load(config_file.read_text())
    content["company"] = COMPANY
    content["documents"] = {"rules": [{"issue": "fiscal_invoice", "when": "fully_reserved", "name": "all is there"}]}
    config_file.write_text(yaml.safe_dump(content))
    settings = load_settings(config_file)
    market(engine, {"R-1": 3})
    sync_channels(engine, settings)
    return settings


@pytest.fixture
def desk(fake: Callable[..., None]) -> Desk:
    made = Desk()
    fake("channels.registry", open_channel=lambda name, settings, *, database: made)
    return made


def look(instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    import dagster as dg

    from cloudsales_pipeline.resources.project import Project
    from cloudsales_pipeline.sensors.documents import orders_to_judge

    return orders_to_judge(dg.build_sensor_context(instance=instance, cursor=cursor), project=Project())


def run(defs: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("issue_documents").execute_in_process(instance=instance)


def told(ran: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (made,) = ran.asset_materializations_for_node(asset)
    return {name: value.value for name, value in made.metadata.items()}


def test_a_changed_order_starts_one_run_which_issues_makes_the_files_and_tells_the_channel(
    house: Settings,
    desk: Desk,
    engine: Engine,
    instance: dg.DagsterInstance,
    defs: dg.Definitions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:3001")
    run(defs, instance)
    assert look(instance).skip_message == "nothing is due"
    receive(engine, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 2), minutes=1))
    assert len(look(instance).run_requests) == 1

    ran = run(defs, instance)

    assert ran.success
    page = told(ran, "invoices")
    # three looks at two orders: one of them has an invoice now, which a rule may look at
    assert [page[name] for name in ("judged", "fiscal_invoices", "files_made", "handed_over", "states_told")] == [3, 1, 1, 1, 1]
    assert "[FU 1](http://127.0.0.1:3001/documents/FU%201.pdf)" in page["open"]
    assert [record.data["number"] for record in page["last_documents"].records] == ["FU 1"]
    assert list(desk.kept) == [("FO1", "fiscal_invoice", "FU 1")]
    assert {check.passed for check in ran.get_asset_check_evaluations()} == {True}
    assert look(instance).skip_message == "nothing is due"
    assert told(run(defs, instance), "invoices")["judged"] == 0
    logged = "\n".join(str(entry) for entry in instance.all_logs(ran.run_id))
    assert HOME.name not in logged
    assert HOME.street not in logged


def test_a_rule_that_looks_at_the_age_is_judged_again_each_hour(
    house: Settings, desk: Desk, config_file: Path, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    run(defs, instance)
    content = yaml.safe_load(config_file.read_text())
    content["documents"]["rules"][0]["when"] = "fully_reserved and age_hours > 2"
    config_file.write_text(yaml.safe_dump(content))
    run(defs, instance)
    first = look(instance)
    assert first.run_requests[0].tags == {"cloudsales/by_age": "yes"}
    assert look(instance, first.cursor).skip_message == "nothing is due"
    assert look(instance, "2026010100").run_requests


def test_a_series_with_a_hole_turns_its_check_red_by_name(
    house: Settings, desk: Desk, engine: Engine, owner_engine: Engine, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    receive(engine, order("FO1", line("R-1", 2)))
    run(defs, instance)
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.number_series set last_number = 2")
    found = {check.check_name: check.passed for check in run(defs, instance).get_asset_check_evaluations()}
    assert [name for name, passed in found.items() if not passed] == ["series_without_gaps"]
    assert rows(engine, "select count(*) from cloudsales.document") == [(1,)]
