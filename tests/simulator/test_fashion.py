"""Generated fashion: repeatable, well formed, in the contract's shapes, and flawed where it says so."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from datetime import datetime
from itertools import islice

from stdnum import ean as gtin

from cloudsales_pipeline.simulator import fashion, words
from cloudsales_pipeline.simulator.fashion import Flaw
from cloudsales_pipeline.simulator.shapes import encode

LISTING = fashion.generate(800, seed=7)
CLEAN = fashion.generate(800, seed=7, flaws=False)


def test_the_same_seed_gives_the_same_listing_and_another_seed_another() -> None:
    assert fashion.generate(50, seed=7).products == LISTING.products[:50]
    assert {product.name for product in fashion.generate(50, seed=8).products} != {p.name for p in LISTING.products[:50]}


def test_a_style_has_between_8_and_12_variants_on_average_each_with_codes_of_its_own() -> None:
    variants = [variant for _, variant in CLEAN.variants()]
    assert 8 <= len(variants) / 800 <= 12
    for field in ("id", "code", "ean"):
        assert len({getattr(variant, field) for variant in variants}) == len(variants)
    assert max(len(product.variants) for product in CLEAN.products) < fashion.VARIANTS_AT_MOST


def test_every_ean_without_a_flaw_is_a_romanian_gtin_13() -> None:
    eans = [str(variant.ean) for _, variant in CLEAN.variants()]
    assert all(gtin.is_valid(ean) and len(ean) == 13 and ean.startswith("594") for ean in eans)


def test_codes_of_200_000_styles_are_distinct() -> None:
    assert len({fashion.style_code("RCH", number) for number in range(200_000)}) == 200_000
    assert fashion.style_code("RCH", 1) == "RCH8919"


def test_sizes_become_codes_without_blanks() -> None:
    assert [fashion.size_code(size) for size in ("XL", "38", "Unic", "4-5 ani", "0-3 luni")] == ["XL", "38", "U", "45A", "03L"]
    for scale in words.SCALES.values():
        assert len({fashion.size_code(size) for size in scale}) == len(scale)


def test_each_tenth_style_has_a_flaw_the_four_kinds_in_turn() -> None:
    flawed = [product for product in LISTING.products if product not in CLEAN.products]
    assert {int(product.id[2:]) % 10 for product in flawed} == {9}
    assert 70 <= len(flawed) <= 80  # a style of one variant can't have a code twice
    lasts = {fashion.flaw_of(int(product.id[2:]) - 1_000_000): product.variants[-2:] for product in flawed}
    assert lasts[Flaw.CODE_MISSING][-1].code is None
    assert lasts[Flaw.EAN_PLACEHOLDER][-1].ean == "N/A"
    assert not gtin.is_valid(lasts[Flaw.BAD_CHECK_DIGIT][-1].ean)
    assert lasts[Flaw.CODE_TWICE][0].code == lasts[Flaw.CODE_TWICE][1].code


def test_every_style_says_what_it_is_in_words_of_its_own() -> None:
    descriptions = Counter(product.description for product in LISTING.products)
    assert descriptions.most_common(1)[0][1] == 1
    categories = {category.id for category in LISTING.categories}
    for product in LISTING.products:
        assert set(product.category_ids) <= categories
        assert 1 <= len(product.images) <= 4
        assert [image.position for image in product.images] == list(range(1, len(product.images) + 1))
        assert {"Material", "Croială", "Sezon", "Țara de origine"} <= {one.name for one in product.characteristics}
        assert datetime.fromisoformat(product.updated_at) <= fashion.NEWEST


def test_romanian_is_written_with_comma_below_never_with_cedilla() -> None:
    text = encode(LISTING).decode()
    assert not set("şţŞŢ") & set(text)
    assert set("ăâîșț") <= set(text)


def test_payloads_stream_the_same_products_in_little_memory() -> None:
    assert list(islice(fashion.payloads(10**6, seed=7), 30)) == [encode(product) for product in CLEAN.products[:30]]
    tracemalloc.start()
    size = sum(len(payload) for payload in fashion.payloads(500, seed=7))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 1_000_000
    assert peak < 300_000


def test_a_variant_has_a_price_with_two_places_vat_of_21_and_a_stock() -> None:
    for _, variant in LISTING.variants():
        data = json.loads(encode(variant))
        whole, _, cents = data["price"]["amount"].partition(".")
        assert (whole.isdigit(), len(cents), data["price"]["currency"], data["vat_rate"]) == (True, 2, "RON", "21")
        assert data["stock"] >= 0
