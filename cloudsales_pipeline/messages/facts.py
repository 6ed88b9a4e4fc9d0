"""What is read of orders for their messages, a batch in one statement.

What belongs here: the shape and the reading. What does not: what is told (`telling`), and words (`context`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, convert
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps

GONE = frozenset({"failed", "cancelled"})
REACHED = ("created", "shipped", "in_locker", "delivered", "returned")


class Parcel(Struct, frozen=True, kw_only=True):
    """A waybill that has a number. again: how many of the same parcel had one before it."""

    waybill_id: int
    number: str
    courier: str
    state: str
    parcel: int
    again: int
    cash_on_delivery: Decimal
    currency: str
    locker: bool
    label_file_id: int | None
    file_name: str | None = None
    file_bytes: int | None = None


class Document(Struct, frozen=True, kw_only=True):
    """An issued document. again: how many of its kind the order had before; file_id: its PDF, once it is made."""

    document_id: int
    kind: str
    number: str
    issued_on: date
    total: Decimal
    currency: str
    live: bool
    again: int
    file_id: int | None
    file_name: str | None = None
    file_bytes: int | None = None


class OrderFacts(Struct, frozen=True, kw_only=True):
    """An order as it stands now. pending: parcels whose waybill has no number yet."""

    order_id: int
    channel: str
    external_id: str
    status: str
    placed_at: datetime
    payment_method: str
    delivery_method: str
    currency: str
    total: Decimal
    buyer_name: str | None
    email: str | None
    phone: str | None
    country: str
    erased: bool
    waiting: int
    lines: list[dict[str, Any]]
    parcels: list[Parcel]
    documents: list[Document]
    pending: int = 0

    def live_parcels(self) -> list[Parcel]:
        """Those that are not cancelled, in their order."""
        return [one for one in self.parcels if one.state not in GONE]

    def under_way(self) -> list[Parcel]:
        """Those of them that a person need not look for."""
        return [one for one in self.live_parcels() if one.state != "lost"]


def read_orders(connection: Connection, orders: Collection[int], *, lock: bool) -> dict[int, OrderFacts]:
    """Orders by id.

    Args:
        lock: keep erasures off until the transaction ends; whoever moves stock is not held up.
    """
    if not orders:
        return {}
    values = {"orders": sorted(orders)}
    queries = steps(__package__, "facts")
    if lock:
        connection.execute(sa.text(queries["lock"]), values)
    rows = connection.execute(sa.text(queries["read"]), values).mappings()
    return {row["order_id"]: convert(dict(row), OrderFacts, strict=False) for row in rows}


def find_order(connection: Connection, channel: str, external_id: str) -> int | None:
    """An order's id; None where there is none."""
    found = connection.execute(sa.text(steps(__package__, "facts")["find"]), {"channel": channel, "external_id": external_id})
    return found.scalar_one_or_none()
