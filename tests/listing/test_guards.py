"""What stops an import before it touches the listing (I-43), and what does not."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.database.locks import listing_import_lock
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.listing.imports import import_listing
from cloudsales_pipeline.settings import LimitSettings
from tests.listing import tables
from tests.listing.fake_channel import FakeChannel, product, variant

LIMITS = LimitSettings()


def ten() -> list[dict[str, object]]:
    return [product(f"P{n}") for n in range(10)]


def refused(engine: Engine, channel: FakeChannel, limits: LimitSettings = LIMITS) -> str:
    """The refusal of an import, having checked that nothing but its own row has changed."""
    before = tables.footprints(engine)
    seen_at = tables.scalar(engine, "select listing_seen_at from cloudsales.channel")
    with pytest.raises(RefusedError) as caught:
        import_listing(engine, channel, limits, mode="full")
    assert tables.footprints(engine) == before
    assert tables.scalar(engine, "select listing_seen_at from cloudsales.channel") == seen_at
    assert tables.rows(engine, "select state, refusal from cloudsales.listing_import order by import_id desc limit 1") == [
        ("refused", caught.value.message)
    ]
    assert tables.scalar(engine, "select count(*) from cloudsales.stage_product") == 0
    assert caught.value.next_step
    return caught.value.message


def test_an_empty_listing_is_refused_while_variants_are_known(engine: Engine) -> None:
    """F-42"""
    import_listing(engine, FakeChannel(ten()), LIMITS)
    assert "came back empty; 10 variants are known" in refused(engine, FakeChannel())


def test_a_new_shop_without_a_single_product_is_taken_as_it_is(engine: Engine) -> None:
    result = import_listing(engine, FakeChannel(), LIMITS)
    assert (result.rows_in, result.pages) == (0, 1)
    assert tables.scalar(engine, "select state from cloudsales.listing_import") == "stored"


def test_losing_four_of_ten_variants_is_refused_and_three_are_not(engine: Engine) -> None:
    import_listing(engine, FakeChannel(ten()), LIMITS)
    assert "4 of 10 variants are gone" in refused(engine, FakeChannel(ten()[:6]))
    assert import_listing(engine, FakeChannel(ten()[:7]), LIMITS, mode="full").missing == 3


def test_products_that_stay_but_lose_their_variants_count_as_shrinking(engine: Engine) -> None:
    many = [variant(f"V{n}") for n in range(10)]
    import_listing(engine, FakeChannel([product("P1", many), product("P2")]), LIMITS)
    assert "5 of 11 variants are gone" in refused(engine, FakeChannel([product("P1", many[:5]), product("P2")]))


def test_a_person_may_say_that_the_listing_really_shrank(engine: Engine) -> None:
    import_listing(engine, FakeChannel(ten()), LIMITS)
    assert import_listing(engine, FakeChannel(ten()[:2]), LIMITS, mode="full", allow_shrink=True).missing == 8
    assert import_listing(engine, FakeChannel(), LIMITS, mode="full", allow_shrink=True).missing == 2
    assert tables.variants(engine) == []


def test_three_unreadable_products_of_ten_stop_the_import_and_two_are_put_aside(engine: Engine) -> None:
    import_listing(engine, FakeChannel(ten()), LIMITS)
    broken = [*ten()[:7], *(product(f"P{n}", []) for n in (7, 8, 9))]
    assert "3 of 10 rows of the listing can't be read, more than the 20%" in refused(engine, FakeChannel(broken))
    result = import_listing(engine, FakeChannel([*ten()[:8], *broken[8:]]), LIMITS, mode="full")
    assert (result.unchanged, result.quarantined, result.missing) == (8, 2, 0)


def test_one_unreadable_product_does_not_stop_a_delta_of_two(engine: Engine) -> None:
    channel = FakeChannel(ten())
    import_listing(engine, channel, LIMITS)
    later = {"updated_at": "2026-11-22T10:00:00Z"}
    channel.products_now = [product("P1", [], **later), product("P2", name="Alta", **later)]
    result = import_listing(engine, channel, LIMITS)
    assert (result.mode, result.unchanged, result.quarantined) == ("delta", 1, 1)


def test_after_a_refusal_the_next_import_reads_from_the_start(engine: Engine) -> None:
    import_listing(engine, FakeChannel(ten()), LIMITS)
    refused(engine, FakeChannel())
    result = import_listing(engine, FakeChannel(ten()), LIMITS, mode="full")
    assert (result.resumed_from_page, result.unchanged) == (None, 10)


def test_a_second_import_of_the_channel_at_the_same_time_is_refused(engine: Engine) -> None:
    """F-28"""
    inside, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        inside.set()
        assert go_on.wait(20)

    first = threading.Thread(target=import_listing, args=(engine, FakeChannel(ten()), LIMITS), kwargs={"progress": hold})
    first.start()
    try:
        assert inside.wait(20)
        with pytest.raises(RefusedError, match="another import of its listing is under way"):
            import_listing(engine, FakeChannel(ten()), LIMITS)
    finally:
        go_on.set()
        first.join(20)
    assert len(tables.variants(engine)) == 10


def test_the_lock_is_free_again_after_an_import_that_failed(engine: Engine) -> None:
    import_listing(engine, FakeChannel(ten()), LIMITS)
    refused(engine, FakeChannel())
    with listing_import_lock(engine, "fashionup") as held:
        assert held
