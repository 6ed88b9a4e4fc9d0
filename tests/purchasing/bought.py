"""Supplier orders as a close leaves them, put there by SQL: for tests of what comes after the close."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.settings import Settings, SupplierSettings
from cloudsales_pipeline.settings.company import AddressSettings, CompanySettings
from cloudsales_pipeline.settings.model import WarehouseSettings

NOVEMBER = date(2026, 11, 20)
Line = Mapping[str, Any]


def with_suppliers(settings: Settings, *, email: str | None = "comenzi@nord.example", **purchasing: Any) -> Settings:
    """The settings of a shop that buys of nord (Romanian) and south (English, no address unless given)."""
    return settings.model_copy(
        update={
            "warehouses": {"CENTRAL": WarehouseSettings(name="Depozit central"), "CLUJ": WarehouseSettings()},
            "company": CompanySettings(
                name="Fashion Up SRL",
                tax_id="RO12345678",
                address=AddressSettings(street="Strada Fabricii 9", city="Cluj-Napoca"),
            ),
            "suppliers": {
                "nord": SupplierSettings(name="Țesătura Nordului SRL", email=email),
                "south": SupplierSettings(name="South Textiles Ltd", language="en"),
            },
            "purchasing": settings.purchasing.model_copy(update=purchasing),
        }
    )


def suppliers(engine: Engine, *names: str) -> None:
    """These suppliers, known by their key and by `Name SRL`."""
    with engine.begin() as connection:
        for name in names:
            connection.execute(
                sa.text("insert into cloudsales.supplier (supplier, name, cut_off, lead_time_days) values (:s, :n, '18:00', 3)"),
                {"s": name, "n": f"{name} SRL"},
            )
            for key in (name, f"{name} srl"):
                connection.execute(sa.text("insert into cloudsales.supplier_name values (:k, :s)"), {"k": key, "s": name})


def ordered(
    engine: Engine, number: str, lines: Sequence[Line], *, supplier: str = "nord", on: date = NOVEMBER, language: str = "ro"
) -> int:
    """A frozen order. A line: sku, quantity[, required, price, currency, pack_size, name, supplier_code, ties: {owner: pieces}]."""
    with engine.begin() as connection:
        order_id = connection.scalar(
            sa.text(
                "insert into cloudsales.supplier_order (supplier, business_date, number, cut_off_at, closed_at, language)"
                " values (:supplier, :on, :number, cast(:on as date) + time '16:00', cast(:on as date) + time '16:00:03', :language)"
                " returning supplier_order_id"
            ),
            {"supplier": supplier, "on": on, "number": number, "language": language},
        )
        rows = [{"position": place, **line} for place, line in enumerate(lines, start=1)]
        connection.execute(sa.text(LINES), {"order_id": order_id, "rows": json.dumps(rows, default=str)})
        connection.execute(sa.text(TIES), {"order_id": order_id, "rows": json.dumps(rows, default=str)})
    assert isinstance(order_id, int)
    return order_id


LINES = """
insert into cloudsales.supplier_order_line
    (supplier_order_id, position, product_id, sku, name, supplier_code, pack_size, required, quantity, price, currency)
select :order_id, r.position, p.product_id, p.sku, coalesce(r.name, p.name), r.supplier_code, coalesce(r.pack_size, 1),
       coalesce(r.required, r.quantity), r.quantity, r.price, case when r.price is not null then coalesce(r.currency, 'RON') end
from jsonb_to_recordset(cast(:rows as jsonb)) r (position integer, sku text, name text, supplier_code text, pack_size integer,
    required integer, quantity integer, price numeric, currency text)
join cloudsales.product p using (sku)
"""
TIES = """
insert into cloudsales.requirement (supplier_order_line_id, line_id, product_id, quantity)
select x.supplier_order_line_id, l.line_id, l.product_id, cast(t.value as integer)
from jsonb_to_recordset(cast(:rows as jsonb)) r (position integer, ties jsonb)
cross join jsonb_each_text(r.ties) t
join cloudsales.supplier_order_line x on x.supplier_order_id = :order_id and x.position = r.position
join cloudsales.sales_order_line l on l.owner = t.key
order by l.placed_at, l.owner
"""
