"""The one writer of orders, lines, buyers and what is told of them: whole batches, by COPY where rows are new.

What belongs here: how rows are written. What does not: what they say (`deciding`, `amending`), and reservations (stock's).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.channels.port import ChannelOrder
from cloudsales_pipeline.database.engine import copy_rows, steps
from cloudsales_pipeline.orders.amending import Line
from cloudsales_pipeline.orders.totals import order_discount

ORDER_COLUMNS = (
    "order_id", "channel", "external_id", "revision", "status", "channel_status", "placed_at", "changed_at", "payment_method",
    "payment_status", "paid_at", "delivery_method", "courier", "county", "company", "currency", "delivery_price", "discount",
    "total", "expected_total", "review", "whole", "warehouses",
)  # fmt: skip
LINE_COLUMNS = (
    "order_id", "external_line_id", "position", "owner", "variant_id", "code", "ean", "name", "product_id", "unknown", "quantity",
    "reserved", "cancelled", "advised", "unit_price", "vat_rate", "discount", "placed_at",
)  # fmt: skip
BUYER_COLUMNS = (
    "order_id", "name", "email", "phone", "company_name", "company_tax_id", "company_registration_number", "note", "delivery",
    "billing",
)  # fmt: skip
COURIER_CAP = 100


class OrderRow(Struct, frozen=True, kw_only=True):
    """An order as it is to be written."""

    order_id: int
    order: ChannelOrder
    status: str
    review: list[str]
    county: str | None
    expected_total: Decimal
    whole: bool
    warehouses: tuple[str, ...]


class LineRow(Struct, frozen=True):
    """A new line of an order, and what it holds already."""

    order_id: int
    line: Line
    placed_at: datetime


class Told(Struct, frozen=True):
    """An event: what happened, to what, and in `detail` under which document. No personal data."""

    kind: str
    reference: str
    product_id: int | None = None
    quantity: int | None = None
    detail: dict[str, object] = {}


def write_new_orders(connection: Connection, channel: str, rows: Sequence[OrderRow]) -> None:
    """New orders with their buyers and discounts; one that another transaction has just written ends this one (23505)."""
    if not rows:
        return
    columns = ", ".join(ORDER_COLUMNS)
    copy_rows(
        connection,
        f"copy cloudsales.sales_order ({columns}) from stdin",
        (
            (row.order_id, channel, *_order_values(row)[:-1], _array(tuple(row.review)), row.whole, _array(row.warehouses))
            for row in rows
        ),
    )
    buyers = ((row.order_id, *_buyer_values(row.order)) for row in rows)
    copy_rows(connection, f"copy personal.buyer ({', '.join(BUYER_COLUMNS)}) from stdin", buyers)
    write_discounts(connection, [(row.order_id, row.order) for row in rows])


def update_orders(connection: Connection, rows: Sequence[OrderRow]) -> None:
    """Known orders as their new revision says."""
    if not rows:
        return
    queries = steps(__package__, "intake")
    names = ("external_id", "revision", "status", "channel_status", "placed_at", *ORDER_COLUMNS[7:-2])
    orders = [{"order_id": row.order_id, **dict(zip(names, _order_values(row), strict=True))} for row in rows]
    connection.execute(sa.text(queries["update_orders"]), {"rows": _json(orders)})
    buyers = [
        {"order_id": row.order_id, **dict(zip(BUYER_COLUMNS[1:-2], _buyer_values(row.order)[:-2], strict=True))}
        | {"delivery": row.order.delivery, "billing": row.order.billing}
        for row in rows
    ]
    connection.execute(sa.text(queries["update_buyers"]), {"rows": _json(buyers)})
    connection.execute(sa.text(queries["drop_discounts"]), {"orders": [row.order_id for row in rows]})
    write_discounts(connection, [(row.order_id, row.order) for row in rows])


def write_discounts(connection: Connection, orders: Sequence[tuple[int, ChannelOrder]]) -> None:
    """The discounts of orders that have none written."""
    rows = [
        (order_id, position, one.code, one.line_id, one.amount)
        for order_id, order in orders
        for position, one in enumerate(order.discounts, start=1)
    ]
    if rows:
        columns = "order_id, position, code, external_line_id, amount"
        copy_rows(connection, f"copy cloudsales.sales_order_discount ({columns}) from stdin", rows)


def write_new_lines(connection: Connection, rows: Sequence[LineRow]) -> None:
    """New lines with what they hold already."""
    if not rows:
        return
    copy_rows(
        connection,
        f"copy cloudsales.sales_order_line ({', '.join(LINE_COLUMNS)}) from stdin",
        ((row.order_id, *_line_values(row.line), row.placed_at) for row in rows),
    )


def update_lines(connection: Connection, lines: Sequence[Line]) -> None:
    """Known lines; what they hold and have issued follows their reservations, and is not written here."""
    if lines:
        rows = [{name: getattr(line, name) for name in Line.__struct_fields__} for line in lines]
        connection.execute(sa.text(steps(__package__, "intake")["update_lines"]), {"rows": _json(rows)})


def tell(connection: Connection, channel: str, told: Iterable[Told]) -> None:
    """Write events, in their order."""
    rows = [(one.kind, channel, one.reference, one.product_id, one.quantity, _json(one.detail)) for one in told]
    if rows:
        copy_rows(connection, "copy cloudsales.event (kind, channel, reference, product_id, quantity, detail) from stdin", rows)


def _order_values(row: OrderRow) -> tuple[Any, ...]:
    """From external_id to review, in the order of ORDER_COLUMNS."""
    order = row.order
    return (
        order.order_id,
        order.revision,
        row.status,
        order.status.value,
        order.placed_at,
        order.updated_at,
        order.payment_method.value,
        order.payment_status.value,
        order.paid_at,
        order.delivery_method.value,
        order.courier[:COURIER_CAP] if order.courier else None,
        row.county,
        order.buyer.company is not None,
        order.currency,
        order.delivery_price,
        order_discount(order),
        order.total,
        row.expected_total,
        row.review,
    )


def _buyer_values(order: ChannelOrder) -> tuple[Any, ...]:
    company = order.buyer.company
    return (
        order.buyer.name,
        order.buyer.email,
        order.buyer.phone,
        company.name if company else None,
        company.tax_id if company else None,
        company.registration_number if company else None,
        order.note,
        _json(order.delivery),
        _json(order.billing) if order.billing else None,
    )


def _line_values(line: Line) -> tuple[Any, ...]:
    return (
        line.external_line_id,
        line.position,
        line.owner,
        line.variant_id,
        line.code,
        line.ean,
        line.name,
        line.product_id,
        line.unknown,
        line.quantity,
        line.reserved,
        line.cancelled,
        line.advised,
        line.unit_price,
        line.vat_rate,
        line.discount,
    )


@lru_cache(maxsize=256)
def _array(texts: tuple[str, ...]) -> str:
    """A text[] as PostgreSQL writes it: the driver looks into every list anew, two an order, and these hardly differ."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
