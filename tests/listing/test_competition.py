"""Where pages move while they are read, and where products compete for a variant or listings for a code (I-02, F-13, F-41)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from cloudsales_pipeline.listing.imports import import_listing
from cloudsales_pipeline.settings import LimitSettings
from tests.listing import tables
from tests.listing.fake_channel import FakeChannel, product, variant

OPEN = LimitSettings(max_unreadable_share=1.0, hold_if_listing_shrinks_by=1.0)
OLD, NEW = "2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"


@pytest.mark.parametrize("newest_first", [True, False])
def test_of_two_versions_of_a_product_on_different_pages_the_later_one_wins(engine: Engine, newest_first: bool) -> None:
    versions = [product("P1", [variant("V1", stock=1)], updated_at=OLD), product("P1", [variant("V1", stock=2)], updated_at=NEW)]
    pages = [[versions[1]], [versions[0]]] if newest_first else [[versions[0]], [versions[1]]]
    result = import_listing(engine, FakeChannel(pages=pages), OPEN)
    assert (result.rows_in, result.products_read) == (1, 2)
    assert tables.variants(engine, "channel_stock") == [2]


def test_an_older_version_on_another_page_does_not_replace_the_stored_newer_one(engine: Engine) -> None:
    newer = product("P1", [variant("V1", stock=2)], updated_at=NEW)
    import_listing(engine, FakeChannel([newer]), OPEN)
    older = product("P1", [variant("V1", stock=1)], updated_at=OLD)
    result = import_listing(engine, FakeChannel(pages=[[older], [newer]]), OPEN, mode="full")
    assert (result.unchanged, tables.variants(engine, "channel_stock")) == (1, [2])


def test_a_channel_that_went_back_to_an_older_version_is_followed(engine: Engine) -> None:
    import_listing(engine, FakeChannel([product("P1", [variant("V1", stock=2)], updated_at=NEW)]), OPEN)
    import_listing(engine, FakeChannel([product("P1", [variant("V1", stock=1)], updated_at=OLD)]), OPEN, mode="full")
    assert tables.variants(engine, "channel_stock") == [1]


def test_a_product_that_one_page_shows_broken_and_another_whole_is_whole(engine: Engine) -> None:
    result = import_listing(engine, FakeChannel(pages=[[product("P1", [])], [product("P1")]]), OPEN)
    assert (result.rows_in, result.loaded, result.quarantined) == (1, 1, 0)


def test_a_variant_under_two_products_stays_with_the_first_in_the_channels_order(engine: Engine) -> None:
    result = import_listing(
        engine, FakeChannel([product("P2", [variant("V", stock=2)]), product("P1", [variant("V", stock=1)])]), OPEN
    )
    assert (result.rows_in, result.loaded, result.quarantined) == (2, 1, 1)
    assert tables.variants(engine, "product_external_id") == ["P1"]
    assert tables.rows(
        engine, "select reference, reason, detail ->> 'product', detail ->> 'kept' from cloudsales.quarantine"
    ) == [("V", "duplicate_variant", "P2", "P1")]


def test_a_stored_product_keeps_its_variant_against_a_later_one_and_yields_it_to_an_earlier_one(engine: Engine) -> None:
    import_listing(engine, FakeChannel([product("P5", [variant("V")])]), OPEN)
    two = [product("P5", [variant("V")]), product("P7", [variant("V", stock=7)])]
    later = import_listing(engine, FakeChannel(two), OPEN, mode="full")
    assert (later.unchanged, later.quarantined, tables.variants(engine, "product_external_id")) == (1, 1, ["P5"])
    earlier = import_listing(engine, FakeChannel([product("P3", [variant("V", stock=3)]), *two]), OPEN, mode="full")
    assert (earlier.loaded, earlier.quarantined, tables.variants(engine, "product_external_id")) == (1, 2, ["P3"])


def test_a_variant_that_its_keeper_lets_go_passes_to_the_product_that_waited(engine: Engine) -> None:
    both = [product("P1", [variant("V"), variant("W")]), product("P2", [variant("V", stock=2)])]
    import_listing(engine, FakeChannel(both), OPEN)
    result = import_listing(engine, FakeChannel([product("P1", [variant("W")]), both[1]]), OPEN, mode="full")
    assert (result.quarantined, result.missing) == (0, 0)
    assert tables.variants(engine, "product_external_id") == ["P2", "P1"]
    assert tables.quarantined(engine) == []
    before = tables.footprints(engine)
    import_listing(engine, FakeChannel([product("P1", [variant("W")]), both[1]]), OPEN, mode="full")
    assert tables.footprints(engine) == before


def test_a_contest_that_stays_as_it_is_writes_nothing(engine: Engine) -> None:
    both = FakeChannel([product("P1", [variant("V")]), product("P2", [variant("V", stock=2)])])
    import_listing(engine, both, OPEN)
    before = tables.footprints(engine)
    assert import_listing(engine, both, OPEN, mode="full").quarantined == 1
    assert tables.footprints(engine) == before


def decided(engine: Engine, *linked: str) -> None:
    """As after an apply: nothing is pending; these variants have a link."""
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from cloudsales.listing_pending")
        for number, variant_id in enumerate(linked):
            connection.exec_driver_sql(
                "with p as (insert into cloudsales.product (sku, name, created_at, changed_at)"
                " values (%(sku)s, 'x', now(), now()) returning product_id)"
                " insert into cloudsales.link (listing_id, channel, product_id, matched_by, code_hits, ean_hits, rules_version,"
                " linked_at) select listing_id, channel, product_id, 'sku', 1, 0, 1, now()"
                " from p, cloudsales.listing where variant_id = %(variant)s",
                {"sku": f"SKU-{number}", "variant": variant_id},
            )


def pending(engine: Engine) -> list[str]:
    return [row[0] for row in tables.rows(engine, tables.CONTENT["pending"])]


def shared_keys(engine: Engine) -> list[str]:
    return [row[0] for row in tables.rows(engine, tables.CONTENT["shared"])]


def codes(**by_variant: str) -> FakeChannel:
    """A listing of one product per variant with these codes."""
    return FakeChannel([product(f"P-{name}", [variant(name, code=code)]) for name, code in by_variant.items()])


def test_a_new_listing_asks_for_a_decision_and_so_do_unlinked_ones_with_the_same_code(engine: Engine) -> None:
    import_listing(engine, codes(A="one", B="two", C="three"), OPEN)
    assert pending(engine) == ["A", "B", "C"]
    decided(engine, "B")
    import_listing(engine, codes(A="one", B="two", C="three", D="ONE", E="Two"), OPEN, mode="full")
    assert (shared_keys(engine), pending(engine)) == (["one", "two"], ["A", "D", "E"])


def test_a_code_that_becomes_free_asks_again_for_whoever_still_has_it(engine: Engine) -> None:
    import_listing(engine, codes(A="one", B="one", C="three"), OPEN)
    decided(engine, "A")
    import_listing(engine, codes(A="other", B="one", C="three"), OPEN, mode="full")
    assert (shared_keys(engine), pending(engine)) == ([], ["A", "B"])


def test_a_vanished_listing_gives_its_code_free_too(engine: Engine) -> None:
    import_listing(engine, codes(A="one", B="one", C="three"), OPEN)
    decided(engine, "A")
    revision = tables.scalar(engine, "select last_value from cloudsales.revision")
    import_listing(engine, codes(B="one", C="three"), OPEN, mode="full")
    assert (shared_keys(engine), pending(engine)) == ([], ["B"])
    assert tables.scalar(engine, "select last_value from cloudsales.revision") == revision + 1


def test_another_order_in_the_listing_decides_again_between_rows_that_share_a_code(engine: Engine) -> None:
    import_listing(engine, FakeChannel([product("P", [variant("A", code="one"), variant("B", code="one"), variant("C")])]), OPEN)
    decided(engine)
    swapped = FakeChannel([product("P", [variant("B", code="one"), variant("A", code="one"), variant("C")])])
    import_listing(engine, swapped, OPEN, mode="full")
    assert pending(engine) == ["A", "B"]


def test_a_listing_without_any_code_is_pending_too(engine: Engine) -> None:
    import_listing(engine, FakeChannel([product("P", [variant("A", code="N/A", ean="0")])]), OPEN)
    assert (pending(engine), tables.content(engine, "key")) == (["A"], {"key": []})


# One database for all the examples of a test, emptied between them; a failing one is shown as it was found, since making it
# smaller takes minutes.
MANY = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
VARIANTS = st.builds(
    variant,
    st.sampled_from(["V1", "V2", "V3", "V4"]),
    code=st.sampled_from([None, "A", "a", "B"]),
    ean=st.sampled_from([None, "5941234567899", "A"]),
    stock=st.integers(0, 2),
)
PRODUCTS = st.builds(
    product,
    st.sampled_from(["P1", "P2", "P3", "p2"]),
    st.lists(VARIANTS, max_size=3),
    name=st.sampled_from(["Rochie", "Fustă"]),
    updated_at=st.sampled_from([OLD, NEW]),
)
LISTINGS = st.lists(PRODUCTS, min_size=1, max_size=6)


def cut(data: st.DataObject, shown: list[dict[str, Any]]) -> FakeChannel:
    """A listing in any order, some of it shown again, on pages of any size."""
    again = data.draw(st.lists(st.sampled_from(shown), max_size=3))
    order = data.draw(st.permutations([*shown, *again]))
    size = data.draw(st.integers(1, 4))
    return FakeChannel(pages=[order[n : n + size] for n in range(0, len(order), size)])


@pytest.mark.timeout(180)
@MANY
@given(shown=LISTINGS, data=st.data())
def test_any_order_any_pages_and_any_repeats_give_the_same_listing(
    engine: Engine, shown: list[dict[str, Any]], data: st.DataObject
) -> None:
    """I-02"""
    outcomes = []
    for _ in range(2):
        tables.forget_everything(engine)
        import_listing(engine, cut(data, shown), OPEN)
        numbers = tables.rows(engine, "select listing_id, variant_id from cloudsales.listing order by 1")
        outcomes.append(json.dumps([tables.content(engine), numbers], default=str))
    assert outcomes[0] == outcomes[1]


@pytest.mark.timeout(180)
@MANY
@given(first=LISTINGS, then=LISTINGS, data=st.data())
def test_what_was_imported_before_leaves_no_trace_in_what_the_listing_shows(
    engine: Engine, first: list[dict[str, Any]], then: list[dict[str, Any]], data: st.DataObject
) -> None:
    """I-02, I-40: the second listing over the first shows what the second alone shows, and again changes nothing.

    Only readable products: what can't be read keeps its old row by design.
    """
    readable = [body for body in then if body["variants"]] or [product("P9")]
    tables.forget_everything(engine)
    import_listing(engine, cut(data, readable), OPEN)
    alone = tables.present(engine)
    tables.forget_everything(engine)
    import_listing(engine, cut(data, first), OPEN)
    over = cut(data, readable)
    import_listing(engine, over, OPEN, mode="full")
    assert tables.present(engine) == alone
    before = tables.footprints(engine)
    result = import_listing(engine, over, OPEN, mode="full")
    assert (result.loaded, result.missing) == (0, 0)
    assert tables.footprints(engine) == before
