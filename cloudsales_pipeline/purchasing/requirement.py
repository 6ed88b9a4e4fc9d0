"""What must be bought, as lists for people, and the chain from an order's line to the goods and back.

What belongs here: reading. What does not: changing anything.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.codes import code_key
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.errors import InputError

Rows = list[dict[str, Any]]
MOST = 10_000


def open_requirement(connection: Connection, on_date: date, *, supplier: str | None = None, limit: int = MOST) -> Rows:
    """What must be bought, by supplier and SKU; `elsewhere`: free pieces in warehouses that these orders can't take from.

    `supplier` null in a row: none is known, a person must name one (`without_supplier`).
    """
    return _rows(connection, "open", on_date=on_date, supplier=supplier, limit=limit)


def without_supplier(connection: Connection, on_date: date, *, limit: int = MOST) -> Rows:
    """Products that must be bought and have no supplier on the date, the longest waiting first."""
    return _rows(connection, "without_supplier", on_date=on_date, limit=limit)


def waiting_unbought(connection: Connection, *, limit: int = MOST) -> Rows:
    """Lines that wait and are not to be bought, with a reason code: add_shortages_off, order_held, unknown_product and others."""
    return _rows(connection, "waiting_unbought", limit=limit)


def chain(connection: Connection, name: str, *, limit: int = MOST) -> Rows:
    """Order line ↔ requirement ↔ supplier order ↔ receipts, the oldest line first.

    Args:
        name: a product's SKU or another of its codes; else an order, as its id or channel/id.

    Raises:
        InputError: neither is known by it.
    """
    product = connection.scalar(sa.text(steps(__package__, "requirement")["product"]), {"sku": name, "key": code_key(name)})
    orders: list[int] = []
    if product is None:
        orders = [row["order_id"] for row in _rows(connection, "orders_named", name=name)]
    if product is None and not orders:
        raise InputError(f"There is no product and no order {name!r}.", next_step="cloudsales purchasing requirement")
    return _rows(connection, "chain", product=product, orders=orders, limit=limit)


def supplier_orders(connection: Connection, *, supplier: str | None = None, limit: int = 200) -> Rows:
    """Supplier orders with what became of them, the newest first."""
    return _rows(connection, "supplier_orders", supplier=supplier, limit=limit)


def order_lines(connection: Connection, number: str) -> Rows:
    """The lines of a supplier order, for which order lines each was bought, and with which deliveries it came.

    Raises:
        InputError: no such number.
    """
    rows = _rows(connection, "order_lines", number=number)
    if not rows:
        raise InputError(f"There is no supplier order {number!r}.", next_step="cloudsales purchasing orders")
    return rows


def _rows(connection: Connection, step: str, **values: object) -> Rows:
    return [dict(row) for row in connection.execute(sa.text(steps(__package__, "requirement")[step]), values).mappings()]
