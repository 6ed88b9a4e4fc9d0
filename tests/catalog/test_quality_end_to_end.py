"""The guard on what loading, planning and applying really write."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.apply import apply_plan
from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.catalog.plan import make_plan
from cloudsales_pipeline.catalog.quality import audit_plan, check_catalogue
from cloudsales_pipeline.settings import QualitySettings
from tests.catalog.shop import CHANNEL, CREATE, query, show

pytestmark = pytest.mark.timeout(240)  # the first to import Great Expectations waits for it
BOUNDS = QualitySettings()


def guarded_import(engine: Engine) -> int:
    """Plan, audit, apply and check, all green; returns the plan's id."""
    plan_id = make_plan(engine, CHANNEL, CREATE).plan_id
    assert [r for r in audit_plan(engine, plan_id, BOUNDS).results if not r.passed] == []
    apply_plan(engine, plan_id)
    for scope in (plan_id, None):
        assert [r for r in check_catalogue(engine, CHANNEL, scope) if not r.passed] == []
    return plan_id


def test_every_dirty_code_of_the_contract_passes_the_guard(engine: Engine, shared: Callable[[str], Path]) -> None:
    kit = shared("data/matching/exact_dirty_codes/truth.csv").parent
    load_catalog(engine, kit / "catalog.csv")
    with (kit / "listing.csv").open(encoding="utf-8", newline="") as file:
        rows = [(f"v{row['row']}", row["code"], row["ean"]) for row in csv.DictReader(file)]
    show(engine, rows)
    guarded_import(engine)
    show(engine, rows)  # all of it decided once more: links win, the rest stays as it is
    guarded_import(engine)


def test_a_feed_whose_codes_broke_is_stopped_and_nothing_of_it_is_applied(engine: Engine) -> None:
    """200 new variant ids for the 200 old goods, with garbage for codes: 200 duplicates that are not made."""
    show(engine, [(f"v{n}", f"SKU-{n}", None) for n in range(200)])
    guarded_import(engine)
    show(engine, [(f"w{n}", f"#garbage {n}#", None) for n in range(200)])
    plan_id = make_plan(engine, CHANNEL, CREATE).plan_id
    report = audit_plan(engine, plan_id, BOUNDS)
    # the first import created everything too, so the median can't tell: half of the listing being new does
    assert [r.rule for r in report.results if not r.passed] == ["plan_shares_in_bounds"]
    with pytest.raises(Exception, match="rejected by the data-quality checks"):
        apply_plan(engine, plan_id)
    assert query(engine, "select count(*) from cloudsales.product")[0][0] == 200


def test_an_import_that_wrote_a_matched_products_name_is_found_out(engine: Engine) -> None:
    """I-03, past the trigger."""
    show(engine, [("v1", "SKU-1", None)])
    guarded_import(engine)
    show(engine, [("v1", "SKU-1", None)])
    plan_id = guarded_import(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("set local cloudsales.product_update = 'catalogue file'"))
        connection.execute(sa.text("update cloudsales.product set name = 'overwritten'"))
    results = check_catalogue(engine, CHANNEL, plan_id)
    assert [(r.rule, r.offending_rows) for r in results if not r.passed] == [("matched_products_unchanged", 1)]
