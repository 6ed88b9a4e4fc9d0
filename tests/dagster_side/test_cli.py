"""The command line's manners: exit codes, one clear line, rows for people and for programs."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline import cli
from cloudsales_pipeline.cli.output import clean, print_rows
from cloudsales_pipeline.errors import RefusedError

if TYPE_CHECKING:
    from cloudsales_pipeline.settings import Settings


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cloudsales", *arguments])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["init", "--help"], 0),
        ([], 2),
        (["nope"], 2),
        (["database", "nope"], 2),
        (["run"], 2),
    ],
)
def test_wrong_usage_is_2_and_help_is_0(monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int) -> None:
    assert _call(monkeypatch, *arguments) == code


def test_every_command_can_be_loaded_and_has_the_help_that_the_table_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in cli.COMMANDS:
        assert _call(monkeypatch, name, "--help") == 0


def test_a_refusal_is_one_line_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOUDSALES_CONFIG", raising=False)
    assert _call(monkeypatch, "init") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: There is no settings file cloudsales.yaml")
    assert error.count("\n") == 1


def test_i46_an_unexpected_error_is_one_line_without_its_text() -> None:
    try:
        raise ValueError("ion.popescu@example.ro")
    except ValueError as error:
        line = cli.one_line(error)
    assert line.startswith("unexpected ValueError at test_cli.py:")
    assert "popescu" not in line
    assert cli.one_line(OSError(28, "No space left on device")).startswith("unexpected OSError (No space left on device).")
    assert cli.one_line(RefusedError("No.", next_step="yes")) == "No. Next: yes"


def test_i46_a_violated_constraint_is_named_and_its_row_is_not(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError) as caught:
        connection.execute(sa.text("insert into cloudsales.code_key (key, product_id, kinds) values ('ion@example.ro', 7, 1)"))
    line = cli.one_line(caught.value)
    assert "IntegrityError (ForeignKeyViolation, constraint code_key_product_id_fkey)" in line
    assert "ion@" not in line


def test_debug_shows_the_whole_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOUDSALES_CONFIG", raising=False)
    monkeypatch.setenv("CLOUDSALES_DEBUG", "1")
    with pytest.raises(Exception, match="no settings file"):
        _call(monkeypatch, "init")


def test_init_twice_is_no_harm(monkeypatch: pytest.MonkeyPatch, config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(monkeypatch, "init") == 0
    first = capsys.readouterr().out
    assert _call(monkeypatch, "init") == 0
    assert capsys.readouterr().out == first == "The database is at version 0006; channels: fashionup.\n"


def test_the_database_url_is_for_psql(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(monkeypatch, "database", "url") == 0
    assert capsys.readouterr().out.startswith("postgresql://")
    assert _call(monkeypatch, "database", "start") == 1
    assert "a PostgreSQL of your own" in capsys.readouterr().err


ROWS = [
    {"sku": "00123", "price": Decimal("10.10"), "at": datetime(2026, 11, 24, tzinfo=UTC), "candidates": ["A", "B"]},
    {"sku": "[red]x\x1b[31m", "price": None, "at": None, "candidates": []},
]


def test_rows_as_json_lose_no_cent_and_no_zero(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, as_json=True, columns=["sku", "price", "at"])
    assert json.loads(capsys.readouterr().out) == [
        {"sku": "00123", "price": "10.10", "at": "2026-11-24T00:00:00+00:00"},
        {"sku": "[red]x\x1b[31m", "price": None, "at": None},
    ]


def test_i48_text_from_outside_reaches_the_terminal_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, as_json=False, title="rows")
    out = capsys.readouterr().out
    assert "[red]x [31m" in out
    assert "\x1b" not in out
    assert "A, B" in out
    assert clean("a\u202eb\x00") == "a b "


def test_no_rows_are_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], as_json=False, title="quarantine")
    assert capsys.readouterr().out == "quarantine: none\n"
    print_rows([], as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_runs_whose_process_is_gone_give_their_slot_back(tmp_path: Path) -> None:
    import dagster as dg

    from cloudsales_pipeline.cli.instance import end_dead_runs, process_tag, socket_name

    alive = tmp_path / socket_name()
    alive.touch()
    gone = tmp_path / "gone" / socket_name()
    elsewhere = tmp_path / "gone" / "code@another-machine"

    def tags(code_server: Path) -> dict[str, str]:
        return {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": str(code_server)})}

    host = process_tag()["cloudsales/process"].partition(":")[0]
    with dg.DagsterInstance.ephemeral() as instance:
        for name, found in {
            "alive": tags(alive),
            "gone": tags(gone),
            "elsewhere": tags(elsewhere),
            "this_process": process_tag(),
            "ended_process": {"cloudsales/process": f"{host}:999999999"},
            "unknown": {},
        }.items():
            instance.add_run(dg.DagsterRun(name, run_id=name, status=dg.DagsterRunStatus.STARTED, tags=found))
        assert set(end_dead_runs(instance)) == {"gone", "ended_process"}
        assert {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))} == {
            "gone",
            "ended_process",
        }


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("answered 401: the token is wrong or expired", "answered 401: the token is wrong or expired. Next: look"),
        ("There is no file.", "There is no file. Next: look"),
        ("it goes on…", "it goes on… Next: look"),
    ],
)
def test_what_happened_ends_with_one_full_stop_before_the_next_step(message: str, shown: str) -> None:
    assert str(RefusedError(message, next_step="look")) == shown


def test_the_help_of_run_names_every_job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from cloudsales_pipeline.cli.run import JOBS
    from cloudsales_pipeline.definitions import defs

    assert sorted(JOBS) == sorted(job.name for job in defs.jobs or [])
    assert _call(monkeypatch, "run", "--help") == 0
    said = capsys.readouterr().out
    assert [job for job in JOBS if job not in said] == []


@pytest.mark.parametrize("command", [("stock", "show", "R-1"), ("orders", "list"), ("privacy", "export", "a@example.ro")])
def test_a_command_before_init_says_init(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database_url: sa.URL,
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    missing = database_url.set(database="nobody_made_this").render_as_string(hide_password=False)
    (tmp_path / "cloudsales.yaml").write_text(f"database: {{url: '{missing}'}}\n", encoding="utf-8")
    monkeypatch.setenv("CLOUDSALES_CONFIG", str(tmp_path / "cloudsales.yaml"))
    assert _call(monkeypatch, *command) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: There is no database nobody_made_this yet. Next: cloudsales init")
