"""Catalogue files, listings, imports and codes by hand that overlap: what a code points to stays what the products' codes say."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.additional_codes import add_code
from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.catalog.rules import without_comments
from cloudsales_pipeline.database.engine import statement
from cloudsales_pipeline.errors import CloudSalesError
from tests.catalog.shop import decide, query, show, write_catalogue

RULE = without_comments(statement("cloudsales_pipeline.catalog", "checks/one_product_per_code")).format(keys="true")
EANS = ("5941234567899", "05941234567899", "5901234123457", "96385074", "0000096385074", "")
CODES = ("A-1", "a-1", "A 1", "0017", "17", "5941234567899", "96385074", "B-2", "b-2")


@pytest.mark.parametrize("seed", range(6))
def test_i01_overlapping_files_listings_and_codes_leave_each_code_with_what_its_products_say(
    engine: Engine, tmp_path: Path, seed: int
) -> None:
    """Few codes in many writings, so that nearly every step meets a code that another one brought."""
    pick = random.Random(seed)  # noqa: S311 - a test's own dice
    for step in range(8):
        kind = pick.choice(("load", "listing", "code"))
        if kind == "load":
            file = [
                (sku, pick.choice(EANS), "|".join(pick.sample(CODES, 2)), "Rochie")
                for sku in pick.sample(CODES, pick.randint(1, 4))
            ]
            load_catalog(engine, write_catalogue(tmp_path / f"{step}.csv", file))
        elif kind == "listing":
            show(engine, [(f"v{step}{n}", pick.choice((*CODES, None)), pick.choice(EANS) or None) for n in range(3)])
            decide(engine)
        else:
            with contextlib.suppress(CloudSalesError):  # no such product, or the code is another's: nothing was done
                add_code(engine, pick.choice(CODES), pick.choice(CODES))
        assert query(engine, f"select * from ({RULE}) x where fault is not false") == [], (seed, step, kind)
