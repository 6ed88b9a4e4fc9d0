"""Waybills: each parcel's made once, whatever the courier or we ourselves break off in the middle."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.port import Address
from cloudsales_pipeline.documents.couriers.port import Created, Shipment
from cloudsales_pipeline.documents.issuing import issue_one
from cloudsales_pipeline.documents.labels import fetch_due
from cloudsales_pipeline.documents.tracking import track_due
from cloudsales_pipeline.documents.waybill_desk import desk
from cloudsales_pipeline.documents.waybills import WaybillResult, due_now, make_due
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.orders.life import cancel_here
from cloudsales_pipeline.settings import Settings
from tests.documents.depot import (
    BY_FAN,
    Depot,
    answers_500_after_the_work,
    answers_nonsense,
    breaks,
    intended,
    is_away,
    refuses,
    times_out_before_the_work,
    waybills,
    with_couriers,
)
from tests.documents.office import quarantined
from tests.killing import killed_at_each_step
from tests.orders.market import line, market, order, receive, statuses, told
from tests.stock.shelf import levels, rows

NOW = datetime.now().astimezone() + timedelta(hours=1)
"""After all that a test has written, which carries the clock's time."""


def after(**span: float) -> datetime:
    return NOW + timedelta(**span)


def test_an_order_gets_its_waybill_with_its_buyer_and_what_follows_from_it(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, order("FO1", line("R-1", 2)))
    result = make_due(engine, made, {"fan": fan}, now=NOW)
    assert (result.created, result.failed, result.unknown) == (1, 0, 0)
    assert waybills(engine) == [("fashionup/FO1/1", "created", "F1")]
    sent = fan.shipments[0]
    assert (sent.reference, sent.service, sent.name, sent.phone) == (
        "fashionup/FO1/1",
        "Standard",
        "Ana Câmpeanu",
        "+40700000001",
    )
    assert (sent.address.county, sent.address.city, sent.address.street) == ("Cluj", "Cluj-Napoca", "Strada Teiului 3")
    assert (sent.weight_grams, sent.cash_on_delivery, sent.currency) == (1000, Decimal("219.99"), "RON")
    kept = rows(
        engine,
        "select w.barcodes, w.cost, w.attempts, h.state, o.frozen_at is not null from cloudsales.waybill w"
        " join cloudsales.sales_order o using (order_id) join cloudsales.document_handover h using (waybill_id)",
    )
    assert kept == [(["F1001"], Decimal("17.50"), 0, "due", True)]
    assert rows(engine, "select reference, detail from cloudsales.event where kind = 'waybill_created'") == [
        ("fashionup/FO1", {"courier": "fan", "number": "F1", "parcel": 1, "parcels": 1})
    ]
    assert levels(engine) == {("CENTRAL", "R-1"): (3, 2)}  # goods leave on a command, by default
    assert make_due(engine, made, {"fan": fan}, now=after(days=1)).created == 0
    assert fan.made == {"fashionup/FO1/1": ["F1"]}


def test_f08_an_error_after_the_work_is_looked_up_and_never_made_twice(engine: Engine, settings: Settings) -> None:
    """I-37, F-03, F-08: the courier is left its time first."""
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot(faults=[answers_500_after_the_work])
    intended(engine, made, order("FO1", line("R-1")))
    assert make_due(engine, made, {"fan": fan}, now=NOW).unknown == 1
    assert make_due(engine, made, {"fan": fan}, now=after(minutes=1)) == WaybillResult()
    assert (waybills(engine), fan.looked_up) == ([("fashionup/FO1/1", "unknown", None)], [])
    assert make_due(engine, made, {"fan": fan}, now=after(minutes=6)).found == 1
    assert waybills(engine) == [("fashionup/FO1/1", "created", "F1")]
    assert (fan.made, len(fan.shipments)) == ({"fashionup/FO1/1": ["F1"]}, 1)
    assert told(engine, "waybill_created") == [("waybill_created", "fashionup/FO1", None)]


@pytest.mark.parametrize("fault", [times_out_before_the_work, answers_nonsense, breaks])
def test_f03_what_surely_was_not_made_is_made_under_the_same_reference(engine: Engine, settings: Settings, fault: Any) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot(faults=[fault])
    intended(engine, made, order("FO1", line("R-1")))
    assert make_due(engine, made, {"fan": fan}, now=NOW).unknown == 1
    result = make_due(engine, made, {"fan": fan}, now=after(minutes=6))
    assert (result.absent, result.created, result.found) == (1, 1, 0)
    intended_on = rows(engine, "select (intended_at at time zone 'Europe/Bucharest')::date from cloudsales.waybill")[0][0]
    assert fan.looked_up == [("fashionup/FO1/1", intended_on)]
    assert isinstance(intended_on, date)
    assert fan.made == {"fashionup/FO1/1": ["F1"]}


def test_an_unclear_one_stays_so_while_the_courier_can_not_say(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot(faults=[answers_500_after_the_work])
    intended(engine, made, order("FO1", line("R-1")))
    make_due(engine, made, {"fan": fan}, now=NOW)
    fan.away = True
    assert make_due(engine, made, {"fan": fan}, now=after(minutes=6)).unknown == 1
    assert waybills(engine) == [("fashionup/FO1/1", "unknown", None)]
    fan.away = False
    assert make_due(engine, made, {"fan": fan}, now=after(hours=3)).found == 1
    assert len(fan.shipments) == 1


def test_a_refused_one_stands_in_quarantine_and_the_others_go_on(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot(faults=[refuses])
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    result = make_due(engine, made, {"fan": fan}, now=NOW)
    assert (result.failed, result.created) == (1, 1)
    assert waybills(engine) == [("fashionup/FO1/1", "failed", None), ("fashionup/FO2/1", "created", "F1")]
    assert rows(engine, "select reference, reason, detail from cloudsales.quarantine where resolved_at is null") == [
        ("FO1", "waybill_refused", {"courier": "fan", "waybill": "fashionup/FO1/1", "why": "address_invalid",
                                    "what": "The address is not known."})
    ]  # fmt: skip


def test_f07_a_courier_that_is_away_is_given_a_rest_and_asked_again_until_the_cap(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings, waybill_attempts=3), Depot(faults=[is_away] * 3)
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    assert make_due(engine, made, {"fan": fan}, now=NOW).again == 1
    assert rows(engine, "select failing_since = :now, paused_until = :until, failure from cloudsales.courier_standing", now=NOW,
                until=after(seconds=30)) == [(True, True, "too_many_requests")]  # fmt: skip
    assert len(fan.shipments) == 1, "the second one waits too"
    assert make_due(engine, made, {"fan": fan}, now=after(seconds=29)).again == 0
    fan.faults.clear()
    fan.away = True
    done = [make_due(engine, made, {"fan": fan}, now=after(hours=hour)) for hour in range(1, 7)]
    assert sum(one.failed for one in done) == 2
    assert quarantined(engine) == [("FO1", "waybill_given_up"), ("FO2", "waybill_given_up")]


def test_a_courier_that_the_settings_lack_holds_only_its_own_and_is_healed_by_them(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    other = BY_FAN | {"courier": "sameday", "when": "total > 150", "name": "dear ones"}
    both = with_couriers(settings, other, BY_FAN, names=("fan", "sameday"))
    intended(engine, both, order("FO1", line("R-1", 2)), order("FO2", line("R-1"), minutes=1))
    depots = {"fan": Depot(), "sameday": Depot("S")}
    less = both.model_copy(update={"couriers": {"fan": both.couriers["fan"]}})
    result = make_due(engine, less, depots.__getitem__, now=NOW)
    assert (result.created, list(result.complaints), depots["fan"].closed) == (1, ["sameday"], 1)
    assert quarantined(engine) == [("couriers.sameday", "courier_not_set_up")]

    def no_password(name: str) -> Depot:
        raise SettingsError(f"{name} has no password")

    assert make_due(engine, both, no_password, now=NOW).complaints == {"sameday": "sameday has no password"}
    assert make_due(engine, both, depots.__getitem__, now=NOW).created == 1
    assert (quarantined(engine), waybills(engine)[0][1:]) == ([], ("created", "S1"))


def test_a_sensor_is_told_what_a_run_would_find_and_no_more(engine: Engine, settings: Settings) -> None:
    """What waits for a courier that rests, or that the settings lack, starts no run every few seconds."""
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot(faults=[is_away])

    def due(settings: Settings = made, **span: float) -> list[str]:
        with engine.connect() as connection:
            return [name for name, there in due_now(connection, settings, now=after(**span)).items() if there]

    assert due() == []
    intended(engine, made, order("FO1", line("R-1")))
    assert due() == ["waybills"]
    none = made.model_copy(update={"couriers": {}})
    assert due(none) == ["waybills"]
    make_due(engine, none, {}, now=NOW)
    assert (due(none), due(none, minutes=6)) == ([], ["waybills"])
    make_due(engine, made, {"fan": fan}, now=after(minutes=6))
    assert (due(minutes=6), due(minutes=8)) == ([], ["waybills"])
    make_due(engine, made, {"fan": fan}, now=after(minutes=8))
    assert due(minutes=8) == ["labels", "parcels"]
    fetch_due(engine, made, {"fan": fan}, now=after(minutes=8))
    track_due(engine, made, {"fan": fan}, now=after(minutes=8))
    assert (due(minutes=22), due(minutes=23)) == ([], ["parcels"])
    cancel_here(engine, "fashionup", "FO1")
    assert due(minutes=9) == ["waybills"]
    make_due(engine, made, {"fan": fan}, now=after(minutes=9))
    assert due(days=1) == []


def test_a_buyer_without_a_street_fails_and_nobody_is_called(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    nowhere = Address("Ana Câmpeanu", "+40700000001", " ", "Cluj-Napoca", "Cluj", None, "RO", None)
    intended(engine, made, order("FO1", line("R-1"), delivery=nowhere))
    assert make_due(engine, made, {"fan": fan}, now=NOW).failed == 1
    assert (quarantined(engine), fan.shipments) == ([("FO1", "buyer_without_address")], [])
    assert make_due(engine, made, {"fan": fan}, now=after(days=1)).failed == 0


def test_a_channels_kill_switch_stops_what_rules_intended_and_not_what_a_person_asked_for(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, order("FO1", line("R-1")))
    off = with_couriers(settings, channels={"fashionup": {"enabled": False}})
    receive(engine, order("FO2", line("R-1"), minutes=1))
    issue_one(engine, off, "fashionup", "FO2", "waybill")
    assert make_due(engine, off, {"fan": fan}, now=NOW).created == 1
    assert waybills(engine) == [("fashionup/FO1/1", "intended", None), ("fashionup/FO2/1", "created", "F1")]
    assert make_due(engine, made, {"fan": fan}, now=NOW).created == 1


def test_a_call_that_nobody_comes_back_from_is_unclear_after_a_quarter_of_an_hour(engine: Engine, settings: Settings) -> None:
    """The machine is gone, and the server holds its session still."""
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, order("FO1", line("R-1")))
    with desk(engine, "fan", made) as gone:
        assert gone.claim(NOW) is not None
        assert make_due(engine, made, {"fan": fan}, now=after(minutes=14)).left_behind == 0
        result = make_due(engine, made, {"fan": fan}, now=after(minutes=16))
    assert (result.left_behind, result.absent, result.created) == (1, 1, 1)


# ------------------------------------------------------------------------------------------------ cancelled orders


def test_an_order_cancelled_before_the_call_gets_none_and_after_it_has_it_taken_back(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    cancel_here(engine, "fashionup", "FO1")
    result = make_due(engine, made, {"fan": fan}, now=NOW)
    assert (result.cancelled, result.created, len(fan.shipments)) == (1, 1, 1)
    cancel_here(engine, "fashionup", "FO2")
    fan.away = True
    assert make_due(engine, made, {"fan": fan}, now=after(minutes=1)).again == 1
    fan.away = False
    assert make_due(engine, made, {"fan": fan}, now=after(hours=1)).cancelled == 1
    assert fan.cancelled == ["F1"]
    assert waybills(engine) == [("fashionup/FO1/1", "cancelled", None), ("fashionup/FO2/1", "cancelled", "F1")]
    assert rows(engine, "select state from cloudsales.document_handover where waybill_id is not null") == [("not_needed",)]
    assert told(engine, "waybill_cancelled") == [("waybill_cancelled", "fashionup/FO2", None)]


def test_a_waybill_that_is_on_its_way_already_is_for_a_person(engine: Engine, settings: Settings) -> None:
    from cloudsales_pipeline.documents.couriers.port import ParcelEvent

    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot()
    intended(engine, made, order("FO1", line("R-1")))
    make_due(engine, made, {"fan": fan}, now=NOW)
    fan.happened.append(ParcelEvent(number="F1", occurred_at=NOW, code="1", state="shipped"))
    cancel_here(engine, "fashionup", "FO1")
    assert make_due(engine, made, {"fan": fan}, now=NOW).cancel_refused == 1
    assert make_due(engine, made, {"fan": fan}, now=after(days=1)).cancel_refused == 0
    assert (quarantined(engine), waybills(engine)[0][1]) == ([("FO1", "cancel_refused")], "created")


# ------------------------------------------------------------------------------------------------ goods leave


def test_goods_leave_with_the_last_parcel_of_their_order(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 5})
    made = with_couriers(settings, goods_leave_on="waybill", heaviest_parcel_grams=1000)
    fan = Depot(faults=[lambda depot, one: None, times_out_before_the_work])
    intended(engine, made, order("FO1", line("R-1", 4)))
    result = make_due(engine, made, {"fan": fan}, now=NOW)
    assert (result.created, result.unknown) == (1, 1)
    assert levels(engine) == {("CENTRAL", "R-1"): (5, 4)}
    assert make_due(engine, made, {"fan": fan}, now=after(minutes=6)).created == 1
    assert (levels(engine), statuses(engine)) == ({("CENTRAL", "R-1"): (1, 0)}, {"FO1": "issued"})
    assert [one.cash_on_delivery for one in fan.shipments] == [Decimal("419.99"), 0, 0]
    assert rows(engine, "select distinct reference ~ 'waybill:fan F2' from cloudsales.stock_movement where quantity < 0") == [
        (True,)
    ]


# ------------------------------------------------------------------------------------------------ several at once, and kills


class Lasting(Depot):
    """A courier whose memory outlives the process that calls it: a file with a line for each waybill."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def numbers(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for text in self.file.read_text().splitlines() if self.file.exists() else []:
            reference, number = text.split()
            found.setdefault(reference, []).append(number)
        return found

    def work(self, shipment: Shipment) -> Created:
        with self.file.open("a") as file:
            file.write(f"{shipment.reference} {(number := 'K' + uuid.uuid4().hex)}\n")
        return Created(number=number)

    def find_by_reference(self, reference: str, day: date) -> Created | None:
        return Created(number=numbers[0]) if (numbers := self.numbers().get(reference)) else None


def test_f24_a_maker_killed_at_any_step_leaves_each_parcel_its_one_waybill(
    engine: Engine, settings: Settings, database_url: URL, tmp_path: Path
) -> None:
    """I-37, I-41: SIGKILL before and after each statement, each commit, the call, and what the courier did in it."""
    market(engine, {"R-1": 60})
    made = with_couriers(settings, goods_leave_on="waybill")
    fan = Lasting(tmp_path / "courier")

    def also(count: Callable[..., None]) -> None:
        def fault(_: Depot, shipment: Shipment) -> Created:
            count("before the work")
            created = fan.work(shipment)
            count("after the work")
            return created

        fan.faults.append(fault)

    def work(mine: Engine) -> None:
        assert make_due(mine, made, {"fan": fan}, now=NOW).created <= 1

    def due(place: int) -> None:
        with engine.begin() as connection:
            connection.execute(
                sa.text("update cloudsales.waybill set due_at = :now where reference = :name"),
                {"now": NOW, "name": f"fashionup/FO{place}/1"},
            )

    names: list[str] = []
    intended(engine, made, *[order(f"FO{n}", line("R-1"), minutes=n) for n in range(60)])
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.waybill set due_at = 'infinity'"))
    due(0)
    for step in killed_at_each_step(database_url, work, also=also, told=names):
        until = time.monotonic() + 20
        while time.monotonic() < until:  # until the server has noticed that its client is gone
            make_due(engine, made, {"fan": fan}, now=after(minutes=10))
            if not rows(engine, "select 1 from cloudsales.waybill where state <> 'created' and due_at < 'infinity'"):
                break
            time.sleep(0.05)
        due(step)
    ended = len(names) + 1
    assert {"before the work", "after the work", "before COMMIT", "after COMMIT"} <= set(names)
    assert sorted(map(len, fan.numbers().values())) == [1] * ended
    assert [state for _, state, _ in waybills(engine)].count("created") == ended
    assert levels(engine) == {("CENTRAL", "R-1"): (60 - ended, 60 - ended)}
    assert len(told(engine, "waybill_created")) == ended


def test_two_makers_at_once_make_each_parcel_once_and_a_slow_courier_holds_up_no_other(
    engine: Engine, settings: Settings
) -> None:
    market(engine, {"R-1": 40})
    other = BY_FAN | {"courier": "sameday", "when": "quantity == 2", "name": "two pieces"}
    made = with_couriers(settings, other, BY_FAN, names=("fan", "sameday"))
    intended(engine, made, *[order(f"FO{n}", line("R-1", 1 + n % 2), minutes=n) for n in range(16)])
    fan_is_done, fan = threading.Event(), Depot()
    waited: list[bool] = []
    sameday = Depot("S", faults=[lambda _, __: waited.append(fan_is_done.wait(20))])

    def make() -> int:
        return make_due(engine, made, {"fan": fan, "sameday": sameday}, now=NOW).created

    with ThreadPoolExecutor(2) as pool:
        makers = [pool.submit(make) for _ in range(2)]
        while len(fan.made) < 8 or sum(state == "created" for _, state, number in waybills(engine)) < 8:
            assert not all(maker.done() for maker in makers)
            time.sleep(0.02)
        fan_is_done.set()
        assert sum(maker.result() for maker in makers) == 16
    assert waited == [True]
    assert [len(numbers) for depot in (fan, sameday) for numbers in depot.made.values()] == [1] * 16


def test_what_comes_after_another_took_over_is_set_aside_with_its_number(engine: Engine, settings: Settings) -> None:
    """A call that outlasted its session and the look-up: its number belongs to nothing of ours, and a person hears of it."""
    market(engine, {"R-1": 3})
    made, late = with_couriers(settings), Depot("L")

    def outlasts(depot: Depot, shipment: Shipment) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("update cloudsales.waybill set claimed_by = 'another', number = null"))

    late.faults.append(outlasts)
    intended(engine, made, order("FO1", line("R-1")))
    assert make_due(engine, made, {"fan": late}, now=NOW).strayed == 1
    assert (quarantined(engine), waybills(engine)) == ([("FO1", "waybill_strayed")], [("fashionup/FO1/1", "creating", None)])
    assert make_due(engine, made, {"fan": late}, now=after(minutes=6)).left_behind == 1
    assert make_due(engine, made, {"fan": late}, now=after(minutes=6)).created == 0
    assert waybills(engine) == [("fashionup/FO1/1", "created", "L1")]


def test_a_number_that_another_parcel_has_is_not_believed(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 3})
    made, fan = with_couriers(settings), Depot(faults=[lambda *_: Created(number="X"), lambda *_: Created(number="X")])
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1"), minutes=1))
    result = make_due(engine, made, {"fan": fan}, now=NOW)
    assert (result.created, result.strayed) == (1, 1)
    assert waybills(engine) == [("fashionup/FO1/1", "created", "X"), ("fashionup/FO2/1", "unknown", None)]
    assert quarantined(engine) == [("FO2", "number_taken")]
