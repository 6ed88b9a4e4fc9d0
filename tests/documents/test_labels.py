"""Labels: fetched where they are missing, kept with the order's personal data, gone with it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import Address, Buyer
from cloudsales_pipeline.documents.couriers.port import CourierAwayError, CourierRefusedError, Shipment
from cloudsales_pipeline.documents.labels import fetch_due
from cloudsales_pipeline.documents.tracking import track_due
from cloudsales_pipeline.documents.waybill_decisions import list_waybills, show_waybill
from cloudsales_pipeline.documents.waybills import make_due
from cloudsales_pipeline.orders.people import person
from cloudsales_pipeline.orders.privacy import erase, export
from cloudsales_pipeline.outbox.files import read_file
from cloudsales_pipeline.settings import Settings
from tests.canary import Canaries, in_database
from tests.documents.depot import BY_FAN, PDF, Depot, intended, refuses, with_couriers
from tests.documents.office import quarantined
from tests.documents.test_tracking import event
from tests.orders.market import line, market, order
from tests.stock.shelf import rows

NOW = datetime.now().astimezone() + timedelta(hours=1)
LABELS = (
    "select w.number, s.name, s.content is not null from cloudsales.waybill w"
    " left join personal.stored_file s on s.file_id = w.label_file_id order by w.waybill_id"
)


def created(engine: Engine, settings: Settings, many: int) -> tuple[Settings, Depot]:
    """Waybills F1, F2, … of as many orders."""
    market(engine, {"R-1": many})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, *[order(f"FO{n}", line("R-1"), minutes=n) for n in range(1, many + 1)])
    assert make_due(engine, made, {"fan": fan}, now=NOW).created == many
    return made, fan


def test_missing_labels_are_fetched_once_and_one_that_is_no_pdf_holds_up_no_other(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings, 12)
    fan.labels = {"F2": b"<html>", "F3": PDF[:-8], "F4": CourierRefusedError("None yet.", reason="label_missing")}
    result = fetch_due(engine, made, {"fan": fan}, now=NOW)
    assert (result.labelled, result.refused) == (9, 3)
    assert rows(engine, LABELS)[:3] == [("F1", "fan-F1.pdf", True), ("F2", None, False), ("F3", None, False)]
    assert quarantined(engine) == [(f"FO{n}", "label_refused") for n in (10, 11, 12)], "orders are judged by their ids as text"
    assert fetch_due(engine, made, {"fan": fan}, now=NOW).labelled == 0
    fan.labels = {"F4": b"%PDF"}
    assert fetch_due(engine, made, {"fan": fan}, now=NOW + timedelta(hours=1)).labelled == 2
    assert quarantined(engine) == [("FO12", "label_refused")]
    tries = [fetch_due(engine, made, {"fan": fan}, now=NOW + timedelta(days=day)).refused for day in range(1, 12)]
    assert sum(tries) == 6, "given up after eight"


def test_labels_of_several_couriers_at_once_are_all_counted(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 30})
    other = BY_FAN | {"courier": "sameday", "when": "quantity == 2", "name": "two pieces"}
    made = with_couriers(settings, other, BY_FAN, names=("fan", "sameday"))
    intended(engine, made, *[order(f"FO{n}", line("R-1", 1 + n % 2), minutes=n) for n in range(6)])
    both, together = {"fan": Depot(), "sameday": Depot("S")}, threading.Barrier(2)
    make_due(engine, made, both, now=NOW)
    for depot in both.values():
        depot.before_label = lambda: together.wait(20)
    assert fetch_due(engine, made, both, now=NOW).labelled == 6
    assert sum(kept for *_, kept in rows(engine, LABELS)) == 6


def test_a_courier_that_is_away_costs_a_label_no_attempt(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings, 2)
    fan.labels = {"F1": CourierAwayError("Later.")}
    assert fetch_due(engine, made, {"fan": fan}, now=NOW).again == 2
    assert rows(engine, "select distinct label_attempts, label_due_at > :now from cloudsales.waybill", now=NOW) == [(0, True)]
    fan.labels = {}
    assert fetch_due(engine, made, {"fan": fan}, now=NOW + timedelta(minutes=2)).labelled == 2


def test_i49_a_label_goes_with_its_person_and_is_not_fetched_again(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings, 2)
    fan.labels = {"F2": CourierAwayError("Later.")}
    fetch_due(engine, made, {"fan": fan}, now=NOW)
    held = export(engine, person("ana@example.invalid"))["waybills"]
    assert [(one["id"], one["number"], one["label"]) for one in held] == [("FO1", "F1", "fan-F1.pdf"), ("FO2", "F2", None)]
    erase(engine, person("ana@example.invalid"), open_orders=True)
    fan.labels = {}
    assert fetch_due(engine, made, {"fan": fan}, now=NOW + timedelta(hours=1)).labelled == 0
    assert rows(engine, LABELS) == [("F1", "fan-F1.pdf", False), ("F2", None, False)]
    with engine.connect() as connection:
        file_id = rows(engine, "select label_file_id from cloudsales.waybill where number = 'F1'")[0][0]
        assert read_file(connection, file_id) is None


def test_i49_a_label_that_comes_while_its_person_is_erased_is_not_kept(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings, 1)

    class Slow(Depot):
        def label(self, number: str) -> bytes:
            erase(engine, person("ana@example.invalid"), open_orders=True)
            return PDF

    assert fetch_due(engine, made, {"fan": Slow()}, now=NOW).labelled == 0
    assert rows(engine, "select count(*) from personal.stored_file") == [(0,)]
    assert fan.closed == 0


def test_i46_who_gets_a_parcel_is_seen_in_the_schema_personal_alone(
    engine: Engine, owner_engine: Engine, settings: Settings
) -> None:
    """Made, refused, broken, labelled and tracked: the couriers knew everything, the tables, the sentences and commands nothing."""
    canaries = Canaries()
    phone, street = canaries.phone(), canaries.text("street")
    home = Address(canaries.text("name"), phone, street, canaries.text("city"), "Cluj", None, "RO", None)
    buyer = Buyer(canaries.text("buyer"), canaries.text("mail", "{}@example.invalid"), phone, None)
    market(engine, {"R-1": 9})
    made = with_couriers(settings)
    intended(engine, made, *[order(f"FO{n}", line("R-1"), minutes=n, buyer=buyer, delivery=home) for n in range(4)])

    def repeats_it(_: Depot, shipment: Shipment) -> None:
        raise ValueError(f"{shipment.name}, {shipment.address.street}: {shipment.phone}")

    fan = Depot(faults=[repeats_it, refuses])
    fan.labels = {"F1": f"%PDF {street}".encode()}
    make_due(engine, made, {"fan": fan}, now=NOW)
    fetch_due(engine, made, {"fan": fan}, now=NOW)
    fan.happened = [event("F2", 1, "shipped")]
    track_due(engine, made, {"fan": fan}, now=NOW + timedelta(hours=3))
    assert [one["state"] for one in list_waybills(engine)] == ["failed", "unknown", "shipped", "created"]
    assert {canary for shipment in fan.shipments for canary in canaries.seen_in(repr(shipment))} == canaries.all - {"buyer"}
    assert in_database(canaries, owner_engine) == []
    assert canaries.seen_in(repr([show_waybill(engine, one["reference"]) for one in list_waybills(engine)])) == set()
