"""A channel's listing into ours: first, again, changed, in part."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.listing.imports import ListingProgress, import_listing
from cloudsales_pipeline.settings import LimitSettings
from tests.listing import tables
from tests.listing.fake_channel import FakeChannel, product, raw, variant

LIMITS = LimitSettings()
GTIN = "5941234567899"


def three() -> list[dict[str, object]]:
    return [
        product("P1", [variant("V1", ean=GTIN), variant("V2", code=None, ean=None)]),
        product("P2", [variant("V3", code="A1"), variant("V4", code="a-1", ean="N/A")]),
        product("P3", [variant("V5", code=GTIN, ean=GTIN, price=None, stock=None)]),
    ]


def test_first_import_takes_five_variants_of_three_products_as_the_channel_shows_them(engine: Engine) -> None:
    seen: list[ListingProgress] = []
    result = import_listing(engine, FakeChannel(three()), LIMITS, run_id="run-1", progress=seen.append)
    assert (result.mode, result.pages, result.products_read, result.resumed_from_page) == ("full", 2, 3, None)
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined, result.missing) == (5, 5, 0, 0, 0)
    assert [(p.pages, p.products_read, p.merging) for p in seen] == [(1, 2, False), (2, 3, False), (2, 3, True)]
    assert tables.rows(
        engine,
        "select variant_id, product_external_id, position, code, ean, code_key, ean_key, ean_state, price, vat_rate,"
        " channel_stock from cloudsales.listing order by listing_id",
    ) == [
        ("V1", "P1", 0, "C-V1", GTIN, "c-v1", GTIN, "valid", Decimal("129.90"), Decimal(21), 3),
        ("V2", "P1", 1, None, None, None, None, "empty", Decimal("129.90"), Decimal(21), 3),
        ("V3", "P2", 0, "A1", None, "a1", None, "empty", Decimal("129.90"), Decimal(21), 3),
        ("V4", "P2", 1, "a-1", "N/A", "a-1", None, "empty", Decimal("129.90"), Decimal(21), 3),
        ("V5", "P3", 0, GTIN, GTIN, GTIN, GTIN, "valid", None, Decimal(21), None),
    ]


def test_the_raw_payload_is_kept_byte_for_byte(engine: Engine) -> None:
    import_listing(engine, FakeChannel(three()), LIMITS)
    kept = tables.scalar(engine, "select raw from cloudsales.listing_product where external_id = 'P2'")
    assert zlib.decompress(kept) == raw(three()[1])


def test_details_images_and_characteristics_are_kept(engine: Engine) -> None:
    import_listing(engine, FakeChannel([product("P1", category_ids=["1", 'a "b" \\c, {d}'])]), LIMITS)
    assert tables.rows(
        engine, "select name, brand, description, category_ids, images, characteristics from cloudsales.listing_product"
    ) == [
        (
            "Rochie P1",
            "Ița",
            "<p>Rochie de vară</p>",
            ["1", 'a "b" \\c, {d}'],
            [{"url": "http://images.example/P1.jpg", "position": 1}],
            [{"name": "Material", "value": "in"}],
        )
    ]
    assert tables.rows(engine, "select url, state from cloudsales.image") == [("http://images.example/P1.jpg", "due")]


def test_rows_in_are_loaded_unchanged_and_quarantined_in_the_summary_too(engine: Engine) -> None:
    """I-44"""
    import_listing(engine, FakeChannel(three()), LIMITS, run_id="run-1")
    changed = three()
    changed[0]["variants"] = [variant("V1", ean=GTIN, stock=2), variant("V2", code=None), variant("V9", price={"amount": "abc"})]
    result = import_listing(engine, FakeChannel(changed), LIMITS, run_id="run-2", mode="full")
    assert (result.rows_in, result.loaded, result.unchanged, result.quarantined) == (6, 1, 4, 1)
    assert tables.rows(
        engine, "select run_id, rows_in, loaded, unchanged, quarantined from cloudsales.run_summary order by summary_id"
    ) == [("run-1", 5, 5, 0, 0), ("run-2", 6, 1, 4, 1)]


def test_a_second_import_of_an_unchanged_listing_parses_nothing_and_writes_nothing(engine: Engine) -> None:
    """I-40: not one row version of the listing's tables is new."""
    channel = FakeChannel(three())
    import_listing(engine, channel, LIMITS)
    before, channel.parsed = tables.footprints(engine), 0
    result = import_listing(engine, channel, LIMITS, mode="full")
    assert tables.footprints(engine) == before
    assert (channel.parsed, result.rows_in, result.loaded, result.unchanged) == (0, 5, 0, 5)
    assert tables.scalar(engine, "select last_value from cloudsales.revision") == 1


def test_the_stage_is_empty_after_an_import(engine: Engine) -> None:
    import_listing(engine, FakeChannel(three()), LIMITS)
    assert tables.staged(engine) == (0, 0, 0, 0)


def test_a_new_price_changes_one_row_and_asks_for_no_decision(engine: Engine) -> None:
    import_listing(engine, FakeChannel(three()), LIMITS)
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from cloudsales.listing_pending")
    before = dict(tables.rows(engine, "select variant_id, ctid::text from cloudsales.listing"))
    changed = three()
    changed[1]["variants"] = [
        variant("V3", code="A1", price={"amount": "99", "currency": "RON"}),
        variant("V4", code="a-1", ean="N/A"),
    ]
    result = import_listing(engine, FakeChannel(changed), LIMITS, mode="full")
    after = dict(tables.rows(engine, "select variant_id, ctid::text from cloudsales.listing"))
    assert [v for v in after if after[v] != before[v]] == ["V3"]
    assert (result.loaded, result.unchanged) == (1, 4)
    assert tables.scalar(engine, "select count(*) from cloudsales.listing_pending") == 0


def test_a_price_written_with_other_zeros_is_the_same_price(engine: Engine) -> None:
    import_listing(engine, FakeChannel([product("P1", [variant("V1", price={"amount": "40", "currency": "RON"})])]), LIMITS)
    again = FakeChannel([product("P1", [variant("V1", price={"amount": "40.00", "currency": "RON"})])])
    assert import_listing(engine, again, LIMITS, mode="full").unchanged == 1


def test_what_vanished_is_marked_and_comes_back_as_the_same_row(engine: Engine) -> None:
    """I-43: never deleted."""
    import_listing(engine, FakeChannel(three()), LIMITS)
    number = tables.scalar(engine, "select listing_id from cloudsales.listing where variant_id = 'V5'")
    without = import_listing(engine, FakeChannel(three()[:2]), LIMITS, mode="full")
    assert (without.missing, without.rows_in) == (1, 4)
    assert tables.variants(engine, where="missing_since is not null") == ["V5"]
    assert tables.rows(engine, "select external_id from cloudsales.listing_product where missing_since is not null") == [("P3",)]
    assert tables.scalar(engine, "select count(*) from cloudsales.listing_key where listing_id = :n", n=number) == 0
    assert tables.scalar(engine, "select count(*) from cloudsales.listing_pending where listing_id = :n", n=number) == 0
    back = import_listing(engine, FakeChannel(three()), LIMITS, mode="full")
    assert (back.loaded, back.missing) == (1, 0)
    assert tables.rows(engine, "select listing_id, missing_since from cloudsales.listing where variant_id = 'V5'") == [
        (number, None)
    ]
    assert tables.scalar(engine, "select count(*) from cloudsales.listing_pending where listing_id = :n", n=number) == 1


def test_a_variant_that_its_product_no_longer_has_is_missing(engine: Engine) -> None:
    import_listing(engine, FakeChannel(three()), LIMITS)
    changed = three()
    changed[0]["variants"] = [variant("V1", ean=GTIN)]
    assert import_listing(engine, FakeChannel(changed), LIMITS, mode="full").missing == 1
    assert tables.variants(engine) == ["V1", "V3", "V4", "V5"]


def test_a_variant_that_moves_to_another_product_is_the_same_row(engine: Engine) -> None:
    import_listing(engine, FakeChannel(three()), LIMITS)
    before = dict(tables.rows(engine, "select variant_id, listing_id from cloudsales.listing"))
    moved = three()
    moved[0]["variants"] = [variant("V1", ean=GTIN)]
    moved[2]["variants"] = [variant("V2", code=None, ean=None), *moved[2]["variants"]]  # type: ignore[misc]
    result = import_listing(engine, FakeChannel(moved), LIMITS, mode="full")
    assert dict(tables.rows(engine, "select variant_id, listing_id from cloudsales.listing")) == before
    assert result.missing == 0
    assert tables.rows(engine, "select product_external_id, position from cloudsales.listing where variant_id = 'V2'") == [
        ("P3", 0)
    ]


def test_what_changed_since_is_asked_for_by_the_latest_update_seen_and_nothing_else_goes_missing(engine: Engine) -> None:
    channel = FakeChannel(three())
    import_listing(engine, channel, LIMITS)
    later = three()
    later[1] = product("P2", [variant("V3", code="A2")], updated_at="2026-11-21T10:00:00+02:00")
    channel.products_now, channel.asked = list(later), []
    result = import_listing(engine, channel, LIMITS)
    # ten minutes earlier: what a channel commits late is stamped before what it has shown already
    assert channel.asked[0] == (None, datetime(2026, 11, 20, 7, 50, tzinfo=UTC))
    assert (result.mode, result.loaded, result.unchanged, result.missing) == ("delta", 1, 3, 1)
    assert tables.variants(engine) == ["V1", "V2", "V3", "V5"]
    assert tables.scalar(engine, "select listing_watermark from cloudsales.channel") == datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_a_full_listing_is_read_again_after_a_day_and_where_the_channel_knows_no_changes(engine: Engine) -> None:
    channel = FakeChannel(three())
    import_listing(engine, channel, LIMITS)
    assert import_listing(engine, channel, LIMITS).mode == "delta"
    tomorrow = datetime.now(UTC) + timedelta(hours=25)
    assert import_listing(engine, channel, LIMITS, now=lambda: tomorrow).mode == "full"
    assert import_listing(engine, FakeChannel(three(), delta=False), LIMITS).mode == "full"


def test_a_delta_before_any_full_listing_is_refused(engine: Engine) -> None:
    with pytest.raises(RefusedError, match="only a full import is possible"):
        import_listing(engine, FakeChannel(three()), LIMITS, mode="delta")


def test_a_year_that_is_wrong_does_not_hide_later_changes_from_a_delta(engine: Engine) -> None:
    before = datetime.now(UTC)
    import_listing(engine, FakeChannel([product("P1", updated_at="2126-01-01T00:00:00Z")]), LIMITS)
    watermark = tables.scalar(engine, "select listing_watermark from cloudsales.channel")
    assert before <= watermark <= datetime.now(UTC)
