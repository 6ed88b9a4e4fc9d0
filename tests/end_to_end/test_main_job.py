"""The main job: a marketplace's listing becomes a catalogue in which nothing stands twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.load import load_catalog
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.simulator import datafile, fashion
from cloudsales_pipeline.simulator.faults import Level
from cloudsales_pipeline.simulator.retailer import retailer_catalogue, write_csv
from cloudsales_pipeline.simulator.server import running
from cloudsales_pipeline.simulator.state import State
from tests.end_to_end.flow import import_once, import_until_done, opened, outcomes, tables

STYLES, SEED = 60, 7
PORT_OF = "http://127.0.0.1:1"  # stands for the simulator's own address, which is in the images' addresses


@pytest.mark.timeout(180)
def test_the_real_listing_is_linked_302_times_by_sku_140_by_additional_code_and_403_products_are_made(
    engine: Engine, settings: Settings, shared: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_catalog(engine, shared("data/listing/real_catalog.csv"))
    state = State.of(*datafile.read(shared("data/listing/real_listing.json")))
    with running(state) as server, opened(engine, server, settings, monkeypatch) as (channel, used):
        listing, applied = import_once(engine, channel, used)
        assert (listing.rows_in, listing.loaded, listing.quarantined) == (845, 845, 0)
        assert (applied.rows_in, applied.loaded, applied.products_created, applied.quarantined) == (845, 845, 403, 0)
        assert outcomes(engine) == {("linked", "sku"): 302, ("linked", "additional_code"): 140, ("created", "created"): 403}
        first = tables(engine)
        listing, applied = import_once(engine, channel, used)
        assert (listing.loaded, listing.unchanged) == (0, 845)
        assert (applied.rows_in, applied.products_created, applied.links_made) == (0, 0, 0)
        assert tables(engine) == first
    with engine.connect() as connection:
        bare = connection.scalar(
            sa.text(
                "select count(*) from analytics.product where origin_channel = 'fashionup' and (name is null or description is null"
                " or brand is null or style is null or category is null or jsonb_array_length(images) = 0"
                " or jsonb_array_length(characteristics) = 0 or price is null)"
            )
        )
    assert bare == 0


def _import(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, file: Path, faults: Level, seed: int = 0
) -> dict[str, list[tuple[object, ...]]]:
    listing = fashion.generate(STYLES, SEED)
    retail = retailer_catalogue(listing, SEED)
    write_csv(retail.rows, file)
    load_catalog(engine, file)
    with (
        running(State(listing), faults=faults, seed=seed) as server,
        opened(engine, server, settings, monkeypatch, page_size=17) as (channel, used),
    ):
        import_until_done(engine, channel, used)
        found = tables(engine)
        origin = server.origin
    by_name = {outcome: sum(n for (name, _), n in outcomes(engine).items() if name == outcome) for outcome, _ in outcomes(engine)}
    assert by_name == dict(retail.expectation.by_outcome())
    found["products"] = [tuple(str(value).replace(origin, PORT_OF) for value in row) for row in found["products"]]
    return found


@pytest.mark.timeout(240)
def test_i41_under_harsh_faults_the_import_ends_as_an_undisturbed_one(
    engine: Engine, owner_engine: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = _import(engine, settings, monkeypatch, tmp_path / "retailer.csv", "none")
    with owner_engine.begin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")  # the ledger's guards refuse a TRUNCATE
        names = connection.scalars(
            sa.text(
                "select quote_ident(relname) from pg_class where relnamespace = 'cloudsales'::regnamespace and relkind = 'r' and relname <> 'channel'"
            )
        ).all()
        connection.exec_driver_sql(f"truncate {', '.join('cloudsales.' + name for name in names)} cascade")
        connection.exec_driver_sql("update cloudsales.channel set listing_seen_at = null, listing_watermark = null")
    harsh = _import(engine, settings, monkeypatch, tmp_path / "retailer.csv", "harsh", seed=5)
    assert harsh == calm
