"""From what a channel shows to a catalogue without duplicates: plan, then exactly that."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.catalog.additional_codes import add_code
from cloudsales_pipeline.catalog.apply import apply_plan
from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.catalog.plan import make_plan
from cloudsales_pipeline.database.migrate import register_channels
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.settings import CatalogSettings, ChannelSettings, Settings
from tests.catalog.shop import CHANNEL, CREATE, audited_plan, decide, outcomes, query, scalar, show, write_catalogue
from tests.killing import killed_at_each_step

CATALOGUE = [
    ("R-1", "5941234567899", "", "Rochie din in"),
    ("R-2", "", "site-22|SITE-23", "Fustă plisată"),
    ("R-3", "5901234123457", "", "Cămașă"),
]


@pytest.fixture
def catalogue(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "catalog.csv", CATALOGUE))


def state(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """All that an apply decides, in business terms, ids and times left out."""
    return {
        "products": [
            tuple(r)
            for r in query(
                engine, "select sku, name, brand, style, size, colour, origin_channel from analytics.product order by sku"
            )
        ],
        "codes": [
            tuple(r) for r in query(engine, "select sku, kind, normalised, clashes from analytics.product_code order by 1, 2, 3")
        ],
        "links": [tuple(r) for r in query(engine, "select variant_id, sku, matched_by from analytics.link order by 1")],
        "outcomes": [
            tuple(r)
            for r in query(
                engine,
                "select variant_id, outcome, reason, sku, candidates, evidence ->> 'earlier_variant' from analytics.match_outcome order by 1",
            )
        ],
        "quarantine": [
            tuple(r)
            for r in query(
                engine, "select reference, reason, detail::text, resolved_at is null from analytics.quarantine order by 1, 2"
            )
        ],
        "pending": [tuple(r) for r in query(engine, "select count(*) from cloudsales.listing_pending")],
    }


@pytest.mark.usefixtures("catalogue")
def test_a_code_is_looked_for_among_skus_eans_and_additional_codes_and_else_a_product_is_made(engine: Engine) -> None:
    show(engine, [("v1", "r-1", None), ("v2", "X-9", "5901234123457"), ("v3", "SITE-22", None), ("v4", "NOU-1", "4006381333931")])
    result = decide(engine)
    assert outcomes(engine) == {"v1": "linked:R-1", "v2": "linked:R-3", "v3": "linked:R-2", "v4": "created:NOU-1"}
    links = {r.variant_id: r.matched_by for r in query(engine, "select variant_id, matched_by from analytics.link")}
    assert links == {"v1": "sku", "v2": "gtin", "v3": "additional_code", "v4": "created"}
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined, result.products_created) == (4, 4, 0, 0, 1)


@pytest.mark.usefixtures("catalogue")
def test_a_product_that_is_made_gets_all_its_details(engine: Engine) -> None:
    show(engine, [("v4", "NOU-1", "4006381333931")], name="Rochie lungă")
    decide(engine)
    (product,) = query(engine, "select * from analytics.product where sku = 'NOU-1'")
    assert (product.name, product.brand, product.style, product.size, product.colour) == (
        "Rochie lungă",
        "Mara",
        "P4",
        "M",
        "roșu",
    )
    assert (product.description, product.origin_channel, str(product.price)) == ("<p>Vaporoasă</p>", CHANNEL, "129.90")
    assert product.images == [{"url": "http://127.0.0.1/1.jpg", "position": 1}]
    assert product.characteristics == [["Material", "In"]]
    codes = [tuple(r) for r in query(engine, "select kind, code from analytics.product_code where sku = 'NOU-1' order by kind")]
    assert codes == [("gtin", "4006381333931"), ("sku", "NOU-1")]


@pytest.mark.usefixtures("catalogue")
def test_without_a_code_the_gtin_is_the_sku(engine: Engine) -> None:
    show(engine, [("v1", "N/A", "036000291452"), ("v2", '="AB-7"', None), ("v3", "5.94E+12", "4006381333931")])
    decide(engine)
    assert outcomes(engine) == {"v1": "created:0036000291452", "v2": "created:AB-7", "v3": "created:4006381333931"}


@pytest.mark.usefixtures("catalogue")
def test_i03_a_matched_products_details_are_untouched_and_the_difference_is_reported(engine: Engine) -> None:
    before = query(engine, "select * from cloudsales.product order by product_id")
    show(engine, [("v1", "R-1", None)], name="Alt nume")
    decide(engine)
    assert query(engine, "select * from cloudsales.product order by product_id") == before
    drift = {r.field: (r.on_channel, r.in_catalogue) for r in query(engine, "select * from analytics.detail_drift")}
    assert drift["name"] == ("Alt nume", "Rochie din in")


@pytest.mark.usefixtures("catalogue")
def test_i04_codes_of_two_products_go_to_quarantine_with_both_named_and_nothing_is_made(engine: Engine) -> None:
    show(engine, [("v1", "R-1", "5901234123457")])
    result = decide(engine)
    assert result.quarantined == 1
    (held,) = query(engine, "select reason, detail from analytics.quarantine where stage = 'match'")
    assert held.reason == "codes_disagree"
    assert held.detail["candidates"] == ["R-1", "R-3"]
    assert scalar(engine, "select count(*) from analytics.product") == 3


def test_i01_a_clash_that_the_catalogue_brings_along_is_kept_apart_and_links_nothing(engine: Engine, tmp_path: Path) -> None:
    result = load_catalog(
        engine, write_catalogue(tmp_path / "c.csv", [("A", "", "X-1", "a"), ("B", "", "x1|x-1", "b"), ("C", "", "", "c")])
    )
    assert result.clashes == 1
    show(engine, [("v1", "X-1", None), ("v2", "C", None)])
    decide(engine)
    assert outcomes(engine) == {"v1": "conflict:code_known_twice", "v2": "linked:C"}
    (clash,) = query(engine, "select detail from analytics.quarantine where reason = 'code_on_several_products'")
    assert clash.detail["products"] == ["A", "B"]


@pytest.mark.usefixtures("catalogue")
def test_i05_placeholders_never_match(engine: Engine, tmp_path: Path) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "p.csv", [("Z-1", "0000000000000", "N/A|-", "z")]))
    show(engine, [("v1", "N/A", "0000000000000"), ("v2", "", "0"), ("v3", "-", None)])
    decide(engine)
    assert set(outcomes(engine).values()) == {"invalid:no_code"}


@pytest.mark.usefixtures("catalogue")
def test_i40_a_second_import_of_the_same_changes_nothing(engine: Engine) -> None:
    show(engine, [("v1", "R-1", None), ("v4", "NOU-1", None), ("v5", "R-1", "5901234123457")])
    decide(engine)
    before = state(engine)
    plan = make_plan(engine, CHANNEL, CREATE)
    assert plan.rows == 0
    decide(engine)
    assert state(engine) == before


@pytest.mark.usefixtures("catalogue")
def test_deciding_everything_again_keeps_every_link(engine: Engine) -> None:
    rows = [("v1", "R-1", None), ("v4", "NOU-1", None), ("v6", "NOU-2", "4006381333931")]
    show(engine, rows)
    decide(engine)
    links = state(engine)["links"]
    show(engine, rows)
    result = decide(engine)
    assert (result.rows_in, result.unchanged, result.products_created) == (3, 3, 0)
    assert state(engine)["links"] == links


@pytest.mark.usefixtures("catalogue")
def test_applying_a_plan_twice_is_no_harm(engine: Engine) -> None:
    show(engine, [("v1", "R-1", None), ("v4", "NOU-1", None)])
    plan_id = audited_plan(engine)
    first = apply_plan(engine, plan_id)
    before = state(engine)
    again = apply_plan(engine, plan_id)
    assert again.applied_before
    assert (again.rows_in, again.products_created) == (first.rows_in, first.products_created)
    assert state(engine) == before


def test_a_plan_without_an_audit_is_refused(engine: Engine) -> None:
    show(engine, [("v1", "R-1", None)])
    plan = make_plan(engine, CHANNEL, CREATE)
    with pytest.raises(RefusedError, match="not been audited"):
        apply_plan(engine, plan.plan_id)
    assert scalar(engine, "select count(*) from analytics.product") == 0


@pytest.mark.usefixtures("catalogue")
def test_a_plan_is_refused_when_one_of_its_codes_has_got_an_owner_since(engine: Engine) -> None:
    show(engine, [("v1", "SITE-77", None)])
    plan_id = audited_plan(engine)
    add_code(engine, "R-2", "site-77")
    with pytest.raises(RefusedError, match="1 of its 1 rows"):
        apply_plan(engine, plan_id)
    assert scalar(engine, "select count(*) from analytics.product") == 3
    decide(engine)
    assert outcomes(engine) == {"v1": "linked:R-2"}


@pytest.mark.usefixtures("catalogue")
def test_a_plan_is_not_outdated_by_what_does_not_touch_it(engine: Engine) -> None:
    show(engine, [("v1", "R-1", None)])
    plan_id = audited_plan(engine)
    add_code(engine, "R-2", "OTHER-CODE")
    assert apply_plan(engine, plan_id).links_made == 1


@pytest.mark.usefixtures("catalogue")
def test_a_plan_is_refused_when_the_listing_has_moved(engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None)])
    plan_id = audited_plan(engine)
    show(engine, [("v1", "NOU-2", None)])
    with pytest.raises(RefusedError, match="outdated"):
        apply_plan(engine, plan_id)


@pytest.mark.usefixtures("catalogue")
def test_a_plan_whose_rows_were_lost_is_refused(engine: Engine) -> None:
    show(engine, [("v1", "NOU-1", None)])
    plan_id = audited_plan(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("delete from cloudsales.plan_row"))
    with pytest.raises(RefusedError, match="lost its rows"):
        apply_plan(engine, plan_id)


@pytest.mark.usefixtures("catalogue")
def test_of_rows_with_one_code_the_first_in_the_channels_own_order_counts(engine: Engine) -> None:
    show(
        engine,
        [("v10", "NOU-1", None), ("v9", "nou-1", None), ("v11", "ALT", "4006381333931"), ("v12", "NOU-1", "4006381333931")],
    )
    decide(engine)
    assert outcomes(engine) == {
        "v9": "created:nou-1",
        "v10": "duplicate_in_listing:shares_code_with_earlier",
        "v11": "created:ALT",
        "v12": "duplicate_in_listing:shares_code_with_earlier",
    }
    earlier = {
        r.variant_id: r.earlier
        for r in query(engine, "select variant_id, evidence ->> 'earlier_variant' as earlier from analytics.match_outcome")
    }
    assert earlier["v10"] == "v9"


@pytest.mark.usefixtures("catalogue")
def test_a_newcomer_with_the_code_of_a_linked_row_is_the_duplicate_even_if_it_stands_earlier(engine: Engine) -> None:
    show(engine, [("v5", "NOU-1", None)])
    decide(engine)
    show(engine, [("v2", "NOU-1", None)])
    decide(engine)
    assert outcomes(engine) == {"v5": "created:NOU-1", "v2": "duplicate_in_listing:shares_code_with_earlier"}


@pytest.mark.usefixtures("catalogue")
def test_an_existing_link_wins_over_a_changed_code_and_the_drift_is_recorded(engine: Engine) -> None:
    show(engine, [("v1", "R-1", None)])
    decide(engine)
    show(engine, [("v1", "R-3", None)])
    decide(engine)
    (row,) = query(engine, "select sku, reason, candidates from analytics.match_outcome")
    assert (row.sku, row.reason, row.candidates) == ("R-1", "code_drift", ["R-3"])


@pytest.mark.usefixtures("catalogue")
def test_an_additional_code_takes_a_held_listing_out_of_quarantine(engine: Engine) -> None:
    show(engine, [("v1", "ALTFEL-1", "5941234567890")])
    decide(engine)
    assert outcomes(engine) == {"v1": "invalid:bad_ean"}
    added = add_code(engine, "R-3", "ALTFEL-1")
    assert (added.loaded, added.decided_again) == (1, 1)
    decide(engine)
    assert outcomes(engine) == {"v1": "linked:R-3"}
    assert scalar(engine, "select resolution from analytics.quarantine where stage = 'match'") == "resolved"


@pytest.mark.usefixtures("catalogue")
def test_with_on_no_match_hold_nothing_is_made_without_a_person(engine: Engine) -> None:
    show(engine, [("v1", "R-1", None), ("v2", "NOU-1", None)])
    decide(engine, policy=CatalogSettings(on_no_match="hold"))
    assert outcomes(engine) == {"v1": "linked:R-1", "v2": "suggested:held_by_setting"}
    assert scalar(engine, "select state from analytics.suggestion") == "open"
    assert scalar(engine, "select count(*) from analytics.product") == 3


@pytest.mark.usefixtures("catalogue")
def test_two_channels_that_show_one_unknown_code_make_one_product(engine: Engine, settings: Settings) -> None:
    two = settings.model_copy(update={"channels": {**settings.channels, "site": ChannelSettings(kind="fashionup")}})
    with engine.begin() as connection:
        register_channels(connection, two)
    show(engine, [("v1", "NOU-1", None)])
    show(engine, [("w1", "nou-1", None)], "site")
    ours, theirs = audited_plan(engine), audited_plan(engine, "site")
    failures: list[RefusedError] = []

    def apply(plan_id: int) -> None:
        try:
            apply_plan(engine, plan_id)
        except RefusedError as error:
            failures.append(error)

    threads = [threading.Thread(target=apply, args=(plan_id,)) for plan_id in (ours, theirs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 1
    decide(engine)
    decide(engine, "site")
    assert scalar(engine, "select count(*) from analytics.product where lower(sku) = 'nou-1'") == 1
    assert scalar(engine, "select count(distinct sku) from analytics.link") == 1


ROWS = [
    ("v1", "R-1", None),
    ("v2", "NOU-1", "4006381333931"),
    ("v3", "NOU-1", None),
    ("v4", "X", "4006381333931"),
    ("v5", "R-1", "5901234123457"),
    ("v6", None, "5941234567890"),
    ("v7", "SITE-23", "5901234123457"),
    ("v10", "R-1", None),
]


EMPTIED = [
    "link",
    "match_outcome",
    "suggestion",
    "quarantine",
    "plan",
    "listing",
    "listing_product",
    "listing_key",
    "product_code",
    "code_key",
    "product",
]


@pytest.mark.timeout(120)
@given(order=st.permutations(ROWS))
@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_i02_any_order_of_arrival_gives_the_same_products_and_links(
    engine: Engine, tmp_path: Path, order: list[tuple[str, str, str]]
) -> None:
    def run(rows: list[tuple[str, str, str]]) -> dict[str, list[tuple[object, ...]]]:
        with engine.begin() as connection:
            for table in EMPTIED:  # a TRUNCATE would reach the ledger, which refuses it
                connection.exec_driver_sql(f"delete from cloudsales.{table}")
        load_catalog(engine, write_catalogue(tmp_path / "catalog.csv", CATALOGUE))
        show(engine, rows)
        decide(engine)
        return state(engine)

    assert run(order) == run(ROWS)  # type: ignore[arg-type]


@pytest.mark.timeout(120)
def test_i41_killed_at_any_step_an_apply_leaves_nothing_half_done_and_the_next_one_finishes(
    engine: Engine, database_url: URL, tmp_path: Path
) -> None:
    load_catalog(engine, write_catalogue(tmp_path / "catalog.csv", CATALOGUE))
    show(engine, ROWS)
    before = state(engine)
    plan_id = audited_plan(engine)
    kills = 0
    for _ in killed_at_each_step(database_url, lambda own: apply_plan(own, plan_id)):
        kills += 1
        applied = scalar(engine, "select state from cloudsales.plan where plan_id = :p", p=plan_id)
        assert applied == ("applied" if state(engine) != before else "audited")
    assert kills > 12
    after = state(engine)
    assert after["links"] == [("v1", "R-1", "sku"), ("v2", "NOU-1", "created")]
    assert after["pending"] == [(0,)]


@pytest.mark.usefixtures("catalogue")
def test_a_linked_listing_is_looked_at_again_when_its_code_moves_to_another_product_and_the_link_stays(
    engine: Engine, tmp_path: Path
) -> None:
    show(engine, [("v1", "SITE-22", None)])
    decide(engine)
    moved = [("R-1", "5941234567899", "site-22", "Rochie din in"), ("R-2", "", "SITE-23", "Fustă plisată")]
    assert load_catalog(engine, write_catalogue(tmp_path / "catalog.csv", moved)).decided_again == 1
    decide(engine)
    (row,) = query(engine, "select sku, reason, candidates from analytics.match_outcome")
    assert (row.sku, row.reason, row.candidates) == ("R-2", "code_drift", ["R-1"])


@pytest.mark.usefixtures("catalogue")
def test_an_empty_plan_is_outdated_by_the_first_listing(engine: Engine) -> None:
    plan_id = audited_plan(engine)
    show(engine, [("v1", "R-1", None)])
    with pytest.raises(RefusedError, match="1 listings"):
        apply_plan(engine, plan_id)
