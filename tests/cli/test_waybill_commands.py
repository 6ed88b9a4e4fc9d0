"""`cloudsales waybills` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents.labels import fetch_due
from cloudsales_pipeline.settings import Settings
from tests.cli.conftest import call
from tests.documents.depot import PDF, times_out_before_the_work
from tests.documents.test_waybill_decisions import NOW, ONE, world


def done(*words: str) -> str:
    result = call("waybills", *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_unknown_waybill_is_listed_decided_on_and_its_label_written(here: Path, engine: Engine, settings: Settings) -> None:
    made, fan = world(engine, settings, times_out_before_the_work)
    (listed,) = json.loads(done("list", "--state", "unknown", "--json"))
    assert (listed["reference"], listed["number"], listed["labelled"]) == (ONE, None, False)
    assert call("waybills", "decide", ONE).exit_code == 2
    assert done("decide", ONE, "--created", "F77") == f"{ONE} is created, as F77.\n"
    assert fetch_due(engine, made, {"fan": fan}, now=NOW).labelled == 1
    assert done("label", "F77", "--to", "label.pdf") == f"F77: label.pdf, {len(PDF)} bytes\n"
    assert (here / "label.pdf").read_bytes() == PDF
    (shown,) = json.loads(done("show", "F77", "--json"))
    assert (shown["state"], shown["handover"], shown["labelled"]) == ("created", "due", True)
    assert "unknown" not in done("show", ONE)


@pytest.mark.usefixtures("here")
def test_one_that_was_not_made_is_tried_again_or_cancelled(engine: Engine, settings: Settings) -> None:
    world(engine, settings, times_out_before_the_work)
    assert "has failed" in done("decide", ONE, "--failed")
    assert done("retry", ONE) == f"{ONE} is due again.\n"
    assert done("cancel", ONE) == f"{ONE} is cancelled; no courier had been called.\n"
    assert call("waybills", "retry", ONE).exit_code == 1


@pytest.mark.usefixtures("here")
def test_a_courier_that_the_settings_lack_is_an_error_of_one_line(engine: Engine, settings: Settings) -> None:
    world(engine, settings)
    result = call("waybills", "track")
    assert result.exit_code == 1
    assert result.stderr == "error: fan: couriers.fan is not in the settings: what it should carry waits.\n"
