"""Reading orders out of the tables as invoices need them, whole batches at once.

What belongs here: the one query and its rows as `OrderSnapshot`. What does not: amounts (`building`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.snapshot import Buyer, BuyerAddress, OrderSnapshot, SnapshotLine

LONGEST = 300  # of a part of an address or a name: what is longer is no such thing


def snapshots_of(connection: Connection, order_ids: Sequence[int], *, zone: str) -> dict[int, OrderSnapshot]:
    """These orders by their ids, with days in the business's time zone; an id that is no order's is left out.

    Header, buyer and lines are of the moment of each statement: where they must fit, the orders are locked.
    """
    queries = steps(__package__, "snapshots")
    lines: dict[int, list[SnapshotLine]] = {order_id: [] for order_id in order_ids}
    for row in connection.execute(sa.text(queries["lines"]), {"orders": list(order_ids)}):
        lines[row.order_id].append(
            SnapshotLine(
                line_id=row.external_line_id,
                position=row.position,
                sku=row.sku,
                name=row.name,
                quantity=row.quantity,
                unit_price=row.unit_price,
                discount=row.discount,
                vat_rate=row.vat_rate,
            )
        )
    heads = connection.execute(sa.text(queries["heads"]), {"orders": list(order_ids), "zone": zone})
    return {row.order_id: _snapshot(row, tuple(lines[row.order_id])) for row in heads}


def _snapshot(row: Any, lines: tuple[SnapshotLine, ...]) -> OrderSnapshot:
    return OrderSnapshot(
        order_id=row.order_id,
        channel=row.channel,
        external_id=row.external_id,
        placed_on=row.placed_on,
        supplied_on=row.supplied_on,
        paid=row.payment_status == "paid",
        payment_method=row.payment_method,
        delivery_method=row.delivery_method,
        currency=row.currency,
        delivery_price=row.delivery_price,
        discount=row.discount,
        total=row.total,
        buyer=_buyer(row),
        lines=lines,
    )


def _buyer(row: Any) -> Buyer:
    return Buyer(
        name=row.name or "",
        email=row.email or "",
        phone=row.phone or "",
        company=row.company,
        company_name=row.company_name or "",
        company_tax_id=row.company_tax_id or "",
        company_registration_number=row.company_registration_number or "",
        address=_address(row.billing or row.delivery or {}),
        erased=row.erased_at is not None,
    )


def _address(said: Mapping[str, Any]) -> BuyerAddress:
    names = [name for name in BuyerAddress.__struct_fields__ if isinstance(said.get(name), str)]
    values = {name: said[name][:LONGEST] for name in names if said[name].strip()}
    return BuyerAddress(**values)
