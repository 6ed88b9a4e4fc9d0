"""A plan is of what the channel showed when it was made."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.apply import apply_plan
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.listing.imports import import_listing
from cloudsales_pipeline.settings import LimitSettings
from tests.catalog.shop import audited_plan, query
from tests.listing.fake_channel import FakeChannel, product, variant


def test_a_product_renamed_after_the_plan_outdates_it(engine: Engine) -> None:
    limits = LimitSettings()
    shown = [variant("V1", code="NOU-1")]
    import_listing(engine, FakeChannel([product("P1", shown, name="Rochie")]), limits)
    plan_id = audited_plan(engine)
    import_listing(engine, FakeChannel([product("P1", shown, name="Rochie de mireasă")]), limits, mode="full")
    with pytest.raises(RefusedError, match="outdated"):
        apply_plan(engine, plan_id)
    apply_plan(engine, audited_plan(engine))
    assert [row.name for row in query(engine, "select name from analytics.product")] == ["Rochie de mireasă"]


def test_a_held_listing_that_vanishes_leaves_quarantine(engine: Engine) -> None:
    limits = LimitSettings(hold_if_listing_shrinks_by=1)
    kept, bad = product("P1", [variant("V1", code="NOU-1")]), product("P2", [variant("V2", code=None, ean="5941234567890")])
    import_listing(engine, FakeChannel([kept, bad]), limits)
    apply_plan(engine, audited_plan(engine))
    held = "select reference from analytics.quarantine where stage = 'match' and resolved_at is null"
    assert [row.reference for row in query(engine, held)] == ["V2"]
    import_listing(engine, FakeChannel([kept]), limits, mode="full")
    assert query(engine, held) == []
