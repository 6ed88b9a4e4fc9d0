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


def test_a_delta_that_loses_most_variants_is_refused_like_a_full_listing(engine: Engine) -> None:
    def listing(sizes: int, updated_at: str) -> list[dict[str, object]]:
        return [
            product(f"P{n}", [variant(f"V{n}-{size}", code=f"C{n}-{size}") for size in range(sizes)], updated_at=updated_at)
            for n in range(40)
        ]

    limits = LimitSettings()
    import_listing(engine, FakeChannel(listing(5, "2026-11-20T10:00:00Z")), limits)
    with pytest.raises(RefusedError, match="160 of 200"):
        import_listing(engine, FakeChannel(listing(1, "2026-11-21T10:00:00Z")), limits, mode="delta")
    assert query(engine, "select count(*) from analytics.listing where missing_since is not null")[0][0] == 0


def test_a_quiet_import_leaves_the_watermark_so_that_a_slow_clock_loses_nothing(engine: Engine) -> None:
    limits = LimitSettings()
    shown = [product("P1", [variant("V1", code="A")], updated_at="2026-11-20T10:00:00Z")]
    import_listing(engine, FakeChannel(shown), limits)
    before = query(engine, "select listing_watermark from cloudsales.channel")
    import_listing(engine, FakeChannel(shown), limits, mode="delta")
    assert query(engine, "select listing_watermark from cloudsales.channel") == before
    late = product("P2", [variant("V2", code="B")], updated_at="2026-11-20T09:55:00Z")  # committed after it was stamped
    result = import_listing(engine, FakeChannel([*shown, late]), limits, mode="delta")
    assert result.loaded == 1
