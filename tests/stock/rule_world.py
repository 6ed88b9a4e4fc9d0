"""What stock tests put on the table: products, movements, a channel's listings, settings with a rule."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.settings import Settings

NUMBERS = itertools.count()
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def with_channels(settings: Settings, **channels: dict[str, Any]) -> Settings:
    """The settings with warehouses A, B and C, and these channels' stock sections (and, for a store, its kind)."""
    sections = {
        name: {"kind": "fashionup", "url": "http://127.0.0.1:9/v1", **section} if "stock" in section else section
        for name, section in channels.items()
    }
    return Settings.model_validate(
        {**settings.model_dump(exclude={"channels"}), "warehouses": {"A": {}, "B": {}, "C": {}}, "channels": sections}
    )


def put_products(engine: Engine, *skus: str, category: str | None = None) -> None:
    with engine.begin() as connection:
        for warehouse in "ABC":
            connection.execute(
                sa.text("insert into cloudsales.warehouse (warehouse) values (:w) on conflict do nothing"), {"w": warehouse}
            )
        for sku in skus:
            connection.execute(
                sa.text(
                    "insert into cloudsales.product (sku, name, category, created_at, changed_at)"
                    " values (:sku, :sku, :category, now(), now())"
                ),
                {"sku": sku, "category": category},
            )


def put_listings(engine: Engine, *skus: str, channel: str = "fashionup") -> None:
    """A linked listing a SKU, its variant id `v` and the SKU."""
    with engine.begin() as connection:
        for sku in skus:
            put_listing(connection, channel, sku)


def put_listing(connection: Connection, channel: str, sku: str) -> None:
    facts = {"channel": channel, "variant": f"v{sku}", "sku": sku}
    connection.execute(
        sa.text(
            "insert into cloudsales.listing_product (channel, external_id, code, name, brand, description, category_ids, images,"
            " characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at) values (:channel, :variant, null,"
            " 'Rochie', null, null, '{}', '[]', '[]', 'active', now(), '', '', now(), now())"
        ),
        facts,
    )
    connection.execute(
        sa.text(
            "with l as (insert into cloudsales.listing (channel, variant_id, product_external_id, position, ean_state,"
            " channel_stock, row_hash, first_seen_at, changed_at) values (:channel, :variant, :variant, 0, 'empty', 3, '', now(),"
            " now()) returning listing_id)"
            " insert into cloudsales.link (listing_id, channel, product_id, matched_by, code_hits, ean_hits, rules_version,"
            " linked_at) select l.listing_id, :channel, p.product_id, 'manual', 0, 0, 1, now()"
            " from l, cloudsales.product p where p.sku = :sku"
        ),
        facts,
    )


def move_in(connection: Connection, sku: str, warehouse: str, quantity: int, at: datetime = LONG_AGO) -> None:
    connection.execute(
        sa.text(
            "insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, reference, occurred_at)"
            " select :warehouse, product_id, :quantity, 'adjustment', :reference, :at from cloudsales.product where sku = :sku"
        ),
        {"sku": sku, "warehouse": warehouse, "quantity": quantity, "at": at, "reference": f"T-{next(NUMBERS)}"},
    )


def move(engine: Engine, sku: str, warehouse: str, quantity: int, at: datetime = LONG_AGO) -> None:
    with engine.begin() as connection:
        move_in(connection, sku, warehouse, quantity, at)


def reserve(engine: Engine, sku: str, warehouse: str, quantity: int, since: datetime, until: datetime | None = None) -> None:
    """A reservation of the time from `since`; with `until`, one that was released then."""
    with engine.begin() as connection:
        facts = {"sku": sku, "warehouse": warehouse, "quantity": quantity, "since": since, "until": until}
        number = connection.scalar(
            sa.text(
                "insert into cloudsales.reservation (owner, product_id, warehouse, quantity, placed_at, created_at)"
                " select 'order/1', product_id, :warehouse, :quantity, :since, :since from cloudsales.product where sku = :sku"
                " returning reservation_id"
            ),
            facts,
        )
        if until:
            connection.execute(
                sa.text("update cloudsales.reservation set state = 'released', ended_at = :until where reservation_id = :number"),
                {"until": until, "number": number},
            )


def shown(engine: Engine, channel: str = "fashionup") -> dict[str, tuple[int | None, int]]:
    """Per variant its wanted quantity and version."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select variant_id, quantity, version from cloudsales.publication where channel = :c"), {"c": channel}
        )
        return {row.variant_id: (row.quantity, row.version) for row in rows}
