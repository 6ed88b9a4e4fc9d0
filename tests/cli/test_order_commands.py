"""`cloudsales orders` as a person types it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError, RefusedError, SettingsError
from tests.cli.conftest import call
from tests.orders.market import line, lines_of, market, order, receive
from tests.stock.shelf import levels


@pytest.fixture(autouse=True)
def world(here: Path, engine: Engine) -> None:
    """Three pieces of R-1; FO1 of two, FO2 of two that gets only one; FO3 whose total is wrong."""
    settings = yaml.safe_load((here / "cloudsales.yaml").read_text(encoding="utf-8"))
    settings["channels"]["fashionup"]["orders"] = {"warehouse": "CENTRAL", "return_warehouse": "CLUJ"}
    (here / "cloudsales.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    market(engine, {"R-1": 3, "R-2": 1})
    receive(engine, order("FO1", line("R-1", 2)), order("FO2", line("R-1", 2), minutes=1))
    receive(engine, order("FO3", line("R-2"), minutes=2, total=Decimal("1.00")))


def done(*words: str) -> str:
    result = call("orders", *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def listed(*options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done("list", *options, "--json"))
    return found


def test_an_order_leaves_comes_back_and_is_in_stock_again(engine: Engine) -> None:
    assert done("issue", "fashionup", "FO1") == "fashionup FO1: issued, 2 pieces (under issue:fashionup/FO1); it is issued.\n"
    assert "nothing was done (all of it has left before)" in done("issue", "fashionup", "FO1")
    assert "received, 2 pieces" in done("return", "fashionup", "FO1", "1=2", "--reference", "RET-1")
    (told,) = json.loads(done("restock", "fashionup", "FO1", "1=1", "--reference", "RET-1", "--json"))
    assert told == {
        "channel": "fashionup",
        "id": "FO1",
        "changed": True,
        "status": "issued",
        "pieces": 1,
        "served": 0,
        "note": "",
    }
    assert "it is returned" in done("scrap", "fashionup", "FO1", "1=1", "--reference", "RET-1")
    assert levels(engine)["CLUJ", "R-1"] == (1, 0)


def test_cancel_serves_who_waits_and_says_so(engine: Engine) -> None:
    assert "1 of them went to orders that waited" in done("cancel", "fashionup", "FO1")
    assert "cancelled before" in done("cancel", "fashionup", "FO1")
    assert lines_of(engine)["fashionup/FO2/1"] == (2, 2, 0, 0, 0)


def test_a_receipt_typed_by_hand_serves_who_waits(engine: Engine) -> None:
    assert call("stock", "receive", "CENTRAL", "R-1", "5", "--reference", "NIR-1").exit_code == 0
    assert lines_of(engine)["fashionup/FO2/1"] == (2, 2, 0, 0, 0)


def test_lists_show_what_waits_and_for_whom(engine: Engine) -> None:
    assert [row["id"] for row in listed()] == ["FO3", "FO2", "FO1"]
    (waiting,) = listed("--waiting")
    assert [waiting[name] for name in ("id", "ordered", "reserved", "waiting")] == ["FO2", 2, 1, 1]
    assert [row["review"] for row in listed("--review")] == [["total_differs"]]
    assert "total_differs" in done("review", "fashionup", "FO3")
    assert listed("--review") == []
    assert [row["id"] for row in listed("--unacknowledged")] == ["FO1", "FO2", "FO3"]
    assert [row["id"] for row in listed("--channel", "fashionup", "--limit", "1")] == ["FO3"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("issue", "fashionup", "FO2"), RefusedError),
        (("issue", "fashionup", "FO9"), InputError),
        (("issue", "nowhere", "FO1"), SettingsError),
        (("return", "fashionup", "FO1", "1=1", "--reference", "RET-1"), RefusedError),
    ],
)
def test_what_can_not_be_done_exits_1_with_the_reason(words: tuple[str, ...], kind: type[Exception]) -> None:
    result = call("orders", *words)
    assert result.exit_code == 1
    assert isinstance(result.exception, kind)


@pytest.mark.parametrize(
    "words",
    [
        ("return", "fashionup", "FO1", "1", "--reference", "RET-1"),
        ("return", "fashionup", "FO1", "1=0", "--reference", "RET-1"),
        ("return", "fashionup", "FO1", "1=1", "1=2", "--reference", "RET-1"),
        ("return", "fashionup", "FO1", "1=1"),
        ("list", "--waiting", "--review"),
    ],
)
def test_wrong_words_exit_2(words: tuple[str, ...]) -> None:
    assert call("orders", *words).exit_code == 2


def test_a_mistyped_channel_is_told_as_one_also_when_an_order_is_shown() -> None:
    result = call("orders", "show", "fashonup", "FO1")
    assert result.exit_code == 1
    assert isinstance(result.exception, SettingsError)
    assert "there are: fashionup" in str(result.exception)


def test_the_orders_of_a_channel_that_left_the_settings_are_still_shown(here: Path) -> None:
    settings = yaml.safe_load((here / "cloudsales.yaml").read_text(encoding="utf-8"))
    settings["channels"] = {"other": settings["channels"].pop("fashionup")}
    (here / "cloudsales.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert "What happened, oldest first" in done("show", "fashionup", "FO1")
