"""`cloudsales stock` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import CloudSalesError
from tests.cli.conftest import call
from tests.stock.shelf import levels, stock_world


@pytest.fixture(autouse=True)
def world(engine: Engine) -> None:
    stock_world(engine)


def done(*words: str) -> str:
    result = call(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_receive_issue_transfer_count_and_adjust_move_the_levels(here: Path, engine: Engine) -> None:
    assert done("stock", "receive", "CENTRAL", "R-1", "10", "--reference", "NIR-1") == "NIR-1: posted, 1 movement.\n"
    done("stock", "issue", "CENTRAL", "R-1", "2", "--reference", "BON-1")
    assert done("stock", "transfer", "CENTRAL", "CLUJ", "R-1", "3", "--reference", "T-1") == "T-1: posted, 2 movements.\n"
    done("stock", "adjust", "CENTRAL", "R-1", "-1", "--reference", "SPART-1")
    done("stock", "count", "CLUJ", "R-1", "2", "--reference", "INV-1")
    assert levels(engine) == {("CENTRAL", "R-1"): (4, 0), ("CLUJ", "R-1"): (2, 0)}


def test_a_repeat_says_so_and_other_content_is_refused_with_what_was_posted(here: Path) -> None:
    done("stock", "receive", "CENTRAL", "R-1", "10", "--reference", "NIR-1")
    assert "nothing was done" in done("stock", "receive", "CENTRAL", "R-1", "10", "--reference", "NIR-1")
    result = call("stock", "receive", "CENTRAL", "R-1", "11", "--reference", "NIR-1")
    assert result.exit_code == 1
    assert isinstance(result.exception, CloudSalesError)
    assert "receipt 10 of R-1 in CENTRAL" in str(result.exception)


def test_more_than_there_is_is_refused_with_what_there_is(here: Path, engine: Engine) -> None:
    done("stock", "receive", "CENTRAL", "R-1", "1", "--reference", "NIR-1")
    result = call("stock", "issue", "CENTRAL", "R-1", "2", "--reference", "BON-1")
    assert result.exit_code == 1
    assert "not_enough_stock" in str(result.exception)
    assert levels(engine) == {("CENTRAL", "R-1"): (1, 0)}


@pytest.mark.parametrize(
    ("warehouse", "sku", "next_step"), [("CENTRAL", "R-9", "cloudsales codes add SKU CODE"), ("CLUJ-2", "R-1", "cloudsales.yaml")]
)
def test_what_is_unknown_is_refused_with_what_helps(here: Path, warehouse: str, sku: str, next_step: str) -> None:
    result = call("stock", "receive", warehouse, sku, "1", "--reference", "NIR-1")
    assert result.exit_code == 1
    assert isinstance(result.exception, CloudSalesError)
    assert next_step in result.exception.next_step


def test_a_rule_is_not_tried_with_a_warehouse_that_is_none(here: Path) -> None:
    """It has no stock, so the answer would be that the channel shows nothing."""
    result = call("stock", "try-rule", "fashionup", "--warehouse", "CENTRAAL")
    assert (result.exit_code, "CENTRAAL" in result.output) == (2, True)


def test_a_fraction_is_wrong_usage(here: Path) -> None:
    assert call("stock", "receive", "CENTRAL", "R-1", "1.5", "--reference", "NIR-1").exit_code == 2


def test_load_shows_what_it_took_in_and_what_waits(here: Path) -> None:
    (here / "m.csv").write_text(
        "reference,warehouse,sku,reason,quantity\nNIR-1,CENTRAL,R-1,receipt,5\nNIR-2,CENTRAL,R-9,receipt,5\n", encoding="utf-8"
    )
    (told,) = json.loads(done("stock", "load", "m.csv", "--json"))
    assert (told["rows_in"], told["loaded"], told["quarantined"]) == (2, 1, 1)
    assert "taken in before" in json.loads(done("stock", "load", "m.csv", "--json"))[0]["note"]
    held = json.loads(done("quarantine", "list", "--stage", "stock", "--json"))
    assert [(row["reference"], row["reason"]) for row in held] == [("m.csv:3", "unknown_sku")]


def test_load_shows_what_each_held_row_was_and_the_evidence_of_every_reason(here: Path) -> None:
    done("stock", "receive", "CENTRAL", "R-1", "10", "--reference", "NIR-1")
    rows = "NIR-2,CENTRAL,R-9,receipt,5", "NIR-1,CENTRAL,R-1,receipt,11", "NIR-3,NOWHERE,R-1,receipt,1"
    (here / "m.csv").write_text("\n".join(("reference,warehouse,sku,reason,quantity", *rows, "")), encoding="utf-8")
    told = done("stock", "load", "m.csv")
    assert "R-9" in told
    assert "NOWHERE" in told
    assert "receipt 10 of" in told  # the evidence of a later row


@pytest.mark.parametrize(
    ("words", "next_step"),
    [
        (("CENTRAL", "R-9", "1"), "catalog load"),
        (("NOWHERE", "R-1", "1"), "`warehouses:`"),
        (("CENTRAL", "R-1", "1", "--at", "2126-01-01"), "--at"),
        (("CENTRAL", "R-1", "1000000000000"), "correct the quantity"),
    ],
)
def test_a_refusal_says_what_to_do_about_that_reason(here: Path, words: tuple[str, ...], next_step: str) -> None:
    refused = call("stock", "receive", *words, "--reference", "NIR-1").exception
    assert isinstance(refused, CloudSalesError)
    assert next_step in str(refused.next_step)


def test_a_moment_that_a_table_shows_can_be_asked_for_as_it_is_written(here: Path) -> None:
    done("stock", "receive", "CENTRAL", "R-1", "10", "--reference", "NIR-1", "--at", "2026-11-01 10:00:00 UTC")
    assert "2026-11-01 10:00:00 UTC" in done("stock", "show", "R-1")
    assert json.loads(done("stock", "balance", "--at", "2026-11-01 09:59:59 UTC", "--json")) == []
    assert len(json.loads(done("stock", "balance", "--at", "2026-11-01 10:00:00 UTC", "--json"))) == 1


def test_show_tells_a_products_stock_story(here: Path) -> None:
    done("stock", "receive", "CENTRAL", "R-1", "5", "--reference", "NIR-1")
    (story,) = json.loads(done("stock", "show", "R-1", "--json"))
    assert [(level["warehouse"], level["available"]) for level in story["levels"]] == [("CENTRAL", 5)]
    assert [move["reference"] for move in story["movements"]] == ["NIR-1"]
    assert call("stock", "show", "R-9").exit_code == 1


def test_balance_tells_what_was_and_what_was_believed_then(here: Path) -> None:
    done("stock", "receive", "CENTRAL", "R-1", "10", "--reference", "NIR-1", "--at", "2026-11-01 10:00")
    done("stock", "issue", "CENTRAL", "R-1", "4", "--reference", "BON-1", "--at", "2026-11-03 10:00")
    (then,) = json.loads(done("stock", "balance", "--at", "2026-11-02", "--json"))
    assert (then["warehouse"], then["sku"], then["on_hand"]) == ("CENTRAL", "R-1", 10)
    believed = json.loads(done("stock", "balance", "--at", "2026-11-02", "--known-at", "2026-11-02", "--json"))
    assert believed == []  # nothing of it was recorded yet


def test_a_warehouse_added_to_the_settings_is_known_to_the_next_command(here: Path, engine: Engine) -> None:
    file = here / "cloudsales.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings["warehouses"]["NOU"] = {}
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done("stock", "receive", "NOU", "R-1", "1", "--reference", "NIR-1")
    assert levels(engine) == {("NOU", "R-1"): (1, 0)}


def test_nothing_held_is_said_when_a_hold_is_released(here: Path) -> None:
    assert done("stock", "release-hold", "fashionup") == "fashionup: nothing is held.\n"


def test_what_reconciliation_found_is_listed_with_what_to_do_until_it_is_closed(here: Path, engine: Engine) -> None:
    assert done("stock", "offers") == "Found by reconcile_channels, and still open: none\n"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.channel_offer (channel, variant_id, kind, quantity, expected, resolved_at) values"
            " ('fashionup', 'v1', 'drift', 9, 5, null), ('fashionup', 'v2', 'ghost', 3, null, null),"
            " ('fashionup', 'v3', 'not_shown', null, 4, now())"
        )
    told = json.loads(done("stock", "offers", "fashionup", "--json"))
    assert [(row["kind"], row["variant_id"], row["shown"], row["expected"]) for row in told] == [
        ("drift", "v1", 9, 5),
        ("ghost", "v2", 3, None),
    ]
    assert "link it to its product" in told[1]["what_to_do"]
    assert call("stock", "offers", "nowhere").exit_code == 1
