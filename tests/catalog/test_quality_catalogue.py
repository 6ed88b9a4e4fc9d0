"""The catalogue after an apply: each planted fault is caught by the rule that should, by name."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.quality import audit_plan, check_catalogue
from cloudsales_pipeline.catalog.rules import CATALOGUE_RULES, RuleResult
from cloudsales_pipeline.settings import QualitySettings
from tests.catalog.quality_world import CANARY, CHANNEL, World, small_world

pytestmark = pytest.mark.timeout(240)  # the first to import Great Expectations waits for it


@pytest.fixture
def world(engine: Engine) -> World:
    """The small world's plan, audited and applied, with its summary."""
    w = small_world(engine)
    assert audit_plan(engine, w.plan_id, QualitySettings()).passed
    w.apply()
    w.run(
        "insert into cloudsales.run_summary (stage, channel, started_at, rows_in, loaded, unchanged, quarantined)"
        " values ('match', :channel, now(), 8, 5, 0, 3)"
    )
    return w


def checked(world: World, plan_id: int | None = None) -> dict[str, RuleResult]:
    return {result.rule: result for result in check_catalogue(world.engine, CHANNEL, plan_id)}


def test_a_right_catalogue_is_green_as_a_whole_and_for_its_plan(world: World) -> None:
    whole = checked(world)
    assert list(whole) == [rule.name for rule in CATALOGUE_RULES]
    assert {name: (r.passed, r.ran, r.checked_rows) for name, r in whole.items()} == {
        "one_product_per_code": (True, True, 9),
        "one_outcome_per_listing": (True, True, 8),
        "links_have_evidence": (True, True, 5),
        "matched_products_unchanged": (True, True, 3),
        "created_gtins_valid": (True, True, 2),
        "rows_add_up": (True, True, 1),
    }
    of_plan = checked(world, world.plan_id)
    assert all(result.passed for result in of_plan.values())
    # FUSTA-9, which the plan did not touch, is not looked at
    assert of_plan["one_product_per_code"].checked_rows == 8


@pytest.mark.parametrize("scoped", [True, False])
@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        # a code on two products without a recorded clash, a code that points elsewhere, is missing, or is of another kind (I-01)
        (
            "insert into cloudsales.product_code select product_id, 'additional', 'rochie-1-m', 'ROCHIE-1-M', 'manual', now()"
            " from cloudsales.product where sku = 'FUSTA-9'",
            "one_product_per_code",
        ),
        ("update cloudsales.code_key set product_id = 4 where key = 'nou-1'", "one_product_per_code"),
        ("update cloudsales.code_key set product_id = null where key = 'nou-1'", "one_product_per_code"),
        ("delete from cloudsales.code_key where key = 'nou-1'", "one_product_per_code"),
        ("update cloudsales.code_key set kinds = 7 where key = 'nou-1'", "one_product_per_code"),
        # a listing without a decision, or whose tie and outcome differ
        ("delete from cloudsales.match_outcome where outcome = 'invalid'", "one_outcome_per_listing"),
        ("update cloudsales.match_outcome set outcome = 'conflict' where matched_by = 'sku'", "one_outcome_per_listing"),
        # a tie whose code is gone, or was of another kind; a product that another listing made
        ("update cloudsales.link set matched_by = 'gtin' where matched_by = 'sku'", "links_have_evidence"),
        ("update cloudsales.link set ean_key = '1' where matched_by = 'gtin'", "links_have_evidence"),
        ("update cloudsales.product set origin_variant = 'other' where origin_variant = 'new'", "links_have_evidence"),
        # an import that changed what it matched (I-03): a detail, or a code
        ("update cloudsales.product set name = 'changed' where sku = 'BLUZA-7'", "matched_products_unchanged"),
        ("update cloudsales.product set price = 1, changed_at = now() where sku = 'BLUZA-7'", "matched_products_unchanged"),
        (
            "with k as (insert into cloudsales.code_key"
            " select 'extra', product_id, 4 from cloudsales.product where sku = 'BLUZA-7')"
            " insert into cloudsales.product_code select product_id, 'additional', 'extra', 'EXTRA', 'channel', now()"
            " from cloudsales.product where sku = 'BLUZA-7'",
            "matched_products_unchanged",
        ),
        # a number that is no GTIN
        (
            "with k as (update cloudsales.code_key set key = '5901234123458' where key = '5901234123457')"
            " update cloudsales.product_code set key = '5901234123458' where key = '5901234123457'",
            "created_gtins_valid",
        ),
    ],
)
def test_each_planted_fault_is_caught_by_its_rule(world: World, fault: str, rule: str, scoped: bool) -> None:
    world.run(fault)
    results = checked(world, world.plan_id if scoped else None)
    assert {name for name, result in results.items() if not result.passed} == {rule}
    assert results[rule].ran
    assert results[rule].offending_rows >= 1
    assert results[rule].sample
    assert "Ionescu" not in repr(results), CANARY


def test_rows_that_do_not_add_up_are_red_even_where_the_constraint_was_lost(world: World) -> None:
    """I-44."""
    world.run("alter table cloudsales.run_summary drop constraint run_summary_check")
    world.run("update cloudsales.run_summary set loaded = 4")
    result = checked(world)["rows_add_up"]
    assert (result.passed, result.offending_rows, result.sample[0]["rows_in"]) == (False, 1, 8)


def test_a_clash_of_the_loaded_catalogue_is_recorded_and_green(world: World) -> None:
    world.code(world.products["FUSTA-9"], "additional", "SITE-33")
    assert world.number("select count(*) from cloudsales.code_key where product_id is null") == 1
    assert checked(world)["one_product_per_code"].passed


def test_what_the_retailers_own_file_changed_is_told_apart_and_not_called_proof(world: World) -> None:
    world.run("update cloudsales.product set name = 'by file', changed_at = now() where sku = 'BLUZA-7'")
    assert not checked(world)["matched_products_unchanged"].passed
    world.run(
        "insert into cloudsales.catalog_load"
        " (file_name, content_hash, rows_in, loaded, unchanged, quarantined, clashes, started_at)"
        " values ('catalog.csv', '', 4, 1, 3, 0, 0, now())"
    )
    result = checked(world)["matched_products_unchanged"]
    assert (result.passed, result.checked_rows, result.offending_rows) == (True, 3, 0)
    assert result.what_to_do.startswith("1 products were changed by the retailer's catalogue file")


def test_a_code_that_a_person_added_since_is_no_change_by_the_import(world: World) -> None:
    world.code(world.products["BLUZA-7"], "additional", "SITE-7", source="manual")
    world.run("update cloudsales.product_code set added_at = now() where code = 'SITE-7'")
    assert checked(world)["matched_products_unchanged"].passed


def test_a_link_that_a_person_made_needs_no_code(world: World) -> None:
    world.run("update cloudsales.link set matched_by = 'manual', code_key = null where matched_by = 'sku'")
    assert checked(world)["links_have_evidence"].passed


def test_a_plan_whose_rows_were_lost_is_checked_as_a_whole(world: World) -> None:
    world.run("delete from cloudsales.plan_row where outcome = 'created'")
    assert checked(world, world.plan_id)["one_product_per_code"].checked_rows == 9


def test_a_rule_that_cannot_run_is_not_green(world: World) -> None:
    world.run("drop table cloudsales.run_summary cascade")
    results = checked(world)
    assert (results["rows_add_up"].ran, results["rows_add_up"].passed) == (False, False)
    assert "UndefinedTable" in results["rows_add_up"].what_to_do
    assert all(result.passed for name, result in results.items() if name != "rows_add_up")
