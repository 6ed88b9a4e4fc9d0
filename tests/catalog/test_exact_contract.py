"""The contract of exact matching, end to end in the database: every row of the evaluation set as expected."""

import csv
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.load import load_catalog
from tests.catalog.shop import decide, query, show

WORDS = {"created": "new", "duplicate_in_listing": "duplicate-in-listing"}


def test_every_dirty_code_is_decided_as_the_contract_says(engine: Engine, shared: Callable[[str], Path]) -> None:
    kit = shared("data/matching/exact_dirty_codes/truth.csv").parent
    load_catalog(engine, kit / "catalog.csv")
    with (kit / "listing.csv").open(encoding="utf-8", newline="") as file:
        show(engine, ((f"v{row['row']}", row["code"], row["ean"]) for row in csv.DictReader(file)))
    decide(engine)
    decided = {
        row.variant_id.removeprefix("v"): WORDS.get(row.outcome, f"linked:{row.sku}" if row.outcome == "linked" else row.outcome)
        for row in query(engine, "select variant_id, outcome, sku from analytics.match_outcome")
    }
    with (kit / "truth.csv").open(encoding="utf-8", newline="") as file:
        wrong = [(row, decided.get(row["row"])) for row in csv.DictReader(file) if decided.get(row["row"]) != row["expected"]]
    assert wrong == []
