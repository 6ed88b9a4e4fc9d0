"""The fields of Sameday's order and answers, and its codes. Pure.

What belongs here: names, and what a code means. What does not: paths and calls (`sameday`).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_UP, Decimal
from typing import Any

from cloudsales_pipeline.documents.couriers import texts
from cloudsales_pipeline.documents.couriers.port import ParcelEvent, ParcelState, Shipment
from cloudsales_pipeline.documents.couriers.times import instant
from cloudsales_pipeline.settings.documents import CourierSettings

FIRST_PARCEL = "001"  # behind a waybill's number: the barcode of its one parcel
SUFFIX = len(FIRST_PARCEL)
LIGHTEST = Decimal("0.1")  # kilograms
PERSON, COMPANY = "0", "1"
PARCEL = "0"
CLIENT_PAYS = "1"
DELIVERED = 9

# By statusId: 1, 9 and 33 are in Sameday's own SDK, 5 and 56 in a recorded answer, 4, 23, 78 and 84 in one client's list of
# answers that it saw. Any other code says nothing of a state; what Sameday calls returned is told by `inReturn` alone.
STATES: dict[int, ParcelState] = {
    1: "created",
    23: "created",
    4: "shipped",
    5: "shipped",  # crossing a border
    33: "shipped",
    56: "shipped",
    84: "shipped",
    78: "in_locker",
    DELIVERED: "delivered",
}


def order(shipment: Shipment, settings: CourierSettings) -> list[tuple[str, str]]:
    """The form of an order, in PHP's nesting.

    Raises:
        CourierRefusedError: what Sameday would refuse, before it is asked.
    """
    texts.check(shipment)
    weight = max(LIGHTEST, (Decimal(shipment.weight_grams) / 1000).quantize(Decimal("0.01"), ROUND_UP))
    fields = {
        "pickupPoint": settings.client_id,
        "contactPerson": settings.contact_person,
        "packageType": PARCEL,
        "packageNumber": "1",
        "packageWeight": str(weight),
        "service": _service(shipment, settings),
        "awbPayment": CLIENT_PAYS,
        "cashOnDelivery": str(shipment.cash_on_delivery.quantize(Decimal("0.01"))),
        "insuredValue": "0",
        "thirdPartyPickup": "0",
        "parcels[0][weight]": str(weight),
        "observation": texts.cut(shipment.contents, 200),
        "clientInternalReference": texts.reference(shipment.reference),
        "lockerLastMile": _locker(shipment),
        "currency": shipment.currency,
    }
    nested = {f"awbRecipient[{name}]": value for name, value in _recipient(shipment).items()}
    return [(name, value) for name, value in (fields | nested).items() if value]


def _recipient(shipment: Shipment) -> dict[str, str]:
    county, town, sector = texts.place(shipment)
    name = texts.cut(shipment.name, 100)
    return {
        "name": name,
        "phoneNumber": texts.phone(shipment.phone),
        "email": texts.cut(shipment.email, 100),
        "personType": COMPANY if shipment.company else PERSON,
        "companyName": name if shipment.company else "",
        "countyString": county,
        "cityString": f"Sectorul {sector}" if sector else town,
        "address": texts.cut(shipment.address.street, 250),
        "postalCode": texts.cut(shipment.address.postal_code, 10),
    }


def _service(shipment: Shipment, settings: CourierSettings) -> str:
    usual = settings.locker_service if shipment.address.locker_id else settings.service
    service = shipment.service or usual
    if not service.isdecimal():
        step = "write the service's number into the rule or the courier's settings"
        raise texts.refused("service_unknown", "Sameday's services have numbers, and none is set for this parcel", step)
    return service


def _locker(shipment: Shipment) -> str:
    locker = (shipment.address.locker_id or "").strip()
    if locker and not locker.isdecimal():
        raise texts.refused("locker_unknown", "Sameday's lockers have numbers", "correct the locker in the order")
    return locker


def events(rows: Any, number: str = "") -> Iterator[ParcelEvent]:
    """Events of a history or of status-sync; one without a code, a time or a parcel is left out, for it can't be kept.

    Args:
        number: the waybill, where the rows don't say it.
    """
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            continue
        waybill = number or texts.number_of(row.get("parcelAwbNumber"))[:-SUFFIX]
        code, at = texts.number_of(row.get("statusId")), instant(row.get("statusDate"))
        if waybill and code and at:
            yield ParcelEvent(number=waybill, occurred_at=at, code=code, state=_state(code, row.get("inReturn") is True))


def _state(code: str, in_return: bool) -> ParcelState | None:
    """On its way back only the end counts: delivered to the sender."""
    status = int(code) if code.isdecimal() else 0
    if in_return:
        return "returned" if status == DELIVERED else None
    return STATES.get(status)


def number_found(answer: Any, reference: str) -> str:
    """The number of the waybill in a look-up's answer; empty where none is plainly there, or its reference is another."""
    rows = [answer]
    if isinstance(answer, dict):
        inner = answer.get("data")
        rows += [answer.get("expeditionSummary"), *(inner if isinstance(inner, list) else [inner])]
    numbers = set()
    for row in rows:
        if isinstance(row, dict) and (number := texts.number_of(row.get("awbNumber"))):
            if row.get("clientInternalReference", reference) != reference:
                return ""
            numbers.add(number)
    return numbers.pop() if len(numbers) == 1 else ""
