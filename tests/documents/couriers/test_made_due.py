"""The makers of waybills on the real adapters and the simulated couriers: one parcel each, whatever was answered (I-37, F-03, F-08)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import DeliveryMethod
from cloudsales_pipeline.documents.labels import fetch_due
from cloudsales_pipeline.documents.waybills import make_due
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.simulator.faults import Fault
from tests.documents.couriers.post_office import Office
from tests.documents.depot import intended, with_couriers
from tests.orders.market import HOME, line, market, order
from tests.stock.shelf import rows

NOW = datetime.now().astimezone() + timedelta(hours=1)


def asked_for(settings: Settings, office: Office) -> Settings:
    """An office whose one rule gives every order to this courier."""
    rule = {"issue": "waybill", "when": "fully_reserved", "courier": "post"}
    made = with_couriers(settings, rule, names=("post",))
    return made.model_copy(update={"couriers": {"post": office.settings}})


def standing(engine: Engine) -> list[Any]:
    return rows(engine, "select reference, state, number from cloudsales.waybill order by waybill_id")


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.FAILED_AFTER_WORK, Fault.HTML_PAGE, Fault.RESET])
def test_an_order_whose_courier_answered_nothing_usable_gets_one_parcel_and_its_label(
    either: Office, engine: Engine, settings: Settings, fault: Fault
) -> None:
    market(engine, {"R-1": 3})
    made, ways = asked_for(settings, either), {"post": either.courier}
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    either.state.faults.queue(f"{either.kind}.create", fault, seconds=1)
    first = make_due(engine, made, ways, now=NOW)
    assert (first.unknown, first.created) == (1, 1)
    second = make_due(engine, made, ways, now=NOW + timedelta(minutes=5))
    assert (second.found, second.created) == ((0, 1) if fault is Fault.RESET else (1, 0))
    numbers = {parcel.reference.partition("_")[0]: parcel.number for parcel in either.state.made()}
    assert len(either.numbers) == 2
    assert standing(engine) == [
        ("fashionup/FO1/1", "created", numbers["fashionup-FO1-1"]),
        ("fashionup/FO2/1", "created", numbers["fashionup-FO2-1"]),
    ]
    assert fetch_due(engine, made, ways, now=NOW + timedelta(minutes=5)).labelled == 2


def test_a_complaint_of_the_couriers_fails_its_order_alone_with_a_reason(
    either: Office, engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 3})
    made = asked_for(settings, either)
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    errors = (
        {"recipient.phone": "gresit"}
        if either.kind == "fan"
        else {"awbRecipient": {"children": {"phoneNumber": {"errors": ["x"]}}}}
    )
    either.state.complain(either.kind, errors)
    result = make_due(engine, made, {"post": either.courier}, now=NOW)
    assert (result.failed, result.created) == (1, 1)
    failed = rows(engine, "select reference, reason from cloudsales.waybill where state = 'failed'")
    assert failed == [("fashionup/FO1/1", "phone_invalid")]


def test_a_locker_s_parcel_goes_by_the_service_for_lockers(either: Office, engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made = asked_for(settings, either)
    box = msgspec.structs.replace(HOME, locker_id="8801")
    intended(engine, made, order("FO1", line("R-1"), delivery_method=DeliveryMethod.LOCKER, delivery=box))
    assert make_due(engine, made, {"post": either.courier}, now=NOW).created == 1
    asked = either.state.made()[0].asked
    service = asked["info"]["service"] if either.kind == "fan" else asked["service"]
    assert service == either.settings.locker_service
