"""`cloudsales purchasing` as a person types it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.settings import load_settings
from cloudsales_pipeline.stock.movements import post
from tests.cli.conftest import call
from tests.purchasing.buying import shelves, wanted
from tests.stock.shelf import receipt, rows

TODAY = datetime.now(ZoneInfo("Europe/Bucharest")).date()
YESTERDAY, TOMORROW = str(TODAY - timedelta(days=1)), str(TODAY + timedelta(days=1))


@pytest.fixture(autouse=True)
def world(here: Path, engine: Engine) -> None:
    """acme sells R-1 in packs of six, of which two orders lack seven; nobody sells R-2."""
    settings = yaml.safe_load((here / "cloudsales.yaml").read_text(encoding="utf-8"))
    settings["suppliers"] = {"acme": {"name": "Acme Trade", "pack_size": 6, "cut_off": "18:00"}}
    (here / "cloudsales.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    shelves(engine, load_settings(), {"R-1": "acme", "R-2": None})
    wanted(engine, "A", "R-1", 4)
    wanted(engine, "B", "R-1", 3, minutes=1)
    wanted(engine, "C", "R-2", 1)


def done(*words: str) -> str:
    result = call("purchasing", *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done(*words, "--json"))
    return found


def test_a_day_is_shown_closed_and_told(engine: Engine) -> None:
    (shown,) = listed("close", "--date", YESTERDAY, "--dry-run")
    assert (shown["outcome"], shown["number"], shown["quantity"], shown["required"], shown["surplus"]) == (
        "ordered",
        None,
        12,
        7,
        5,
    )
    assert [(one["sku"], one["quantity"], one["surplus"]) for one in shown["order_lines"]] == [("R-1", 12, 5)]
    assert rows(engine, "select count(*) from cloudsales.supplier_close") == [(0,)]
    printed = done("close", "--date", YESTERDAY)
    assert all(text in printed for text in ("Closed", "ordered", "Lines", "R-1", "of no known supplier", "R-2"))
    (order,) = listed("orders")
    assert (order["supplier"], order["state"], order["lines"], order["quantity"]) == ("acme", "closed", 1, 12)
    (line,) = listed("show", order["number"])
    assert line["bought_for"] == "fashionup/A/1 4, fashionup/B/1 3"
    assert [(one["order_id"], one["supplier_order"]) for one in listed("chain", "R-1")] == [
        ("A", order["number"]),
        ("B", order["number"]),
    ]
    (again,) = listed("close", "--date", YESTERDAY, "--supplier", "acme")
    assert (again["outcome"], again["number"]) == ("closed_before", order["number"])


def test_without_a_date_all_that_is_due_is_closed() -> None:
    done("close", "--date", str(TODAY - timedelta(days=4)))
    days = [one["business_date"] for one in listed("close")]
    assert days[:3] == [str(TODAY - timedelta(days=back)) for back in (3, 2, 1)]
    assert "nothing is due" in done("close")


def test_the_requirement_is_listed_by_supplier() -> None:
    assert [(one["supplier"], one["sku"], one["quantity"]) for one in listed("requirement")] == [
        ("acme", "R-1", 7),
        (None, "R-2", 1),
    ]
    assert [one["sku"] for one in listed("requirement", "--supplier", "acme")] == ["R-1"]
    printed = done("requirement")
    assert all(title in printed for title in ("To be bought", "Of no known supplier", "is not to be bought"))


def test_a_price_list_is_loaded_and_what_it_cant_use_is_shown(here: Path) -> None:
    (here / "prices.csv").write_text(
        "supplier,sku,price,valid_from\nacme,R-2,5,2026-01-01\nacme,R-1,scump,2026-01-01\n", encoding="utf-8"
    )
    assert listed("prices", "load", "prices.csv") == [
        {"file": "prices.csv", "rows_in": 2, "loaded": 1, "unchanged": 0, "quarantined": 1}
    ]
    printed = done("prices", "load", "prices.csv")
    assert all(text in printed for text in ("bad_price", "scump", "In quarantine"))
    assert [one["supplier"] for one in listed("requirement")] == ["acme", "acme"]


def test_a_transfer_is_proposed_taken_and_another_dismissed(here: Path, engine: Engine) -> None:
    settings = yaml.safe_load((here / "cloudsales.yaml").read_text(encoding="utf-8"))
    settings["purchasing"] = {"propose_transfers": True}
    (here / "cloudsales.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (here / "prices.csv").write_text("supplier,sku,price,valid_from\nacme,R-2,5,2026-01-01\n", encoding="utf-8")
    done("prices", "load", "prices.csv")
    post(engine, [receipt("cluj-1", "R-1", 2, "CLUJ"), receipt("cluj-2", "R-2", 1, "CLUJ")])
    done("close", "--date", YESTERDAY)
    first, second = listed("transfers", "list")
    (moved,) = listed("transfers", "accept", str(first["proposal_id"]))
    assert (moved["from_warehouse"], moved["to_warehouse"], moved["quantity"]) == ("CLUJ", "CENTRAL", first["quantity"])
    assert listed("transfers", "dismiss", str(second["proposal_id"])) == [
        {"proposal_id": second["proposal_id"], "state": "dismissed"}
    ]
    assert listed("transfers", "list") == []


def test_what_cant_be_done_is_said_in_one_line() -> None:
    for words, kind, text in (
        (("close", "--date", TOMORROW), RefusedError, "can't be closed for acme yet"),
        (("close", "--date", YESTERDAY, "--supplier", "nobody"), InputError, "no supplier 'nobody'"),
        (("close", "--date", "24.11"), InputError, "'24.11' is not a date"),
        (("show", "CF-1"), InputError, "no supplier order 'CF-1'"),
        (("chain", "R-77"), InputError, "no product and no order 'R-77'"),
        (("requirement", "--supplier", "nobody"), InputError, "no supplier 'nobody'"),
    ):
        result = call("purchasing", *words)
        assert result.exit_code == 1
        assert isinstance(result.exception, kind)
        assert text in str(result.exception)
