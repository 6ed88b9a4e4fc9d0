"""A courier of the tests' own, that implements the port and behaves as badly as it is told; and what tests ask of waybills."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import ChannelOrder
from cloudsales_pipeline.documents.couriers.port import (
    CourierAwayError,
    CourierRefusedError,
    CourierUnclearError,
    Created,
    ParcelEvent,
    Shipment,
)
from cloudsales_pipeline.documents.issuing import issue_due
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.settings.documents import CourierSettings
from tests.documents.office import NOON, office
from tests.orders.market import receive
from tests.stock.shelf import rows

BY_FAN = {"issue": "waybill", "when": "fully_reserved", "name": "by fan", "courier": "fan", "service": "Standard"}
PDF = b"%PDF-1.7\nlabel\n%%EOF\n"


class Depot:
    """One courier's account. `faults` are used up call by call: a function that gets the shipment, and what it raises is raised.

    made: reference → its numbers, as the courier has them: more than one is what must never be.
    """

    def __init__(self, prefix: str = "F", faults: Sequence[Callable[[Depot, Shipment], Any]] = ()) -> None:
        self.prefix = prefix
        self.faults = list(faults)
        self.made: dict[str, list[str]] = {}
        self.shipments: list[Shipment] = []
        self.cancelled: list[str] = []
        self.looked_up: list[tuple[str, date]] = []
        self.labels: dict[str, bytes | Exception] = {}
        self.happened: list[ParcelEvent] = []
        self.asked: list[tuple[str, ...]] = []
        self.since: list[datetime] = []
        self.offers_since = False
        self.away = False
        self.closed = 0
        self.before_label: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def create(self, shipment: Shipment) -> Created:
        with self._lock:
            self.shipments.append(shipment)
            fault = self.faults.pop(0) if self.faults else None
        if self.away:
            raise CourierAwayError("The courier is away.")
        if fault is not None:
            answer = fault(self, shipment)
            if answer is not None:
                return answer  # type: ignore[no-any-return]
        return self.work(shipment)

    def work(self, shipment: Shipment) -> Created:
        with self._lock:
            number = f"{self.prefix}{1 + sum(map(len, self.made.values()))}"
            self.made.setdefault(shipment.reference, []).append(number)
        return Created(number=number, barcodes=(f"{number}001",), cost=Decimal("17.50"))

    def find_by_reference(self, reference: str, day: date) -> Created | None:
        self.looked_up.append((reference, day))
        if self.away:
            raise CourierAwayError("The courier is away.")
        numbers = self.made.get(reference)
        return Created(number=numbers[0], barcodes=(f"{numbers[0]}001",)) if numbers else None

    def label(self, number: str) -> bytes:
        self.before_label()
        answer = self.labels.get(number, PDF)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def track(self, numbers: Sequence[str]) -> list[ParcelEvent]:
        self.asked.append(tuple(numbers))
        if self.away:
            raise CourierAwayError("The courier is away.")
        return [event for event in self.happened if event.number in numbers]

    def track_since(self, moment: datetime) -> list[ParcelEvent] | None:
        if not self.offers_since:
            return None
        self.since.append(moment)
        if self.away:
            raise CourierAwayError("The courier is away.")
        return [event for event in self.happened if event.occurred_at >= moment]

    def cancel(self, number: str) -> None:
        if self.away:
            raise CourierAwayError("The courier is away.")
        if any(event.number == number and event.state == "shipped" for event in self.happened):
            raise CourierRefusedError("It is on its way.", reason="on_its_way")
        self.cancelled.append(number)

    def close(self) -> None:
        self.closed += 1


# ------------------------------------------------------------------------------------------------ faults


def refuses(_: Depot, __: Shipment) -> None:
    raise CourierRefusedError("The address is not known.", reason="address_invalid")


def is_away(_: Depot, __: Shipment) -> None:
    raise CourierAwayError("Too many requests.", reason="too_many_requests")


def answers_500_after_the_work(depot: Depot, shipment: Shipment) -> None:
    depot.work(shipment)
    raise CourierUnclearError("The courier answered 500.")


def times_out_before_the_work(_: Depot, __: Shipment) -> None:
    raise CourierUnclearError("No answer in time.")


def answers_nonsense(_: Depot, __: Shipment) -> Created:
    return Created(number="<html>\x00")


def breaks(_: Depot, __: Shipment) -> None:
    raise KeyError("awbNumber")


# ------------------------------------------------------------------------------------------------ what tests ask


def with_couriers(settings: Settings, *rules: dict[str, Any], names: Sequence[str] = ("fan",), **documents: Any) -> Settings:
    """An office whose waybills go by these couriers."""
    account = {
        "kind": "fan",
        "url": "http://127.0.0.1:9",
        "user_env": "FAN_USER",
        "password_env": "FAN_PASSWORD",
        "service": "Own",
    }
    couriers = {name: CourierSettings.model_validate(account) for name in names}
    return office(settings, *(rules or (BY_FAN,)), **documents).model_copy(update={"couriers": couriers})


def intended(engine: Engine, settings: Settings, *orders: ChannelOrder) -> None:
    """These orders, received and judged: their waybills are intended."""
    receive(engine, *orders)
    issue_due(engine, settings, now=NOON)


def waybills(engine: Engine) -> list[tuple[str, str, str | None]]:
    """(reference, state, number), as they were intended."""
    return rows(engine, "select reference, state, number from cloudsales.waybill order by waybill_id")  # type: ignore[return-value]
