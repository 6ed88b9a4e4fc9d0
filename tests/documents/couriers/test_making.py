"""The worker that makes waybills, on the real adapters and the simulated couriers at their worst (I-37, F-03, F-08)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents.couriers.port import Courier
from cloudsales_pipeline.documents.couriers.registry import open_courier
from cloudsales_pipeline.documents.labels import fetch_due
from cloudsales_pipeline.documents.tracking import track_due
from cloudsales_pipeline.documents.waybills import WaybillResult, make_due
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.simulator.faults import Fault
from tests.documents.couriers.post_office import QUICK, Office
from tests.documents.depot import BY_FAN, intended, waybills, with_couriers
from tests.orders.market import line, market, order

ORDERS = 6
FAULTS = (Fault.FAILED_AFTER_WORK, Fault.HTML_PAGE, Fault.BAD_GATEWAY, Fault.TOO_MANY, Fault.RESET_AFTER_WORK)


def test_each_parcel_is_made_once_labelled_and_followed_whatever_the_courier_answers(
    either: Office, engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": ORDERS})
    made = with_couriers(settings, BY_FAN | {"courier": "post", "service": either.settings.service})
    made = made.model_copy(update={"couriers": {"post": either.settings}})
    intended(engine, made, *[order(f"FO{n}", line("R-1"), minutes=n) for n in range(ORDERS)])
    for fault in FAULTS:
        either.state.faults.queue(f"{either.kind}.create", fault, seconds=1)

    def opening(name: str) -> Courier:
        return open_courier(name, made.couriers[name], database=None, limits=QUICK)

    begun, total = datetime.now(UTC) + timedelta(seconds=5), WaybillResult()
    for half_hour in range(20):
        done = make_due(engine, made, opening, now=begun + timedelta(minutes=30 * half_hour))
        total.add({"created": done.created, "found": done.found, "unknown": done.unknown, "again": done.again})
    assert (total.created + total.found, total.found, total.again) == (ORDERS, 3, 1)
    assert Counter(parcel.reference for parcel in either.state.made()).most_common(1)[0][1] == 1
    assert sorted(number or "" for _, _, number in waybills(engine)) == sorted(either.numbers)

    later = begun + timedelta(hours=10)
    assert fetch_due(engine, made, opening, now=later).labelled == ORDERS
    for number in either.numbers:
        either.state.advance(number, "shipped")
    either.state.advance(either.numbers[0], "delivered")
    assert track_due(engine, made, opening, now=later).ended == 1
    assert Counter(state for _, state, _ in waybills(engine)) == {"shipped": ORDERS - 1, "delivered": 1}
