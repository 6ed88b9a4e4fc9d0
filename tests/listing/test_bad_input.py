"""One bad row never blocks a page: it is put aside with a reason, and the rest goes on (I-43, F-38, F-40, F-41, F-44, F-45)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.listing.imports import import_listing
from cloudsales_pipeline.settings import LimitSettings
from tests.listing import tables
from tests.listing.fake_channel import FakeChannel, product, variant

PATIENT = LimitSettings(max_unreadable_share=1.0)
GOOD = product("A", [variant("V1"), variant("V2")])


@pytest.mark.parametrize(
    ("bad", "reference", "reason"),
    [
        (product("B", []), "B", "no_variants"),
        (product("B", name="x" * 1_000_000), "B", "text_too_long"),
        (product("B", description="a\x00b"), "B", "bad_text"),
        (product("B", brand="\ud83d"), "B", "bad_text"),
        (product("B", images=[{"url": "http://x/\x00", "position": 1}]), "B", "bad_text"),
        (product("B", characteristics=[{"name": "a", "value": "\x00"}]), "B", "bad_text"),
        (product("B", category_ids=["\x00"]), "B", "bad_text"),
        (product("B", updated_at="0001-01-01T00:00:00+14:00"), "B", "bad_time"),
        (product("B", updated_at="9999-12-31T23:59:59-14:00"), "B", "bad_time"),
        (b"<html>", "payload 4ab6a3a2d6bd0a53d4bc5ea6cc3b9f4c", "unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_a_product_that_cannot_be_read_is_put_aside(engine: Engine, bad: Any, reference: str, reason: str) -> None:
    result = import_listing(engine, FakeChannel([GOOD, bad]), PATIENT)
    assert (result.rows_in, result.loaded, result.quarantined) == (3, 2, 1)
    assert tables.variants(engine) == ["V1", "V2"]
    [(found, why)] = tables.quarantined(engine)
    assert why == reason
    assert found == reference or (found.startswith("payload ") and len(found) == len(reference))


@pytest.mark.parametrize(
    ("bad", "reference", "reason"),
    [
        (variant("W", price={"amount": "abc", "currency": "RON"}), "W", "bad_price"),
        (variant("W", price={"amount": "NaN", "currency": "RON"}), "W", "number_out_of_range"),
        (variant("W", price={"amount": "1e30", "currency": "RON"}), "W", "number_out_of_range"),
        (variant("W", stock=2**40), "W", "number_out_of_range"),
        (variant("W", size="\x00"), "W", "bad_text"),
        (variant("W", colour="\udc00"), "W", "bad_text"),
        (variant("W", code="x" * 5_000), "W", "text_too_long"),
        (variant("W\x00"), "#1", "bad_text"),
        (variant("W" * 3_000), "#1", "text_too_long"),
        (variant(""), "#1", "no_id"),
        (variant("V1", code="other"), "V1", "duplicate_variant"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_a_variant_that_cannot_be_stored_is_put_aside(engine: Engine, bad: Any, reference: str, reason: str) -> None:
    result = import_listing(engine, FakeChannel([product("A", [variant("V1"), bad, variant("V2")])]), PATIENT)
    assert (result.rows_in, result.loaded, result.quarantined) == (3, 2, 1)
    assert tables.variants(engine) == ["V1", "V2"]
    assert tables.variants(engine, "code") == ["C-V1", "C-V2"]
    assert tables.quarantined(engine) == [(reference, reason)]


def test_quarantine_names_the_product_and_holds_no_value(engine: Engine) -> None:
    import_listing(
        engine, FakeChannel([product("A", [variant("V1"), variant("V2", price={"amount": "Ion", "currency": "RON"})])]), PATIENT
    )
    assert tables.rows(engine, "select detail from cloudsales.quarantine") == [({"product": "A", "found": "not a number"},)]


def test_the_same_variant_twice_with_the_same_content_is_one_row(engine: Engine) -> None:
    result = import_listing(engine, FakeChannel([product("A", [variant("V1"), variant("V1")])]), PATIENT)
    assert (result.rows_in, result.loaded, result.quarantined) == (1, 1, 0)


def test_five_megabytes_of_description_and_three_hundred_images_are_kept(engine: Engine) -> None:
    """F-44"""
    images = [{"url": f"http://images.example/{n}.jpg", "position": n} for n in range(1, 301)]
    import_listing(engine, FakeChannel([product("A", description="ș" * 2_500_000, images=images)]), PATIENT)
    assert tables.rows(
        engine, "select octet_length(description), jsonb_array_length(images) from cloudsales.listing_product"
    ) == [(5_000_000, 300)]
    assert tables.scalar(engine, "select count(*) from cloudsales.image") == 300


def test_an_image_address_that_no_index_can_hold_is_kept_with_the_product_and_not_fetched(engine: Engine) -> None:
    images = [{"url": "http://images.example/" + "x" * 9_000, "position": 1}]
    import_listing(engine, FakeChannel([product("A", images=images)]), PATIENT)
    assert tables.scalar(engine, "select count(*) from cloudsales.image") == 0


def test_text_from_outside_is_only_ever_data(engine: Engine) -> None:
    """I-48"""
    nasty = "'); drop table cloudsales.listing; -- \\N \\. \t\n {{7*7}} =HYPERLINK(1) :channel %(x)s"
    import_listing(engine, FakeChannel([product("A", [variant("V1", size=nasty)], name=nasty, category_ids=[nasty])]), PATIENT)
    assert tables.rows(
        engine,
        "select p.name, p.category_ids[1], l.size from cloudsales.listing l"
        " join cloudsales.listing_product p on p.external_id = l.product_external_id",
    ) == [(nasty, nasty, nasty)]


def test_what_became_unreadable_keeps_its_row_and_is_not_missing(engine: Engine) -> None:
    import_listing(engine, FakeChannel([GOOD, product("B")]), PATIENT)
    broken = product("A", [variant("V1", price={"amount": "abc", "currency": "RON"}), variant("V2", stock=9)])
    result = import_listing(engine, FakeChannel([broken, product("B", [])]), PATIENT, mode="full")
    assert (result.loaded, result.quarantined, result.missing) == (1, 2, 0)
    assert tables.variants(engine) == ["B-1", "V1", "V2"]
    assert tables.quarantined(engine) == [("B", "no_variants"), ("V1", "bad_price")]


def test_where_a_variants_very_id_cannot_be_read_none_of_its_product_goes_missing(engine: Engine) -> None:
    import_listing(engine, FakeChannel([GOOD]), PATIENT)
    result = import_listing(engine, FakeChannel([product("A", [variant("V1"), variant("")])]), PATIENT, mode="full")
    assert (result.missing, tables.variants(engine)) == (0, ["V1", "V2"])


def test_quarantine_is_resolved_when_the_channel_has_mended_it(engine: Engine) -> None:
    bad = [product("A", [variant("V1", price={"amount": "abc", "currency": "RON"})]), product("B", []), b"junk"]
    import_listing(engine, FakeChannel(bad), PATIENT)
    assert len(tables.quarantined(engine)) == 3
    import_listing(engine, FakeChannel([product("A", [variant("V1")]), product("B")]), PATIENT, mode="full")
    assert tables.quarantined(engine) == []
    assert tables.rows(engine, "select distinct resolution from cloudsales.quarantine") == [("resolved",)]


def test_quarantine_of_an_unchanged_product_stays_open_and_of_a_vanished_one_does_not(engine: Engine) -> None:
    bad = [
        product("A", [variant("V1"), variant("V2", price={"amount": "abc", "currency": "RON"})]),
        product("B", [variant("V3"), variant("V4", price={"amount": "abc", "currency": "RON"})]),
    ]
    import_listing(engine, FakeChannel(bad), PATIENT)
    import_listing(
        engine, FakeChannel(bad[:1]), LimitSettings(hold_if_listing_shrinks_by=1.0, max_unreadable_share=1.0), mode="full"
    )
    assert tables.quarantined(engine) == [("V2", "bad_price")]


def test_what_a_person_dismissed_is_not_opened_again(engine: Engine) -> None:
    import_listing(engine, FakeChannel([GOOD, product("B", [])]), PATIENT)
    with engine.begin() as connection:
        connection.exec_driver_sql("update cloudsales.quarantine set resolved_at = now(), resolution = 'dismissed'")
    import_listing(engine, FakeChannel([GOOD, product("B", [])]), PATIENT, mode="full")
    assert tables.quarantined(engine) == []
