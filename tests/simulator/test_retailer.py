"""The retailer's catalogue: its expectation is made by construction, so here a matcher of thirty lines finds the same."""

from __future__ import annotations

import csv
import unicodedata
from collections import defaultdict
from pathlib import Path

from stdnum import ean as gtin

from cloudsales_pipeline.simulator import fashion
from cloudsales_pipeline.simulator.retailer import CatalogueRow, Manner, retailer_catalogue, write_csv

LISTING = fashion.generate(400, seed=1)
RETAIL = retailer_catalogue(LISTING, seed=1)


def key(text: str | None) -> str:
    """What the contract of data/matching makes of the codes that occur here; empty for none."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKC", text or "") if unicodedata.category(sign) != "Cf")
    plain = plain.strip().lstrip("'").removesuffix(".0")
    if plain.replace(" ", "").isdigit():
        return plain.replace(" ", "").lstrip("0")
    return "" if plain in ("", "N/A") else plain.casefold()


def matched() -> dict[str, tuple[str, str | None]]:
    products: defaultdict[str, set[str]] = defaultdict(set)
    for row in RETAIL.rows:
        for code in (row.sku, row.ean, *row.additional_codes.split("|")):
            products[key(code)].add(row.sku)
    products.pop("", None)
    seen: set[str] = set()
    outcomes: dict[str, tuple[str, str | None]] = {}
    for _, variant in LISTING.variants():
        keys = {key(variant.code), key(variant.ean)} - {""}
        hits = set().union(*(products.get(one, set()) for one in keys))
        bad = key(variant.ean) != "" and not gtin.is_valid(str(variant.ean))
        if len(hits) > 1:
            outcome = "conflict"
        elif not hits and (bad or not keys):
            outcome = "invalid"
        elif keys & seen:
            outcome = "duplicate_in_listing"
        else:
            outcome = "linked" if hits else "created"
        seen |= keys
        outcomes[variant.id] = (outcome, *hits) if outcome == "linked" else (outcome, None)
    return outcomes


def test_a_matcher_finds_for_every_variant_what_the_expectation_says() -> None:
    expected = {name: (one.outcome, one.sku) for name, one in RETAIL.expectation.variants.items()}
    assert matched() == expected
    assert len(expected) == sum(len(product.variants) for product in LISTING.products)


def test_all_outcomes_and_all_manners_occur_in_about_the_stated_shares() -> None:
    outcomes, reasons = RETAIL.expectation.by_outcome(), RETAIL.expectation.by_reason()
    assert outcomes == {"created": 2002, "linked": 1897, "conflict": 15, "invalid": 10, "duplicate_in_listing": 10}
    assert {Manner(manner) for manner in Manner} <= set(reasons)
    assert 0.18 < reasons[Manner.SAME_SKU] / 3934 < 0.28  # 28 of 100 styles, without the last size of some, none of the flawed


def test_the_same_listing_and_seed_give_the_same_file_and_products_stand_in_it_once(tmp_path: Path) -> None:
    again = retailer_catalogue(fashion.generate(400, seed=1), seed=1)
    assert again == RETAIL
    assert len({row.sku for row in RETAIL.rows}) == len(RETAIL.rows)
    write_csv(RETAIL.rows, tmp_path / "catalogue.csv")
    with (tmp_path / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["sku", "ean", "additional_codes", "name", "brand", "description", "price", "category", "supplier"]
    assert [CatalogueRow(*row) for row in rows] == list(RETAIL.rows)


def test_codes_are_dirty_in_each_of_the_ways_that_spreadsheets_and_people_leave_them() -> None:
    linked = {one.sku for one in RETAIL.expectation.variants.values() if one.reason is Manner.DIRTY}
    dirty = [row for row in RETAIL.rows if row.sku in linked]
    assert any(row.ean.endswith(".0") for row in dirty)
    assert any(row.ean.startswith("'") for row in dirty)
    assert any(" " in row.ean for row in dirty)
    assert any("５" in row.ean for row in dirty)
    assert any("\u200b" in row.additional_codes for row in dirty)
    assert any(len(row.ean) == 14 for row in dirty)


def test_a_small_listing_works_too() -> None:
    assert retailer_catalogue(fashion.generate(0, seed=1), seed=1).rows == ()
    assert len(retailer_catalogue(fashion.generate(3, seed=1), seed=1).expectation.variants) > 3
