"""The whole flow against a real simulated channel: what each end-to-end test drives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.apply import ApplyResult, apply_plan
from cloudsales_pipeline.catalog.plan import make_plan
from cloudsales_pipeline.catalog.quality import audit_plan, check_catalogue
from cloudsales_pipeline.channels.errors import ChannelError
from cloudsales_pipeline.channels.port import SalesChannel
from cloudsales_pipeline.channels.registry import open_channel
from cloudsales_pipeline.listing.categories import import_categories
from cloudsales_pipeline.listing.imports import ListingResult, import_listing
from cloudsales_pipeline.settings import ChannelSettings, Settings
from cloudsales_pipeline.simulator.server import RunningServer

NAME = "fashionup"
TOKEN = "CLOUDSALES_TEST_TOKEN"
TABLES = {
    "products": "select sku, name, brand, style, size, colour, category, description, price, currency, images, characteristics, origin_channel from analytics.product order by sku",
    "codes": "select sku, kind, code, clashes from analytics.product_code order by 1, 2, 3",
    "listing": "select variant_id, product_external_id, code, ean, name, size, colour, price, channel_stock, missing_since is null from analytics.listing order by 1",
    "links": "select variant_id, sku, matched_by from analytics.link order by 1",
    "outcomes": "select variant_id, outcome, reason, sku, matched_by, candidates, evidence from analytics.match_outcome order by 1",
    "quarantine": "select stage, reference, reason, detail, resolved_at is null from analytics.quarantine order by 1, 2, 3",
    "pending": "select count(*) from cloudsales.listing_pending",
}


@contextmanager
def opened(
    engine: Engine, server: RunningServer, settings: Settings, monkeypatch: pytest.MonkeyPatch, **more: object
) -> Iterator[tuple[SalesChannel, Settings]]:
    """The channel `fashionup` on the simulator, with settings that name it."""
    monkeypatch.setenv(TOKEN, server.token)
    channel = ChannelSettings.model_validate(
        {"kind": "fashionup", "url": server.url, "token_env": TOKEN, "limits": {"requests_per_minute": 100_000}, **more}
    )
    opened_channel = open_channel(NAME, channel, database=engine)
    try:
        yield opened_channel, settings.model_copy(update={"channels": {NAME: channel}})
    finally:
        opened_channel.close()


def import_once(engine: Engine, channel: SalesChannel, settings: Settings) -> tuple[ListingResult, ApplyResult]:
    """Categories, listing, plan, audit, apply, checks: what the two jobs do."""
    import_categories(engine, channel)
    listing = import_listing(engine, channel, settings.channel(NAME).limits, mode="full")
    plan = make_plan(engine, NAME, settings.catalog)
    report = audit_plan(engine, plan.plan_id, settings.quality)
    assert report.passed, [result for result in report.results if not result.passed]
    applied = apply_plan(engine, plan.plan_id)
    checks = check_catalogue(engine, NAME, plan.plan_id)
    assert all(check.passed for check in checks), [check for check in checks if not check.passed]
    return listing, applied


def import_until_done(engine: Engine, channel: SalesChannel, settings: Settings, *, tries: int = 30) -> int:
    """The same with a channel that fails: again and again, as the schedule would; returns how many tries it took."""
    for count in range(1, tries + 1):
        try:
            import_once(engine, channel, settings)
        except ChannelError:
            continue
        return count
    raise AssertionError(f"not done after {tries} tries")


def tables(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """All that an import leaves, in business terms."""
    with engine.connect() as connection:
        return {name: [tuple(row) for row in connection.execute(sa.text(sql))] for name, sql in TABLES.items()}


def outcomes(engine: Engine) -> Counter[tuple[str, str | None]]:
    """How many listings by (outcome, matched_by)."""
    with engine.connect() as connection:
        return Counter(
            (row.outcome, row.matched_by)
            for row in connection.execute(sa.text("select outcome, matched_by from analytics.match_outcome"))
        )
