"""A FashionUp product from its bytes: what is good goes on, what is bad has a reason code (F-38 to F-41, F-44, F-45)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from cloudsales_pipeline.channels.errors import PayloadError
from cloudsales_pipeline.channels.fashionup_products import parse_product, product_id
from cloudsales_pipeline.channels.port import Image, ListedProduct, ListedVariant, Rejected


def variant(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"V-{number}",
        "code": f"ROC-00{number}",
        "ean": "5941234567899",
        "size": "M",
        "colour": "roșu",
        "price": {"amount": "129.90", "currency": "RON"},
        "vat_rate": "21",
        "stock": 7,
    } | changes


def product(*variants: Any, **changes: Any) -> bytes:
    base: dict[str, Any] = {
        "id": "P-1",
        "code": "ROC",
        "name": "Rochie de vară",
        "brand": "Nord",
        "description": "<p>Rochie</p>",
        "category_ids": ["C-1"],
        "images": [{"url": "http://cdn.shop.ro/1.jpg", "position": 1}],
        "characteristics": [{"name": "material", "value": "in"}],
        "status": "active",
        "updated_at": "2026-11-24T10:00:00+02:00",
        "variants": list(variants) or [variant()],
    }
    whole = base | changes
    return json.dumps({name: value for name, value in whole.items() if value is not ...}, ensure_ascii=True).encode()


def reason(payload: bytes) -> str:
    with pytest.raises(PayloadError) as caught:
        parse_product(payload)
    return caught.value.reason


def rejected(*variants: Any) -> tuple[Rejected, ...]:
    """What is rejected of these, beside one good variant that must go on."""
    parsed = parse_product(product(variant(9), *variants))
    assert [one.variant_id for one in parsed.variants] == ["V-9"]
    return parsed.rejected


def test_a_good_product_comes_out_whole() -> None:
    assert parse_product(product()) == ListedProduct(
        external_id="P-1",
        code="ROC",
        name="Rochie de vară",
        brand="Nord",
        description="<p>Rochie</p>",
        category_ids=("C-1",),
        images=(Image("http://cdn.shop.ro/1.jpg", 1),),
        characteristics=(("material", "in"),),
        status="active",
        updated_at=datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        variants=(ListedVariant("V-1", 0, "ROC-001", "5941234567899", "M", "roșu", Decimal("129.90"), "RON", Decimal(21), 7),),
    )


def test_f40_what_is_not_required_may_be_missing_or_null_and_new_fields_are_nothing_to_us() -> None:
    least = b'{"id":"P-1","name":"N","updated_at":"2026-11-24T08:00:00Z","variants":[{"id":"V-1"}],"new":{"deep":[1]}}'
    parsed = parse_product(least)
    assert parsed.variants == (ListedVariant("V-1", 0, None, None, None, None, None, None, None, None),)
    assert (parsed.images, parsed.category_ids, parsed.status) == ((), (), "active")
    nulls = product(variant(price=None, code=None, stock=None), brand=None, images=None, category_ids=None)
    assert parse_product(nulls).variants[0].price is None


def test_images_without_a_position_keep_their_order() -> None:
    parsed = parse_product(product(images=[{"url": "a"}, {"url": "b"}]))
    assert parsed.images == (Image("a", 1), Image("b", 2))


@pytest.mark.parametrize("amount", ["129.90", "0", "0.00", "5", "999999999999.99", "12.5000"])
def test_a_plain_decimal_is_a_price(amount: str) -> None:
    parsed = parse_product(product(variant(price={"amount": amount, "currency": "RON"})))
    assert parsed.variants[0].price == Decimal(amount)


@pytest.mark.parametrize(
    "amount",
    [
        *("abc", "", "NaN", "Infinity", "-Infinity", "1e5", "1E+2", "-1", "+1", "1,5", " 1", "1_0", "١٢", "1.", ".5"),
        *("1.999", "1000000000000", "123456789012345", "0x10", "1" * 5000, 129.9, 5, None, True),
    ],
)
def test_f39_anything_else_is_a_bad_price_and_only_that_variant_is_held(amount: Any) -> None:
    (fault,) = rejected(variant(price={"amount": amount, "currency": "RON"}))
    assert (fault.reference, fault.reason) == ("V-1", "bad_price")


@pytest.mark.parametrize("price", [129.9, "129.90", [], {"amount": "1"}, {"amount": "1", "currency": "lei"}])
def test_a_price_of_another_shape_is_a_bad_price(price: Any) -> None:
    assert rejected(variant(price=price))[0].reason == "bad_price"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code": 12345}, "unreadable"),
        ({"ean": 5941234567899}, "unreadable"),
        ({"ean": 5.94e12}, "unreadable"),
        ({"size": ["M"]}, "unreadable"),
        ({"id": 7}, "missing_id"),
        ({"id": ""}, "missing_id"),
        ({"id": None}, "missing_id"),
        ({"id": "x" * 201}, "id_too_long"),
        ({"code": "x" * 201}, "code_too_long"),
        ({"ean": "9" * 3000}, "code_too_long"),
        ({"size": "M\x00"}, "nul_character"),
        ({"code": "A\x00B"}, "nul_character"),
        ({"stock": 1.5}, "bad_stock"),
        ({"stock": "7"}, "bad_stock"),
        ({"stock": 10**30}, "bad_stock"),
        ({"vat_rate": 21}, "bad_vat_rate"),
        ({"vat_rate": "121"}, "bad_vat_rate"),
        ({"vat_rate": "NaN"}, "bad_vat_rate"),
        ({"colour": "\ud800"}, "unreadable"),
    ],
)
def test_f40_a_retyped_or_impossible_field_holds_that_variant_alone(changes: dict[str, Any], code: str) -> None:
    # A lone surrogate can't even be skipped over, so that it takes its product with it.
    if "colour" in changes:
        assert reason(product(variant(9), variant(**changes))) == code
    else:
        assert [fault.reason for fault in rejected(variant(**changes))] == [code]


@pytest.mark.parametrize("wire", [None, 5, "V-1", [], {}])
def test_a_variant_that_is_none_is_named_by_its_place(wire: Any) -> None:
    (fault,) = rejected(wire)
    assert fault.reference == "#1"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (product(variants=[]), "no_variants"),
        (product(variants=...), "no_variants"),
        (product(variants={}), "unreadable"),
        (product(id=...), "missing_id"),
        (product(id=12), "missing_id"),
        (product(id="  "), "missing_id"),
        (product(id="x" * 300), "id_too_long"),
        (product(id="P\x00"), "nul_character"),
        (product(name=...), "missing_name"),
        (product(name=""), "missing_name"),
        (product(name=5), "missing_name"),
        (product(name="x" * 1001), "name_too_long"),
        (product(name="x" * 1_000_000), "name_too_long"),
        (product(name="a\x00b"), "nul_character"),
        (product(description="a\x00b"), "nul_character"),
        (product(characteristics=[{"name": "m", "value": "\x00"}]), "nul_character"),
        (product(category_ids=["\x00"]), "nul_character"),
        (product(updated_at="2026-11-24T10:00:00"), "bad_time"),
        (product(updated_at="yesterday"), "bad_time"),
        (product(updated_at=1764000000), "bad_time"),
        (product(updated_at=...), "bad_time"),
        (product(status="archived"), "unknown_status"),
        (product(status=None), "unknown_status"),
        (product(brand=5), "unreadable"),
        (product(images=["http://x"]), "unreadable"),
        (product(name="\ud800"), "missing_name"),
        (b"", "unreadable"),
        (b"null", "unreadable"),
        (b"[]", "unreadable"),
        (b'{"id": "P-1', "unreadable"),
        (b'{"id": "P-1", "name": "\xff"}', "missing_name"),
    ],
)
def test_a_product_that_can_not_be_read_has_a_reason(payload: bytes, code: str) -> None:
    assert reason(payload) == code


def test_f45_100_000_levels_of_json_in_a_field_that_nobody_reads_hide_nothing() -> None:
    deep = product(variant(1))[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert product_id(deep) == product_id(product(variant(1)))
    assert len(parse_product(deep).variants) == 1


def test_half_an_emoji_in_a_description_hides_no_id_so_that_the_product_stays_known() -> None:
    cut = product(variant(1), description="frumos \ud83d")
    assert product_id(cut) == product_id(product(variant(1)))
    assert reason(cut) == "unreadable"


def test_f45_brackets_that_never_close_are_unreadable_and_no_crash() -> None:
    open_ended = b'{"id":"P-1","x":' + b"[" * 100_000
    assert reason(open_ended) == "unreadable"
    with pytest.raises(PayloadError, match="unreadable"):
        product_id(open_ended)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    parsed = parse_product(product(name="a\\u0000"))
    assert parsed.name == "a\\u0000"


def test_f44_a_large_product_is_a_product() -> None:
    many = [variant(number) for number in range(5000)]
    images = [{"url": f"http://cdn.shop.ro/{n}.jpg"} for n in range(300)]
    parsed = parse_product(product(*many, description="x" * 5_000_000, images=images))
    assert (len(parsed.variants), len(parsed.images), parsed.rejected) == (5000, 300, ())


def test_f41_the_same_variant_twice_with_the_same_content_counts_once() -> None:
    parsed = parse_product(product(variant(1), variant(2), variant(1)))
    assert [(one.variant_id, one.position) for one in parsed.variants] == [("V-1", 0), ("V-2", 1)]
    assert parsed.rejected == ()


def test_f41_the_same_variant_with_different_content_is_held_and_none_of_them_believed() -> None:
    contradiction = [variant(1), variant(1, ean="1"), variant(1, ean="2")]
    assert [(one.reference, one.reason) for one in rejected(*contradiction)] == [("V-1", "duplicate_variant")]


def test_f41_a_bad_twin_of_a_good_variant_is_a_contradiction_too() -> None:
    """Its place in the listing must not decide whether the good one is believed."""
    for bad in (variant(1, price={"amount": "abc", "currency": "RON"}), variant(1, ean=12)):
        for pair in ([variant(1), bad], [bad, variant(1)]):
            assert [fault.reference for fault in rejected(*pair)] == ["V-1"]


def test_a_product_whose_variants_are_all_bad_is_kept_with_them() -> None:
    parsed = parse_product(product(variant(price=5)))
    assert (parsed.variants, len(parsed.rejected)) == ((), 1)


def test_the_position_of_a_variant_does_not_move_when_one_before_it_is_bad() -> None:
    parsed = parse_product(product(variant(1, price=5), variant(2)))
    assert [(one.variant_id, one.position) for one in parsed.variants] == [("V-2", 1)]


def test_i46_a_reason_never_shows_the_value() -> None:
    payload = product(variant(price={"amount": "Ion Popescu", "currency": "RON"}), variant(2, code=["Ion Popescu"]))
    assert "Popescu" not in str(parse_product(payload).rejected)
    with pytest.raises(PayloadError) as caught:
        parse_product(product(status="Ion Popescu"))
    assert "Popescu" not in str(caught.value)


def test_the_id_is_read_without_the_rest() -> None:
    assert product_id(product(variants="not at all", name=5)) == "P-1"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(json.loads(product()))), ANY_JSON))
def test_whatever_stands_in_a_field_it_is_a_product_or_a_reason(changes: dict[str, Any]) -> None:
    try:
        parsed = parse_product(product(**changes))
    except PayloadError:
        return
    assert parsed.variants or parsed.rejected


@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(variant())), ANY_JSON))
def test_whatever_stands_in_a_variant_the_one_beside_it_goes_on(changes: dict[str, Any]) -> None:
    parsed = parse_product(product(variant(9), variant(**changes)))
    assert parsed.variants[0].variant_id == "V-9"


def test_a_time_at_the_calendars_edge_is_passed_on_for_the_listing_to_judge() -> None:
    assert parse_product(product(variant(1), updated_at="0001-01-01T00:00:00+14:00")).updated_at.year == 1
