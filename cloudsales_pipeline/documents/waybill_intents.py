"""Waybills that the rules want, as rows with our reference, before any courier is called (I-37).

What belongs here: writing the intents, with parcels and weights. What does not: calling couriers (`waybills`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.settings.documents import DocumentSettings


class Intent(Struct, frozen=True, kw_only=True):
    """A waybill for an order, whose row is locked; `facts` as they are kept."""

    order_id: int
    courier: str
    service: str = ""
    rule: str = ""
    facts: dict[str, Any] = {}


def intend(connection: Connection, intents: Sequence[Intent], settings: DocumentSettings) -> int:
    """Write them, in the caller's transaction; how many parcels are new. What is live already stays as it is."""
    if not intents:
        return 0
    rows = [{name: getattr(one, name) for name in Intent.__struct_fields__} for one in intents]
    made = connection.execute(
        sa.text(steps(__package__, "waybill_intents")["intend"]),
        {
            "rows": json.dumps(rows),
            "piece_grams": settings.parcel_weight_grams,
            "heaviest": settings.heaviest_parcel_grams,
        },
    )
    return len(made.all())
