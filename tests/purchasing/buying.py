"""A small house that buys: suppliers, prices, orders that lack stock, and what a test asks of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.settings import (
    ChannelSettings,
    OrderSettings,
    PurchasingSettings,
    Settings,
    StockRuleSettings,
    SupplierSettings,
    WarehouseSettings,
)
from tests.orders.market import line, market, order, receive, shop
from tests.stock.shelf import rows

NOW = datetime(2026, 11, 24, 20, tzinfo=UTC)
"""Past the cut-off of 18:00 in Bucharest (16:00 UTC) of 24 November, a Tuesday."""


def house(
    base: Settings, suppliers: Mapping[str, Mapping[str, Any]], *, channels: Sequence[str] = ("fashionup",), **purchasing: Any
) -> Settings:
    """Settings of a retailer with these suppliers, warehouses CENTRAL (where goods are received) and CLUJ."""
    channel = ChannelSettings(
        kind="fashionup",
        url="http://127.0.0.1:9/v1",
        stock=StockRuleSettings(warehouses=("CENTRAL",)),
        orders=OrderSettings(warehouse="CENTRAL"),
    )
    return base.model_copy(
        update={
            "warehouses": {name: WarehouseSettings() for name in ("CENTRAL", "CLUJ")},
            "channels": dict.fromkeys(channels, channel),
            "suppliers": {name: SupplierSettings.model_validate(terms) for name, terms in suppliers.items()},
            "purchasing": PurchasingSettings.model_validate(purchasing),
        }
    )


def shelves(
    engine: Engine,
    settings: Settings,
    of: Mapping[str, str | None],
    stock: Mapping[str, int] | None = None,
) -> None:
    """Products by SKU with what the catalogue says of their supplier, some with stock in CENTRAL."""
    stocked = dict(stock or {})
    market(engine, stocked, more=[sku for sku in of if sku not in stocked], channels=list(settings.channels))
    with engine.begin() as connection:
        connection.execute(sa.text("select set_config('cloudsales.product_update', 'catalogue file', true)"))
        connection.execute(
            sa.text(
                "update cloudsales.product p set supplier = u.supplier from unnest(cast(:skus as text[]), cast(:of as text[]))"
                " u (sku, supplier) where u.sku = p.sku and u.supplier is not null"
            ),
            {"skus": list(of), "of": list(of.values())},
        )
    sync_suppliers(engine, settings)


def wanted(
    engine: Engine, name: str, sku: str, pieces: int, *, at: str | None = None, channel: str = "fashionup", **more: Any
) -> None:
    """One order of one line; `at`: when it came in, in UTC, else before every cut-off of a test."""
    receive(engine, order(name, line(sku, pieces), **more), channel=channel, settings=shop())
    came_in(engine, name, at or "2026-11-01 12:00", channel=channel)


def came_in(engine: Engine, name: str, at: str, *, channel: str = "fashionup") -> None:
    """Set the moment at which an order was taken in (UTC)."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update cloudsales.sales_order set imported_at = cast(:at as timestamptz) where channel = :channel and external_id = :name"
            ),
            {"at": at if "+" in at else f"{at}+00", "channel": channel, "name": name},
        )


def ordered(engine: Engine) -> list[tuple[Any, ...]]:
    """(supplier, date, sku, quantity, required, surplus), by these."""
    return rows(
        engine,
        "select supplier, business_date::text, sku, quantity, required, surplus from analytics.supplier_order_line order by 1, 2, 3",
    )


def ties(engine: Engine) -> list[tuple[Any, ...]]:
    """(order's id, pieces, outstanding, from surplus), in the order in which they were made."""
    return rows(
        engine,
        "select o.external_id, r.quantity, r.outstanding, r.from_surplus from cloudsales.requirement r"
        " join cloudsales.sales_order_line l using (line_id) join cloudsales.sales_order o using (order_id) order by r.requirement_id",
    )


def to_be_bought(engine: Engine) -> dict[str, int]:
    """Open pieces by SKU."""
    return dict(
        rows(  # type: ignore[arg-type]
            engine,
            "select p.sku, sum(q.quantity)::integer from cloudsales.open_requirement q join cloudsales.product p using (product_id) group by 1",
        )
    )


def priced(engine: Engine, supplier: str, sku: str, *, price: str = "1.00", valid_from: str = "2026-01-01", **more: Any) -> None:
    """A price of a supplier, in RON."""
    facts: dict[str, Any] = {
        "supplier_code": None,
        "pack_size": None,
        "minimum_quantity": None,
        "lead_time_days": None,
        "preferred": False,
        "locked": False,
    }
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cloudsales.supplier_price (supplier, product_id, supplier_code, price, currency, pack_size,"
                " minimum_quantity, lead_time_days, preferred, locked, valid_from)"
                " select :supplier, product_id, :supplier_code, cast(:price as numeric), 'RON', :pack_size, :minimum_quantity,"
                " :lead_time_days, :preferred, :locked, cast(:valid_from as date) from cloudsales.product where sku = :sku"
            ),
            facts | {"supplier": supplier, "sku": sku, "price": price, "valid_from": valid_from} | more,
        )
