"""What rules may know of an order, read for whole batches at once.

What belongs here: the facts, their types and how they are read. What does not: judging them (`rules`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps

FactType = Literal["text", "number", "yes_or_no", "texts"]


class Facts(Struct, frozen=True, kw_only=True):
    """An order's facts; pieces, hours, amounts in the order's currency. What each means: `MEANINGS`."""

    channel: str
    status: str
    total: Decimal
    currency: str
    discount: Decimal
    delivery_price: Decimal
    payment_method: str
    payment_status: str
    paid: bool
    delivery_method: str
    courier: str
    county: str
    company: bool
    quantity: int
    lines: int
    reserved: int
    waiting: int
    issued: int
    cancelled: int
    reserved_share: Decimal
    fully_reserved: bool
    warehouse: str
    warehouses: tuple[str, ...]
    age_hours: Decimal
    in_review: bool
    review: tuple[str, ...]
    goods_checked: bool
    has_proforma_invoice: bool
    has_fiscal_invoice: bool
    has_waybill: bool


MEANINGS: dict[str, tuple[FactType, str]] = {
    "channel": ("text", "the channel's name in the settings"),
    "status": ("text", "new, paid, issued; orders that are held, expired, cancelled or returned get no document by rules"),
    "total": ("number", "the order's total with VAT, as the channel says it"),
    "currency": ("text", "RON, EUR, …"),
    "discount": ("number", "on the order as a whole; not what is on single lines"),
    "delivery_price": ("number", "with VAT"),
    "payment_method": ("text", "card, cash_on_delivery, bank_transfer, unknown"),
    "payment_status": ("text", "pending, paid, refunded, unknown"),
    "paid": ("yes_or_no", "payment_status is paid"),
    "delivery_method": ("text", "courier, locker, store_pickup, unknown"),
    "courier": ("text", "the one that the channel names; empty: none"),
    "county": ("text", "of delivery, such as Cluj; empty: none of Romania's"),
    "company": ("yes_or_no", "the buyer says that it is a company"),
    "quantity": ("number", "pieces that are wanted: ordered less cancelled"),
    "lines": ("number", "lines with such pieces"),
    "reserved": ("number", "pieces that the order holds"),
    "waiting": ("number", "pieces that wait for stock"),
    "issued": ("number", "pieces that have left"),
    "cancelled": ("number", "pieces that are wanted no more"),
    "reserved_share": ("number", "(reserved + issued) / quantity, 0 to 1"),
    "fully_reserved": ("yes_or_no", "nothing waits, and something is wanted"),
    "warehouse": ("text", "the one that all it holds lies in; empty: none, or several"),
    "warehouses": ("texts", "all that it holds pieces in"),
    "age_hours": ("number", "since it was placed; rules that mention it are judged again every hour"),
    "in_review": ("yes_or_no", "a person should look at it"),
    "review": ("texts", "why, as codes: total_differs, …"),
    "goods_checked": ("yes_or_no", "somebody said so: cloudsales documents goods-checked, or a scan"),
    "has_proforma_invoice": ("yes_or_no", "a live one"),
    "has_fiscal_invoice": ("yes_or_no", "a live one"),
    "has_waybill": ("yes_or_no", "one that has not failed and was not cancelled"),
}


def facts_of(connection: Connection, order_ids: Sequence[int], now: datetime) -> dict[int, Facts]:
    """The facts of these orders by their ids, in one statement; an id that is no order's is left out."""
    rows = connection.execute(sa.text(steps(__package__, "facts")["facts"]), {"orders": list(order_ids), "now": now}).mappings()
    return {row["order_id"]: _facts(row) for row in rows}


def as_kept(facts: Facts) -> dict[str, Any]:
    """Facts as they are kept on a document (I-36): amounts as text, so that no cent is lost."""
    kept: dict[str, Any] = msgspec.to_builtins(facts)
    return kept


def _facts(row: Any) -> Facts:
    values = {name: row[name] for name in Facts.__struct_fields__ if name not in ("warehouse", "warehouses", "review")}
    houses = tuple(row["warehouses"])
    return Facts(**values, warehouse=houses[0] if len(houses) == 1 else "", warehouses=houses, review=tuple(row["review"]))
