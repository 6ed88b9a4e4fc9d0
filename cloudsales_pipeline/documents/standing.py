"""Orders whose documents are at stake, locked; and what all that issues for them shares.

What belongs here: locking, quarantine, an invoice's draft, and writing with what goes along. What does not: which documents are
wanted (`judging`, `issuing`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.building import build_content, flags_of
from cloudsales_pipeline.documents.content import Content, Kind
from cloudsales_pipeline.documents.drafts import Draft, Issued, Refused, write
from cloudsales_pipeline.documents.snapshot import OrderSnapshot
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.orders.life import issue_goods
from cloudsales_pipeline.settings import Settings


class Order(Struct, frozen=True):
    """An order, locked until the transaction ends."""

    order_id: int
    channel: str
    external_id: str
    status: str


def invoice_draft(settings: Settings, order: OrderSnapshot, kind: Kind, *, cause: str) -> Draft:
    """An invoice of all that the order holds, in the language of its channel."""
    own = settings.channels[order.channel].documents.language if order.channel in settings.channels else None

    def build(number: str, issued_on: date) -> Content:
        return build_content(
            order,
            kind=kind,
            number=number,
            seller=settings.company,
            issued_on=issued_on,
            due_on=issued_on + timedelta(days=settings.documents.payment_days),
            language=own or settings.documents.language,
        )

    return Draft(
        order_id=order.order_id,
        channel=order.channel,
        external_id=order.external_id,
        kind=kind,
        cause=cause,
        build=build,
        flags=lambda content: flags_of(order, content),
        lines=tuple(line.line_id for line in order.lines if line.quantity > 0),
    )


def write_out(
    connection: Connection, settings: Settings, drafts: Sequence[Draft], now: datetime
) -> tuple[list[Issued], list[Refused]]:
    """Number and write; goods leave with their fiscal invoice where the settings say so."""
    issued, refused = write(connection, settings, drafts, today=now.astimezone(ZoneInfo(settings.timezone)).date())
    if settings.documents.goods_leave_on == "fiscal_invoice":
        leaving = {one.order_id: f"invoice:{one.number}" for one in issued if one.kind == "fiscal_invoice"}
        if leaving:
            issue_goods(connection, leaving, now=now)
    return issued, refused


def locked(connection: Connection, order_ids: Sequence[int]) -> list[Order]:
    """These orders, locked in everybody's order; who moves their stock is not kept waiting."""
    return [
        Order(row.order_id, row.channel, row.external_id, row.status) for row in run(connection, "lock", orders=list(order_ids))
    ]


def locked_one(connection: Connection, channel: str, external_id: str) -> Order:
    """One order, locked.

    Raises:
        InputError: there is none.
    """
    row = run(connection, "lock_one", channel=channel, external_id=external_id).one_or_none()
    if row is None:
        raise InputError(f"There is no order {external_id} of {channel}.", next_step="see cloudsales orders list")
    return Order(row.order_id, row.channel, row.external_id, row.status)


def quarantine(connection: Connection, rows: Sequence[tuple[Order, str, dict[str, Any]]]) -> None:
    """Set (order, reason, detail) aside for a person; what is there already keeps its place."""
    if rows:
        named = [
            {"channel": order.channel, "reference": order.external_id, "reason": reason, "detail": detail}
            for order, reason, detail in rows
        ]
        run(connection, "quarantine", rows=json.dumps(named))


def run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    """A step of issuing.sql."""
    return connection.execute(sa.text(steps(__package__, "issuing")[step]), values)
