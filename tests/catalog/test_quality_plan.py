"""The audit of a plan: each planted fault is caught by the rule that should, by name."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.quality import audit_plan
from cloudsales_pipeline.catalog.rules import PLAN_RULES, RuleResult
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.settings import QualitySettings
from tests.catalog.quality_world import CANARY, World, small_world

pytestmark = pytest.mark.timeout(240)  # the first to import Great Expectations waits for it
BOUNDS = QualitySettings()


@pytest.fixture
def world(engine: Engine) -> World:
    return small_world(engine)


def audited(world: World, bounds: QualitySettings = BOUNDS) -> dict[str, RuleResult]:
    return {result.rule: result for result in audit_plan(world.engine, world.plan_id, bounds).results}


def red(world: World, bounds: QualitySettings = BOUNDS) -> set[str]:
    return {name for name, result in audited(world, bounds).items() if not result.passed}


def test_a_right_plan_is_audited_with_every_rule_green_and_counted(world: World) -> None:
    report = audit_plan(world.engine, world.plan_id, BOUNDS)
    assert report.passed
    assert [result.rule for result in report.results] == [rule.name for rule in PLAN_RULES]
    checked = {result.rule: (result.ran, result.passed, result.checked_rows, result.offending_rows) for result in report.results}
    assert checked == {
        "plan_covers_pending": (True, True, 8, 0),
        "plan_counts_agree": (True, True, 7, 0),
        "plan_rows_consistent": (True, True, 8, 0),
        "plan_keys_read_again": (True, True, 8, 0),
        "plan_evidence_repeats": (True, True, 3, 0),
        "plan_creates_nothing_known": (True, True, 3, 0),
        "plan_creates_each_once": (True, True, 3, 0),
        "plan_shares_in_bounds": (True, True, 6, 0),
        "plan_gtins_valid": (True, True, 2, 0),
    }


def test_the_audit_marks_the_plan_and_keeps_results_and_fingerprints(world: World) -> None:
    audit_plan(world.engine, world.plan_id, BOUNDS)
    audit_plan(world.engine, world.plan_id, BOUNDS)  # again: the same marks (I-40)
    assert world.number("select count(*) from cloudsales.plan where state = 'audited' and audited_at is not null") == 1
    assert world.number("select count(*) from cloudsales.plan_product where plan_id = :plan_id") == 3
    stored = world.run("select audit from cloudsales.plan").scalar_one()
    assert isinstance(stored, dict)
    assert stored["plan_evidence_repeats"]["passed"] is True


def test_a_rejected_plan_is_audited_once_its_fault_is_gone(world: World) -> None:
    world.run("update cloudsales.plan set created = 9")
    assert red(world) == {"plan_counts_agree"}
    assert world.number("select count(*) from cloudsales.plan where state = 'rejected'") == 1
    world.count()
    assert red(world) == set()
    assert world.number("select count(*) from cloudsales.plan where state = 'audited'") == 1


def test_an_applied_plan_is_never_marked_again(world: World) -> None:
    world.run("update cloudsales.plan set state = 'applied'")
    with pytest.raises(RefusedError, match="applied already"):
        audit_plan(world.engine, world.plan_id, BOUNDS)
    with pytest.raises(InputError, match="no plan 99"):
        audit_plan(world.engine, 99, BOUNDS)


@pytest.mark.parametrize(
    ("fault", "rules"),
    [
        # its rows were lost, or it never saw the listing
        ("delete from cloudsales.plan_row where outcome = 'invalid'", {"plan_covers_pending", "plan_counts_agree"}),
        ("update cloudsales.listing set missing_since = now() where variant_id = 'bad ean'", {"plan_covers_pending"}),
        # decided twice
        (
            "insert into cloudsales.plan_row select * from cloudsales.plan_row where outcome = 'invalid'",
            {"plan_covers_pending", "plan_counts_agree"},
        ),
        # rows without what their outcome needs
        (
            "update cloudsales.plan_row set outcome = 'merged' where outcome = 'invalid'",
            {"plan_rows_consistent", "plan_counts_agree"},
        ),
        (
            "update cloudsales.plan_row set matched_by = null where matched_by = 'gtin'",
            {"plan_rows_consistent", "plan_evidence_repeats"},
        ),
        ("update cloudsales.plan_row set matched_by = 'sku' where outcome = 'created'", {"plan_rows_consistent"}),
        ("update cloudsales.plan_row set candidates = candidates[1:1] where outcome = 'conflict'", {"plan_rows_consistent"}),
        (
            "update cloudsales.plan_row set earlier_listing = listing_id where outcome = 'duplicate_in_listing'",
            {"plan_rows_consistent"},
        ),
        # a key that is not the code's (I-05: a placeholder must not match)
        ("update cloudsales.listing set code = 'N/A' where variant_id = 'by sku'", {"plan_keys_read_again"}),
        ("update cloudsales.listing set ean_state = 'valid' where variant_id = 'bad ean'", {"plan_keys_read_again"}),
        # links to another product than the codes', by another kind of code, or where two products have them (I-04)
        (
            "update cloudsales.plan_row set product_id = (select product_id from cloudsales.product where sku = 'FUSTA-9')"
            " where matched_by = 'sku'",
            {"plan_evidence_repeats"},
        ),
        ("update cloudsales.plan_row set matched_by = 'additional_code' where matched_by = 'sku'", {"plan_evidence_repeats"}),
        (
            "insert into cloudsales.product_code select product_id, 'additional', 'site-33', 'SITE-33', 'file', now()"
            " from cloudsales.product where sku = 'FUSTA-9'",
            {"plan_evidence_repeats"},
        ),
        # products that would stand twice (I-01)
        (
            "insert into cloudsales.product_code select product_id, 'gtin', '5901234123457', '5901234123457', 'file', now()"
            " from cloudsales.product where sku = 'FUSTA-9'",
            {"plan_creates_nothing_known"},
        ),
        (
            "with second as (update cloudsales.plan_row set outcome = 'created', matched_by = 'created', earlier_listing = null"
            " where outcome = 'duplicate_in_listing' returning plan_id)"
            " update cloudsales.plan set created = 3, duplicate = 0",
            {"plan_creates_each_once"},
        ),
        (
            "update cloudsales.listing set code = '', code_key = null, ean = '', ean_key = null, ean_state = 'empty'"
            " where variant_id = 'new'",
            {"plan_creates_each_once"},
        ),
        # a number that is no GTIN
        (
            "update cloudsales.listing set ean = '5901234123458', ean_key = '5901234123458', ean_state = 'bad'"
            " where variant_id = 'new'",
            {"plan_gtins_valid"},
        ),
        (
            "update cloudsales.listing set ean = '5901234123458', ean_key = '5901234123458' where variant_id = 'new'",
            {"plan_gtins_valid", "plan_keys_read_again"},
        ),
    ],
)
def test_each_planted_fault_is_caught_by_its_rule(world: World, fault: str, rules: set[str]) -> None:
    world.run(fault)
    results = audited(world)
    assert {name for name, result in results.items() if not result.passed} == rules
    for name in rules:
        assert results[name].ran
        assert results[name].offending_rows >= 1
        assert results[name].sample
        assert results[name].what_to_do
    assert world.number("select count(*) from cloudsales.plan where state = 'rejected'") == 1


def test_what_is_noted_after_the_plan_belongs_to_the_next_one(world: World) -> None:
    world.listing("later", "LATER-1")
    world.run("update cloudsales.listing_pending set revision = 2 where listing_id = :id", id=world.listings["later"])
    assert red(world) == set()


def test_a_clash_of_the_loaded_catalogue_is_a_conflict_without_two_candidates(world: World) -> None:
    world.run("update cloudsales.plan_row set candidates = null where outcome = 'conflict'")
    assert "plan_rows_consistent" in red(world)
    world.run("update cloudsales.code_key set product_id = null where key = 'rochie-1-m'")
    assert red(world) == set()


def test_an_existing_link_wins_over_codes_that_moved_on(world: World) -> None:
    world.run("delete from cloudsales.plan_row where outcome = 'created' and listing_id = :id", id=world.listings["new by ean"])
    world.run("update cloudsales.listing set missing_since = now() where listing_id = :id", id=world.listings["new by ean"])
    world.run("update cloudsales.listing set code = 'X-9', code_key = 'x-9' where listing_id = :id", id=world.listings["by sku"])
    assert "plan_evidence_repeats" in red(world)
    tie = "insert into cloudsales.link select :id, :channel, product_id, 'sku', sku, null, 'rochie-1-m', null, 1, 0, 1, now()"
    world.run(f"{tie} from cloudsales.product where sku = 'ROCHIE-1-M'", id=world.listings["by sku"])
    assert "plan_evidence_repeats" not in red(world)


def test_results_show_ids_and_codes_and_nothing_else(world: World) -> None:
    """I-46: a failing check says which rows, without personal data."""
    world.run("update cloudsales.listing set size = :c, colour = :c", c=CANARY)
    world.run("update cloudsales.plan_row set reason = :c", c=CANARY)
    world.run("update cloudsales.plan_row set product_id = 4, matched_by = 'manual' where outcome <> 'invalid'")
    results = audited(world)
    assert {"plan_rows_consistent", "plan_evidence_repeats"} <= {name for name, r in results.items() if not r.passed}
    assert "Ionescu" not in repr(results)
    assert "Ionescu" not in json.dumps(world.run("select audit from cloudsales.plan").scalar_one())


def test_a_rule_that_cannot_run_is_not_green_and_hides_no_other(world: World) -> None:
    world.run("update cloudsales.plan_row set matched_by = 'sku' where outcome = 'created'")
    world.run("alter table cloudsales.product_code rename to elsewhere")
    results = audited(world)
    not_run = {name for name, result in results.items() if not result.ran}
    assert not_run == {"plan_evidence_repeats", "plan_creates_nothing_known"}
    assert not any(results[name].passed for name in not_run)
    assert "UndefinedTable" in results["plan_evidence_repeats"].what_to_do
    assert not results["plan_rows_consistent"].passed
    assert results["plan_rows_consistent"].ran
    assert results["plan_gtins_valid"].passed


def test_a_sample_holds_twenty_rows_at_most_and_the_count_all(world: World) -> None:
    for number in range(30):
        world.listing(f"more {number}", f"MORE-{number}")
    covers = audited(world)["plan_covers_pending"]
    assert (covers.checked_rows, covers.offending_rows, len(covers.sample)) == (38, 30, 20)


def test_no_connection_stays_open_after_an_audit(world: World) -> None:
    audit_plan(world.engine, world.plan_id, BOUNDS)
    open_now = (
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'cloudsales-checks'"
    )
    assert world.number(open_now) == 0


def test_the_audit_prints_and_logs_nothing(
    world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        audit_plan(world.engine, world.plan_id, BOUNDS)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_the_rules_are_known_without_great_expectations_or_pandas() -> None:
    code = (
        "import sys; from cloudsales_pipeline.catalog.quality import audit_plan, check_catalogue;"
        "from cloudsales_pipeline.catalog.rules import CATALOGUE_RULES, PLAN_RULES;"
        "sys.exit(any(name in sys.modules for name in ('great_expectations', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
