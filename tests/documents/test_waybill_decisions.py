"""A person's word on waybills."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents.couriers.port import CourierError, ParcelEvent
from cloudsales_pipeline.documents.issuing import issue_due, issue_one
from cloudsales_pipeline.documents.waybill_decisions import (
    cancel,
    decide_created,
    decide_failed,
    label_of,
    list_waybills,
    retry,
    show_waybill,
)
from cloudsales_pipeline.documents.waybills import make_due
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.orders.life import cancel_here
from cloudsales_pipeline.settings import Settings
from tests.documents.depot import PDF, Depot, intended, refuses, times_out_before_the_work, waybills, with_couriers
from tests.documents.office import NOON, quarantined
from tests.orders.market import line, market, order, told
from tests.stock.shelf import levels, rows

NOW = datetime.now().astimezone() + timedelta(hours=1)
ONE = "fashionup/FO1/1"


def world(engine: Engine, settings: Settings, *faults: Any, **documents: Any) -> tuple[Settings, Depot]:
    """One order whose waybill was asked for once."""
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings, **documents), Depot(faults=faults)
    intended(engine, made, order("FO1", line("R-1")))
    make_due(engine, made, {"fan": fan}, now=NOW)
    return made, fan


def test_an_unknown_one_that_a_person_found_is_created_with_all_that_follows(engine: Engine, settings: Settings) -> None:
    made, _ = world(engine, settings, times_out_before_the_work, goods_leave_on="waybill")
    with pytest.raises(InputError, match="no waybill's number"):
        decide_created(engine, made, ONE, "a b/../c")
    decide_created(engine, made, ONE, "2150001", now=NOW)
    assert (waybills(engine), levels(engine)) == ([(ONE, "created", "2150001")], {("CENTRAL", "R-1"): (2, 0)})
    assert told(engine, "waybill_created") == [("waybill_created", "fashionup/FO1", None)]
    with pytest.raises(RefusedError, match="is created; only an unknown one"):
        decide_failed(engine, ONE)


def test_an_unknown_one_that_is_not_there_fails_and_is_made_when_asked_for_again(engine: Engine, settings: Settings) -> None:
    made, fan = world(engine, settings, times_out_before_the_work)
    decide_failed(engine, ONE)
    assert make_due(engine, made, {"fan": fan}, now=NOW + timedelta(days=1)).created == 0
    retry(engine, ONE, now=NOW)
    with pytest.raises(RefusedError, match="is intended"):
        retry(engine, ONE)
    assert make_due(engine, made, {"fan": fan}, now=NOW).created == 1
    assert (fan.made, fan.looked_up) == ({ONE: ["F1"]}, [])


def test_a_failed_one_is_not_intended_again_by_rules_however_often_its_order_is_judged(
    engine: Engine, settings: Settings
) -> None:
    """Its order changes, and is judged; nobody calls the courier again and again over an address that it refuses."""
    made, fan = world(engine, settings, refuses)
    for _ in range(2):
        with engine.begin() as connection:
            connection.exec_driver_sql("update cloudsales.sales_order set goods_checked_at = now()")
        assert issue_due(engine, made, now=NOON).judged == 1
        assert make_due(engine, made, {"fan": fan}, now=NOW).failed == 0
    assert (waybills(engine), len(fan.shipments)) == ([(ONE, "failed", None)], 1)
    retry(engine, ONE, now=NOW)
    assert quarantined(engine) == []
    assert make_due(engine, made, {"fan": fan}, now=NOW).created == 1


def test_a_second_one_for_a_failed_parcel_has_another_reference_and_the_first_stays_failed(
    engine: Engine, settings: Settings
) -> None:
    """I-37."""
    made, fan = world(engine, settings, refuses)
    issue_one(engine, made, "fashionup", "FO1", "waybill")
    with pytest.raises(RefusedError, match="has another waybill"):
        retry(engine, ONE)
    assert make_due(engine, made, {"fan": fan}, now=NOW).created == 1
    assert waybills(engine) == [(ONE, "failed", None), (f"{ONE}/2", "created", "F1")]
    assert quarantined(engine) == []


def test_a_waybill_is_taken_back_by_its_number_and_one_on_its_way_is_not(engine: Engine, settings: Settings) -> None:
    made, fan = world(engine, settings)
    fan.away = True
    with pytest.raises(CourierError, match="did not say"):
        cancel(engine, made, {"fan": fan}, "F1")
    fan.away, fan.happened = False, [ParcelEvent(number="F1", occurred_at=NOW, code="1", state="shipped")]
    with pytest.raises(RefusedError, match="does not take F1 back"):
        cancel(engine, made, {"fan": fan}, "F1")
    assert waybills(engine) == [(ONE, "created", "F1")]
    fan.happened = []
    assert cancel(engine, made, {"fan": fan}, "F1") == "F1 is cancelled at fan"
    assert cancel(engine, made, {"fan": fan}, "F1") == "F1 was cancelled before"
    assert (waybills(engine), fan.cancelled) == ([(ONE, "cancelled", "F1")], ["F1"])
    with pytest.raises(InputError, match="no waybill F2"):
        cancel(engine, made, {"fan": fan}, "F2")


def test_an_intended_one_is_dropped_and_a_closed_orders_is_not_tried_again(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    assert cancel(engine, made, {}, ONE) == f"{ONE} is cancelled; no courier had been called"
    fan.faults = [refuses]
    make_due(engine, made, {"fan": fan}, now=NOW)
    cancel_here(engine, "fashionup", "FO2")
    with pytest.raises(RefusedError, match="FO2 of fashionup is cancelled"):
        retry(engine, "fashionup/FO2/1")


def test_a_label_is_given_out_and_asked_for_where_it_has_not_come(engine: Engine, settings: Settings) -> None:
    made, fan = world(engine, settings)
    fan.labels = {"F1": b"<html>"}
    with pytest.raises(RefusedError, match="no label of F1 yet"):
        label_of(engine, made, {"fan": fan}, "F1", now=NOW)
    fan.labels = {}
    assert label_of(engine, made, {"fan": fan}, "F1", now=NOW).content == PDF
    assert label_of(engine, made, {}, ONE).name == "fan-F1.pdf"
    with engine.begin() as connection:
        connection.exec_driver_sql("update personal.stored_file set content = null")
    with pytest.raises(RefusedError, match="was erased"):
        label_of(engine, made, {"fan": fan}, "F1")


def test_what_needs_a_person_is_listed_first_and_one_is_shown_with_its_parcels_way(engine: Engine, settings: Settings) -> None:
    made, fan = world(engine, settings, refuses)
    intended(engine, made, order("FO2", line("R-1"), minutes=1))
    make_due(engine, made, {"fan": fan}, now=NOW)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cloudsales.waybill_event (waybill_id, occurred_at, code, state)"
            " select waybill_id, '2026-11-20 12:00+00', 'S2', 'shipped' from cloudsales.waybill where number = 'F1'"
        )
    assert [(one["reference"], one["state"]) for one in list_waybills(engine)] == [
        (ONE, "failed"),
        ("fashionup/FO2/1", "created"),
    ]
    assert [one["number"] for one in list_waybills(engine, "created")] == ["F1"]
    with pytest.raises(InputError, match="There is no state lots"):
        list_waybills(engine, "lots")
    shown = show_waybill(engine, "F1")
    assert (shown["rule"], shown["facts"]["fully_reserved"]) == ("by fan", True)
    assert [(one["code"], one["state"]) for one in shown["events"]] == [("S2", "shipped")]
    assert "Câmpeanu" not in repr(shown)
    assert rows(engine, "select 1 from cloudsales.waybill where facts::text like '%Teiului%'") == []
