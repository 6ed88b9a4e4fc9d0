"""The sensor store_files and the job load_store_files: a run where a file is complete, and no inbox stops another."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from tests.stock.drops import drop, tree
from tests.stock.shelf import levels, stock_world

if TYPE_CHECKING:
    import dagster as dg

pytestmark = pytest.mark.timeout(90)
RECEIPT = "NIR-1,CLUJ,R-1,receipt,10,"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inbox"
    made.mkdir()
    return made


@pytest.fixture
def stores(engine: Engine, config_file: Path, folder: Path) -> dict[str, Any]:
    """Two stores: cluj, whose inbox is there, and arad, whose server is not."""
    stock_world(engine)
    content = yaml.safe_load(config_file.read_text())
    content["warehouses"] = {"CENTRAL": {}, "CLUJ": {}}
    content["stock"] = {"settle_seconds": 0.1}
    content["channels"]["cluj"] = {"kind": "store", "inbox": str(folder)}
    content["channels"]["arad"] = {"kind": "store", "inbox": "sftp://till:s3cret@127.0.0.1:9/in"}
    config_file.write_text(yaml.safe_dump(content))
    return content


@pytest.fixture
def look(stores: dict[str, Any], instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A tick `later` seconds after the last, with the cursor of the last; partitions made."""
    import dagster as dg

    from cloudsales_pipeline.resources.channels import register_partitions
    from cloudsales_pipeline.resources.project import Project
    from cloudsales_pipeline.sensors import stock_files

    register_partitions(instance, Project().settings())
    cursor: list[str | None] = [None]
    clock = [1_000.0]
    monkeypatch.setattr(stock_files.time, "time", lambda: clock[0])

    def tick(later: float = 5.0) -> dg.SensorResult:
        clock[0] += later
        found = stock_files.store_files(dg.build_sensor_context(instance=instance, cursor=cursor[0]), project=Project())
        assert isinstance(found, dg.SensorResult)
        cursor[0] = found.cursor
        return found

    return tick


def asked(result: dg.SensorResult) -> list[str | None]:
    return [request.partition_key for request in result.run_requests or []]


def test_a_file_is_asked_for_once_it_was_seen_the_same_twice_and_one_that_is_left_a_minute_later(
    look: Callable[..., dg.SensorResult], folder: Path
) -> None:
    assert asked(look()) == []
    path = drop(folder, "day.csv", RECEIPT)
    assert asked(look()) == []
    path.write_text(path.read_text() + "BON-1,CLUJ,R-1,sale,1,\n")
    assert asked(look()) == []
    assert asked(look()) == ["cluj"]
    assert asked(look()) == []
    assert asked(look(61)) == ["cluj"]
    drop(folder, "more.csv", RECEIPT)
    look()
    assert asked(look()) == ["cluj"]


def test_a_run_under_way_is_waited_for(
    look: Callable[..., dg.SensorResult], folder: Path, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    import dagster as dg

    job = defs.resolve_job_def("load_store_files")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "cluj"})
    drop(folder, "day.csv", RECEIPT)
    look()
    assert asked(look()) == []
    instance.report_run_failed(run)
    assert asked(look()) == ["cluj"]


def test_an_inbox_that_is_not_reached_is_told_once_without_its_password_and_left_alone_for_a_while(
    look: Callable[..., dg.SensorResult], folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudsales_pipeline.sensors import stock_files

    tried: list[str] = []
    entries = stock_files._entries
    monkeypatch.setattr(stock_files, "_entries", lambda name, channel: (tried.append(name), entries(name, channel))[1])
    drop(folder, "day.csv", RECEIPT)
    with caplog.at_level(logging.WARNING, "cloudsales.inbox"):
        first = look()
        assert asked(look()) == ["cluj"]
        look(31)
    assert tried.count("arad") == 2
    assert tried.count("cluj") == 3
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["the inbox of arad could not be looked into"]
    assert first.skip_reason is not None
    assert first.skip_reason.skip_message is not None
    assert first.skip_reason.skip_message.startswith("arad: arad (folder): could not list the folder")
    assert first.skip_reason.skip_message.endswith("; cluj: 1 file")
    assert "s3cret" not in f"{first.skip_reason.skip_message}{first.cursor}{caplog.text}"


def test_the_job_posts_what_is_there_and_shows_each_file_with_its_outcome(
    stores: dict[str, Any], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance, folder: Path
) -> None:
    instance.add_dynamic_partitions("inbox_channel", ["cluj"])
    drop(folder, "day.csv", RECEIPT, "BON-1,CLUJ,R-9,sale,1,")
    drop(folder, "cut.csv", RECEIPT, end="")
    ran = defs.resolve_job_def("load_store_files").execute_in_process(instance=instance, partition_key="cluj")
    (made,) = ran.asset_materializations_for_node("store_movements")
    counts = [made.metadata[name].value for name in ("rows_in", "loaded", "unchanged", "quarantined", "files_waiting")]
    assert counts == [2, 1, 0, 1, 1]
    records = {record.data["file"]: record.data["outcome"] for record in made.metadata["files"].records}  # type: ignore[union-attr]
    assert records == {"day.csv": "taken", "cut.csv": "waiting"}
    assert "analytics.stock_file" in str(made.metadata["look_next"].value)
    assert levels(engine) == {("CLUJ", "R-1"): (10, 0)}


def test_a_killed_runs_file_is_asked_for_though_the_inbox_is_empty(
    look: Callable[..., dg.SensorResult], engine: Engine, folder: Path
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.stock_file (channel, name, content_hash, bytes, state) values ('cluj', 'a.csv', 'x', 1, 'taken')"
        )
    assert asked(look()) == ["cluj"]


def test_a_run_in_which_one_file_failed_is_red_and_the_others_are_posted(
    stores: dict[str, Any], defs: dg.Definitions, engine: Engine, instance: dg.DagsterInstance, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from cloudsales_pipeline.stock import inbox

    load = inbox.load_file

    def refuse_one(of: Engine, path: Path, **how: Any) -> Any:
        if path.name == "a.csv":
            raise ZeroDivisionError("Ion Popescu")
        return load(of, path, **how)

    monkeypatch.setattr(inbox, "load_file", refuse_one)
    instance.add_dynamic_partitions("inbox_channel", ["cluj"])
    drop(folder, "a.csv", "NIR-7,CLUJ,R-1,receipt,1,", age=9)
    drop(folder, "b.csv", RECEIPT)
    job = defs.resolve_job_def("load_store_files")
    ran = job.execute_in_process(instance=instance, partition_key="cluj", raise_on_error=False)
    assert not ran.success
    told = " ".join(str(event.event_specific_data) for event in ran.all_events)
    assert "1 of 2 files of cluj could not be taken in; a.csv: ZeroDivisionError" in told
    assert "Popescu" not in told
    assert tree(folder) == ["a.csv", "archive/b.csv", "archive/b.csv.result.csv"]


def test_the_command_runs_the_job_for_a_store_and_says_what_a_channel_lacks(
    stores: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cloudsales_pipeline import cli

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["cloudsales", "run", "load_store_files", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    assert call("--channel", "fashionup") == 2
    assert "the channel fashionup has no inbox" in capsys.readouterr().err
    drop(folder, "day.csv", RECEIPT)
    drop(folder, "sale.csv", "BON-1", header="bon\n", age=90)
    assert call("--channel", "cluj", "--json") == 0
    printed = capsys.readouterr()
    assert "sale.csv: refused, sale.csv has no column reference or warehouse" in printed.err
    (told,) = json.loads(printed.out)
    assert "files taken 1" in told["result"]
    assert "rows in 1, loaded 1" in told["result"]
