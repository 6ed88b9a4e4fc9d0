"""Products in one warehouse, and a listing of each on every channel: the ground of the benchmarks of stock.

Filled as the product would have left it after a first publishing: every figure is acknowledged. Movements are made by the
benchmarks themselves, through the ledger's own triggers.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from benchmarks.server import analyse
from benchmarks.stock_server import Shops
from cloudsales_pipeline.database.migrate import register_channels
from cloudsales_pipeline.settings import (
    ChannelSettings,
    DatabaseSettings,
    LimitSettings,
    Settings,
    StockRuleSettings,
    WarehouseSettings,
)
from cloudsales_pipeline.stock.rules import sync_rules

WAREHOUSE = "main"
START = 1_000
"""Pieces of every product at first."""
FAST = LimitSettings(requests_per_minute=100_000)
"""The most that the settings allow, so that our own pace is not what is measured."""


def settings_of(engine: Engine, shops: Shops, names: Sequence[str], limits: LimitSettings = FAST) -> Settings:
    """These channels, each told all of what the warehouse has."""
    url = engine.url.render_as_string(hide_password=False)
    rule = StockRuleSettings(warehouses=(WAREHOUSE,))
    channels = {name: ChannelSettings(kind="fashionup", url=shops.url(name), stock=rule, limits=limits) for name in names}
    return Settings(
        database=DatabaseSettings.model_validate({"url": url}), warehouses={WAREHOUSE: WarehouseSettings()}, channels=channels
    )


def fill(engine: Engine, settings: Settings, products: int) -> None:
    """`products` products S1, S2, …, `START` pieces of each; on every channel the listings V1, V2, …, acknowledged."""
    with engine.begin() as connection:
        register_channels(connection, settings)
    sync_rules(engine, settings)
    with engine.begin() as connection:
        _run(connection, "set local session_replication_role = replica")
        _run(connection, _PRODUCTS, n=products)
        _run(connection, _MOVEMENTS, quantity=START)
        _run(connection, _LEVELS, quantity=START)
        _run(connection, _PUBLICATIONS, quantity=START)
        _run(connection, _CHANNELS)
    analyse(engine)


def move_all(engine: Engine, reference: str, quantity: int, *, first: int = 1, count: int | None = None) -> None:
    """One movement of `quantity` for each product from the `first`, `count` of them, in one transaction."""
    with engine.begin() as connection:
        _run(connection, _MOVE, reference=reference, quantity=quantity, first=first, count=count)


def shown(engine: Engine, channel: str) -> dict[str, tuple[int, int]]:
    """What each listing of the channel should show: quantity and version."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select variant_id, quantity, version from cloudsales.publication where channel = :channel"),
            {"channel": channel},
        )
        return {variant: (quantity, version) for variant, quantity, version in rows}


def _run(connection: Connection, sql: str, **facts: object) -> None:
    connection.execute(sa.text(sql), facts)


_PRODUCTS = """
with made as (
    insert into cloudsales.product (sku, name, created_at, changed_at)
    select 'S' || n, 'Rochie ' || n, now(), now() from generate_series(1, :n) n returning product_id, sku
)
insert into cloudsales.product_code (product_id, kind, key, code, source, added_at)
select product_id, 'sku', lower(sku), sku, 'file', now() from made
"""
_MOVEMENTS = f"""
insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, reference, line, occurred_at)
select '{WAREHOUSE}', product_id, :quantity, 'receipt', 'first', product_id, now() from cloudsales.product
"""
_LEVELS = f"""
insert into cloudsales.stock_level (product_id, warehouse, on_hand, version)
select product_id, '{WAREHOUSE}', :quantity, 1 from cloudsales.product
"""
_PUBLICATIONS = """
insert into cloudsales.publication (channel, variant_id, product_id, rule_id, quantity, version, acknowledged_quantity,
    acknowledged_version, shown_quantity, state, changed_at, acknowledged_at, lag_seconds, pushed_version)
select r.channel, 'V' || substr(p.sku, 2), p.product_id, r.rule_id, :quantity, 1, :quantity, 1, :quantity, 'done', now(), now(), 0.1, 1
from cloudsales.product p cross join cloudsales.stock_rule r order by r.channel, p.product_id
"""
_CHANNELS = """
update cloudsales.stock_channel c
set shown = (select count(*) from cloudsales.publication p where p.channel = c.channel and p.shown_quantity > 0)
"""
_MOVE = f"""
insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, reference, line, occurred_at)
select '{WAREHOUSE}', product_id, :quantity, 'adjustment', :reference, row_number() over (order by product_id), now()
from cloudsales.product where product_id >= :first order by product_id limit :count
"""
