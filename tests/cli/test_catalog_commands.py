"""The catalogue's commands as a person types them: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import CloudSalesError
from tests.catalog.shop import query, show, write_catalogue
from tests.cli.conftest import call

CATALOGUE = [("R-1", "5941234567899", "", "Rochie din in"), ("R-2", "", "SITE-22", "Fustă")]


def rows(*words: str) -> list[dict[str, object]]:
    result = call(*words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, list)
    return found


def test_load_plan_and_apply_do_what_they_say(here: Path, engine: Engine) -> None:
    write_catalogue(here / "catalog.csv", CATALOGUE)
    (loaded,) = rows("catalog", "load", "catalog.csv")
    assert (loaded["rows_in"], loaded["loaded"], loaded["quarantined"]) == (2, 2, 0)
    show(engine, [("v1", "r-1", None), ("v2", "NOU-1", None), ("v3", "R-1", "5901234123457")])
    (plan,) = rows("catalog", "plan", "fashionup")
    assert plan["state"] == "audited"
    assert query(engine, "select * from analytics.link") == []
    shown = {row["variant_id"]: (row["outcome"], row["reason"]) for row in plan["shown"]}  # type: ignore[attr-defined]
    assert shown == {
        "v1": ("linked", None),
        "v2": ("created", "unknown_code"),
        "v3": ("duplicate_in_listing", "shares_code_with_earlier"),
    }
    (applied,) = rows("catalog", "apply", "fashionup", "--plan", str(plan["plan_id"]))
    assert (applied["products_created"], applied["links_made"], applied["quarantined"]) == (1, 2, 1)
    (held,) = rows("quarantine", "list", "--stage", "match")
    assert (held["reference"], held["reason"], held["stock_at_risk"]) == ("v3", "shares_code_with_earlier", 3)


def test_an_outdated_plan_is_refused_in_one_line_and_nothing_is_applied(here: Path, engine: Engine) -> None:
    write_catalogue(here / "catalog.csv", CATALOGUE)
    call("catalog", "load", "catalog.csv")
    show(engine, [("v1", "SITE-99", None)])
    (plan,) = rows("catalog", "plan", "fashionup")
    rows("codes", "add", "R-2", "site-99")
    result = call("catalog", "apply", "fashionup", "--plan", str(plan["plan_id"]))
    assert result.exit_code == 1
    assert isinstance(result.exception, CloudSalesError)
    assert "outdated: 1 of its 1 rows" in str(result.exception)
    assert query(engine, "select * from analytics.link") == []


def test_a_held_duplicate_is_linked_by_hand_and_leaves_quarantine_with_the_next_plan(here: Path, engine: Engine) -> None:
    write_catalogue(here / "catalog.csv", CATALOGUE)
    call("catalog", "load", "catalog.csv")
    show(engine, [("v1", "R-1", None), ("v2", "R-1", None)])
    rows("catalog", "apply", "fashionup")
    assert call("catalog", "link", "fashionup", "v2", "R-1").exit_code == 0
    rows("catalog", "apply", "fashionup")
    assert rows("quarantine", "list") == []
    links = [tuple(row) for row in query(engine, "select variant_id, sku, matched_by from analytics.link order by 1")]
    assert links == [("v1", "R-1", "sku"), ("v2", "R-1", "manual")]


def test_a_dismissed_row_stays_away_until_its_evidence_changes(here: Path, engine: Engine) -> None:
    show(engine, [("v1", None, "5941234567890")])
    rows("catalog", "apply", "fashionup")
    (held,) = rows("quarantine", "list")
    assert call("quarantine", "dismiss", str(held["id"])).exit_code == 0
    assert call("quarantine", "dismiss", str(held["id"])).exit_code == 1
    show(engine, [("v1", None, "5941234567890")])
    rows("catalog", "apply", "fashionup")
    assert rows("quarantine", "list") == []
    show(engine, [("v1", None, "5941234567891")])
    rows("catalog", "apply", "fashionup")
    assert len(rows("quarantine", "list")) == 1


def test_verify_says_what_holds_and_ends_with_1_where_something_does_not(here: Path, engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None)])
    rows("catalog", "apply", "fashionup")
    assert {row["result"] for row in rows("verify")} == {"holds"}
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.code_key set product_id = null")
    result = call("verify")
    assert result.exit_code == 1
    assert "one_product_per_code" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["catalog", "load", "nothing.csv"], "There is no file nothing.csv"),
        (["catalog", "plan", "nobody"], "There is no channel 'nobody'"),
        (["catalog", "apply", "fashionup", "--plan", "99"], "There is no plan 99"),
        (["codes", "add", "NOBODY", "X-1"], "no product with the SKU 'NOBODY'"),
        (["suggestions", "accept", "fashionup", "v9"], "has shown no variant 'v9'"),
        (["quarantine", "dismiss", "7"], "no open quarantine row 7"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_clear_line(here: Path, words: list[str], said: str) -> None:
    result = call(*words)
    assert result.exit_code == 1
    assert said in str(result.exception)


def test_i48_a_file_names_control_characters_do_not_reach_the_terminal() -> None:
    from cloudsales_pipeline.cli import one_line
    from cloudsales_pipeline.errors import InputError

    assert "\x1b" not in one_line(InputError("There is no file nope\x1b[31mRED.csv."))


def test_applying_when_nothing_was_imported_says_how_listings_come(here: Path) -> None:
    result = call("catalog", "apply", "fashionup")
    assert result.exit_code == 0
    assert "Nothing waits for a decision. New listings come with: cloudsales run import_listing" in result.stderr
