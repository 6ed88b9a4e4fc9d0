"""The shares' guard: a feed whose codes broke makes no thousands of duplicates, and a new season is let through."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.quality import audit_plan
from cloudsales_pipeline.catalog.rules import RuleResult
from cloudsales_pipeline.settings import QualitySettings
from tests.catalog.quality_world import World

pytestmark = pytest.mark.timeout(240)  # the first to import Great Expectations waits for it
BOUNDS = QualitySettings(margin=0.1, min_rows=50)


@pytest.fixture
def world(engine: Engine) -> World:
    """A channel whose first import of 1000 listings linked 600 and made 400 products; all tables as the apply left them."""
    w = World(engine)
    w.run(
        "insert into cloudsales.product (sku, name, created_at, changed_at)"
        " select 'SKU-' || n, 'x', now(), now() from generate_series(1, 600) n"
    )
    w.run("insert into cloudsales.product_code select product_id, 'sku', lower(sku), sku, 'file', now() from cloudsales.product")
    w.run("insert into cloudsales.code_key select key, product_id, 1 from cloudsales.product_code")
    w.plan()
    show(w, 1, 1000, "'SKU-' || n")
    decide(w, "linked", 1, 600)
    decide(w, "created", 601, 1000)
    return w


def show(w: World, first: int, last: int, code: str, style: str = "'style-' || n") -> None:
    """Listings `v-first` … `v-last` in size M, the code and the style as SQL over n, awaiting a decision."""
    w.run(
        "with l as (insert into cloudsales.listing (channel, variant_id, product_external_id, position, code, code_key,"
        " ean_state, size, row_hash, first_seen_at, changed_at)"
        f" select :channel, 'v-' || n, {style}, 0, {code}, lower({code}), 'empty', 'M', '', now(), now()"
        " from generate_series(cast(:first as int), cast(:last as int)) n returning *)"
        " insert into cloudsales.listing_pending select listing_id, channel, 1, code_key, ean_key, ean_state from l",
        first=first,
        last=last,
    )


def decide(w: World, outcome: str, first: int, last: int) -> None:
    """The plan's rows for listings `v-first` … `v-last`: linked by SKU, or whatever the outcome is."""
    w.run(
        "insert into cloudsales.plan_row (plan_id, listing_id, outcome, matched_by, product_id, candidates, code_hits, ean_hits)"
        " select :plan_id, l.listing_id, :outcome, case :outcome when 'linked' then coalesce(k.matched_by, 'sku') when 'created' then 'created' end,"
        " case when :outcome = 'linked' then coalesce(k.product_id, p.product_id) end,"
        " case when :outcome = 'conflict' then array[1, 2] end, 0, 0"
        " from generate_series(cast(:first as int), cast(:last as int)) n join cloudsales.listing l on l.variant_id = 'v-' || n"
        " left join cloudsales.product p on lower(p.sku) = l.code_key left join cloudsales.link k using (listing_id)",
        outcome=outcome,
        first=first,
        last=last,
    )
    w.count()


def shares(w: World, bounds: QualitySettings = BOUNDS) -> tuple[RuleResult, dict[str, dict[str, object]]]:
    """The rule's result, and its figures by name."""
    report = audit_plan(w.engine, w.plan_id, bounds)
    result = next(r for r in report.results if r.rule == "plan_shares_in_bounds")
    return result, {str(row["name"]): row for row in result.sample}


def out_of_bounds(w: World) -> set[str]:
    return {name for name, row in shares(w)[1].items() if row["fault"]}


def test_a_first_import_is_bound_by_its_own_setting_alone(world: World) -> None:
    result, figures = shares(world)
    assert result.passed
    assert (figures["created"]["share"], figures["created"]["bound"], figures["created"]["imports"]) == (0.4, 1.0, 0)
    assert figures["conflict"]["note"] == "nothing to compare with yet"
    result, figures = shares(world, BOUNDS.model_copy(update={"max_created_share_first": 0.3}))
    assert (result.passed, result.offending_rows, figures["created"]["fault"]) == (False, 1, True)
    assert "codes in the channel's feed" in result.what_to_do


def test_new_variants_with_broken_codes_are_not_made_again(world: World) -> None:
    """A feed that was keyed anew, with garbage for codes: 300 of 1300 listings would become products."""
    world.apply()
    world.plan()
    show(world, 1001, 1300, "'garbage ' || n")
    decide(world, "created", 1001, 1300)
    result, figures = shares(world)
    assert not result.passed
    created = figures["created"]
    assert (created["share"], created["bound"], created["median"], created["growth"]) == (1.0, 0.5, 0.4, 0.2308)
    assert out_of_bounds(world) == {"created"}


def test_a_new_season_of_one_in_twenty_goes_through(world: World) -> None:
    world.apply()
    world.plan()
    show(world, 1001, 1060, "'season-' || n")
    decide(world, "created", 1001, 1060)
    result, figures = shares(world)
    assert result.passed
    assert (figures["created"]["share"], figures["created"]["growth"]) == (1.0, 0.0566)


def test_old_goods_under_new_ids_and_codes_are_seen_however_few(world: World) -> None:
    """60 of 1060 would hide in the listing's size; but their styles have that size and colour already."""
    world.apply()
    world.plan()
    show(world, 1001, 1060, "'garbage-' || n", style="'style-' || (n - 1000)")
    decide(world, "created", 1001, 1060)
    assert out_of_bounds(world) == {"created again"}


def test_links_hold_when_codes_turn_to_garbage_but_the_feed_is_stopped(world: World) -> None:
    world.apply()
    world.plan()
    world.run("update cloudsales.listing set code_key = 'garbage-' || listing_id where listing_id <= 300")
    world.pend_between(1, 300)
    decide(world, "linked", 1, 300)
    result, figures = shares(world)
    assert out_of_bounds(world) == {"drifted"}
    assert (figures["drifted"]["share"], figures["drifted"]["bound"], result.checked_rows) == (0.3, 0.1, 6)


@pytest.mark.parametrize("outcome", ["conflict", "invalid", "duplicate_in_listing"])
def test_a_share_far_above_its_history_stops_the_plan(world: World, outcome: str) -> None:
    world.apply()
    world.plan()
    show(world, 1001, 1200, "'c-' || n")
    decide(world, outcome, 1001, 1200)
    assert out_of_bounds(world) == {outcome}


def test_what_was_in_conflict_before_is_no_growth(world: World) -> None:
    world.apply()
    world.plan()
    show(world, 1001, 1200, "'c-' || n")
    decide(world, "conflict", 1001, 1200)
    world.apply()
    world.run("delete from cloudsales.plan_row where plan_id = 1")
    world.plan()
    world.pend_between(1001, 1200)
    decide(world, "conflict", 1001, 1200)
    result, figures = shares(world)
    assert result.passed
    assert (figures["conflict"]["growth"], figures["conflict"]["imports"]) == (0.0, 2)


def test_a_plan_too_small_for_shares_passes_and_says_so(world: World) -> None:
    world.apply()
    world.plan()
    show(world, 1001, 1049, "'c-' || n")
    decide(world, "conflict", 1001, 1049)
    result, figures = shares(world)
    assert result.passed
    assert {row["note"] for row in figures.values()} == {"too few rows to judge"}
