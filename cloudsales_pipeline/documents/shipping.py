"""Asking a courier, and what its answer means for one waybill. No database.

What belongs here: a parcel's data as a shipment, the calls, and every way they can end as an `Outcome`. What does not: claiming
and storing (`waybills`), HTTP and a courier's words (`couriers`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from cloudsales_pipeline.documents.couriers.port import (
    Address,
    Courier,
    CourierAwayError,
    CourierError,
    CourierRefusedError,
    CourierUnclearError,
    Created,
    Shipment,
)
from cloudsales_pipeline.errors import RefusedError, describe_unexpected

Kind = Literal["made", "absent", "refused", "away", "unclear"]
NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
"""A waybill's number or a barcode: it stands in file names and documents."""
MOST_BARCODES = 99
DEAREST = Decimal(1_000_000)


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a call. absent: there surely is none; unclear: nobody knows. `what`: for a person, nobody's name in it."""

    kind: Kind
    created: Created | None = None
    reason: str = ""
    what: str = ""
    retry_at: datetime | None = None


def shipment_of(row: Any, service: str) -> Shipment:
    """A claimed row with its buyer as the courier needs it.

    Raises:
        RefusedError: the buyer has no name, telephone or address, or the locker is not known.
    """
    delivery = row.delivery or {}
    name, phone = delivery.get("name") or row.buyer or "", delivery.get("phone") or row.phone or ""
    street, city = delivery.get("street") or "", delivery.get("city") or ""
    locker = row.locker_id if row.delivery_method == "locker" else None
    if row.erased_at is not None or not name.strip() or not phone.strip():
        raise RefusedError("The buyer has no name or telephone.")
    if not locker and (row.delivery_method == "locker" or not street.strip() or not city.strip()):
        raise RefusedError("The buyer has no locker." if row.delivery_method == "locker" else "The buyer has no street or town.")
    return Shipment(
        reference=row.reference,
        service=row.service or service,
        name=name,
        phone=phone,
        email=row.email or "",
        company=bool(row.company_name),
        address=Address(
            county=row.county or "",
            city=city,
            street=street,
            postal_code=delivery.get("postal_code") or "",
            country=delivery.get("country") or "RO",
            locker_id=locker,
        ),
        weight_grams=row.weight_grams,
        cash_on_delivery=row.cash_on_delivery,
        currency=row.currency,
        contents=f"Comanda {row.external_id}",
    )


def create(courier: Courier, shipment: Shipment) -> Outcome:
    """Have the waybill made. Whatever is not one of the port's answers is unclear: nobody knows how far it came."""
    return _asked(lambda: sound(courier.create(shipment)))


def find(courier: Courier, reference: str, day: date) -> Outcome:
    """Ask whether there is one under our reference: made, absent, or it can't be said now."""
    return _asked(lambda: courier.find_by_reference(reference, day))


def cancel(courier: Courier, number: str) -> Outcome:
    """Take a waybill back: absent, refused, away or unclear."""

    def call() -> None:
        courier.cancel(number)

    return _asked(call)


def _asked(call: Callable[[], Created | None]) -> Outcome:
    try:
        answer = call()
        return Outcome(kind="absent") if answer is None else Outcome(kind="made", created=sound(answer))
    except CourierRefusedError as error:
        return Outcome(kind="refused", reason=error.reason, what=error.message)
    except CourierAwayError as error:
        return Outcome(kind="away", reason=error.reason, what=error.message, retry_at=error.retry_at)
    except CourierUnclearError as error:
        return Outcome(kind="unclear", reason="unclear", what=error.message)
    except CourierError as error:
        return Outcome(kind="unclear", reason="unclear", what=error.message)
    except Exception as error:  # a defect of ours or of the library
        return Outcome(kind="unclear", reason="unexpected", what=describe_unexpected(error))


def sound(created: Created) -> Created:
    """The answer with only what can be kept of it.

    Raises:
        CourierUnclearError: its number is none.
    """
    if not isinstance(created, Created) or not isinstance(created.number, str) or not NUMBER.fullmatch(created.number):
        raise CourierUnclearError("The courier's answer holds no usable number of a waybill.")
    barcodes = tuple(one for one in created.barcodes if isinstance(one, str) and NUMBER.fullmatch(one))[:MOST_BARCODES]
    cost = created.cost
    if not (isinstance(cost, Decimal) and cost.is_finite() and 0 <= cost < DEAREST):
        cost = None
    return Created(number=created.number, barcodes=barcodes, cost=cost, currency=created.currency)
