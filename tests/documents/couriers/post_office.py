"""The simulated couriers with an adapter on each, and one shipment whose every word is to be kept out of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from cloudsales_pipeline.channels.limits import TransportLimits
from cloudsales_pipeline.documents.couriers.port import Address, Courier, Shipment
from cloudsales_pipeline.documents.couriers.registry import open_courier
from cloudsales_pipeline.settings.documents import CourierSettings
from cloudsales_pipeline.simulator.couriers import RunningCouriers
from cloudsales_pipeline.simulator.couriers_state import PASSWORD, USER, CourierKind, Couriers

QUICK = TransportLimits(
    connect_seconds=1,
    read_seconds=0.4,
    attempt_seconds=0.6,
    total_seconds=2,
    attempts=2,
    max_bytes=8 * 1024 * 1024,
    backoff_base=0.01,
    backoff_cap=0.02,
    longest_pause=0.3,
)
SHIPMENT = Shipment(
    reference="CS-17-1",
    service="",
    name="Ștefania Mărgineanu",
    phone="+40 722 123 456",
    email="stefania@example.ro",
    address=Address(county="Cluj", city="Cluj-Napoca", street="Strada Horea 12", postal_code="400174"),
    weight_grams=1_200,
    cash_on_delivery=Decimal("149.90"),
    contents="Haine",
)
PERSONAL = ("tefania", "rgineanu", "722", "123456", "example.ro", "Horea", "400174", USER, PASSWORD)


class Office(NamedTuple):
    """A courier's adapter and the other side."""

    kind: CourierKind
    courier: Courier
    state: Couriers
    settings: CourierSettings

    @property
    def numbers(self) -> list[str]:
        return [parcel.number for parcel in self.state.made(self.kind)]

    def today(self) -> Any:
        return datetime.now(UTC).date()


def settings_of(kind: CourierKind, running: RunningCouriers) -> CourierSettings:
    return CourierSettings(
        kind=kind,
        url=running.fan_url if kind == "fan" else running.sameday_url,
        user_env="COURIER_USER",
        password_env="COURIER_PASSWORD",
        client_id=running.fan_client if kind == "fan" else running.sameday_pickup_point,
        service="Standard" if kind == "fan" else "7",
        locker_service="FANbox" if kind == "fan" else "15",
    )


@contextmanager
def office(kind: CourierKind, running: RunningCouriers, monkeypatch: Any) -> Iterator[Office]:
    """An adapter on an empty courier, whose name in the settings is `post`."""
    monkeypatch.setenv("COURIER_USER", USER)
    monkeypatch.setenv("COURIER_PASSWORD", PASSWORD)
    running.state.forget()
    settings = settings_of(kind, running)
    courier = open_courier("post", settings, database=None, limits=QUICK)
    try:
        yield Office(kind, courier, running.state, settings)
    finally:
        courier.close()


def changed(**changes: Any) -> Shipment:
    """The shipment with other values; those of the address by their names there."""
    inner = {name: changes.pop(name) for name in list(changes) if name in Address.__struct_fields__}
    address = msgspec.structs.replace(SHIPMENT.address, **inner)
    return msgspec.structs.replace(SHIPMENT, address=address, **changes)
