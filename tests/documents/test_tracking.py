"""Where parcels are: asked within limits, kept once, states only forward."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents import tracking
from cloudsales_pipeline.documents.couriers.port import ParcelEvent
from cloudsales_pipeline.documents.tracking import TrackResult, track_due
from cloudsales_pipeline.documents.waybills import make_due
from cloudsales_pipeline.errors import DatabaseError
from cloudsales_pipeline.settings import Settings
from tests.documents.depot import BY_FAN, Depot, intended, waybills, with_couriers
from tests.documents.office import quarantined
from tests.orders.market import line, market, order, told
from tests.stock.shelf import rows

NOW = datetime.now().astimezone() + timedelta(hours=1)
TOLD = ("waybill_shipped", "waybill_in_locker", "waybill_delivered", "waybill_returned", "waybill_lost")


def after(**span: float) -> datetime:
    return NOW + timedelta(**span)


def event(number: str, hours: float, state: str | None, code: str = "") -> ParcelEvent:
    return ParcelEvent(number=number, occurred_at=after(hours=hours), code=code or f"c-{state}", state=state)  # type: ignore[arg-type]


def created(engine: Engine, settings: Settings, many: int = 1, **documents: Any) -> tuple[Settings, Depot]:
    market(engine, {"R-1": 200})
    made, fan = with_couriers(settings, **documents), Depot()
    intended(engine, made, *[order(f"FO{n}", line("R-1"), minutes=n) for n in range(1, many + 1)])
    assert make_due(engine, made, {"fan": fan}, now=NOW).created >= many
    return made, fan


def states(engine: Engine) -> list[str]:
    return [state for _, state, _ in waybills(engine)]


def test_a_parcel_is_asked_about_within_limits_until_it_has_arrived(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings)
    track_due(engine, made, {"fan": fan}, now=after(minutes=1))
    track_due(engine, made, {"fan": fan}, now=after(minutes=15))
    assert fan.asked == [("F1",)], "every 15 minutes, and not sooner"
    fan.happened += [event("F1", 1, None, "picked"), event("F1", 2, "shipped")]
    result = track_due(engine, made, {"fan": fan}, now=after(hours=3))
    assert (result.events, result.moved, result.ended, result.asked) == (2, 1, 0, 1)
    assert track_due(engine, made, {"fan": fan}, now=after(hours=4)).events == 0
    fan.happened += [event("F1", 5, "delivered")]
    assert track_due(engine, made, {"fan": fan}, now=after(hours=6)).ended == 1
    assert track_due(engine, made, {"fan": fan}, now=after(hours=9)).asked == 0
    assert [kind for kind, *_ in told(engine, *TOLD)] == ["waybill_shipped", "waybill_delivered"]
    assert rows(engine, "select reference, detail from cloudsales.event where kind = 'waybill_delivered'") == [
        ("fashionup/FO1", {"courier": "fan", "number": "F1", "parcel": 1, "parcels": 1, "all": True})
    ]


def test_f18_what_comes_late_is_kept_and_moves_nothing_back(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings)
    fan.happened = [event("F1", 3, "in_locker"), event("F1", 3, "in_locker")]
    track_due(engine, made, {"fan": fan}, now=after(hours=4))
    fan.happened += [event("F1", 2, "shipped"), event("F1", 1, "created")]
    result = track_due(engine, made, {"fan": fan}, now=after(hours=5))
    assert (result.events, result.moved, states(engine)) == (2, 0, ["in_locker"])
    fan.happened += [event("F1", 8, "returned"), event("F1", 9, "delivered")]
    track_due(engine, made, {"fan": fan}, now=after(hours=10))
    assert states(engine) == ["returned"]
    assert [kind for kind, *_ in told(engine, *TOLD)] == ["waybill_in_locker", "waybill_delivered", "waybill_returned"]


def test_an_orders_parcels_have_all_arrived_with_the_last(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 4})
    made, fan = with_couriers(settings, heaviest_parcel_grams=1000), Depot()
    intended(engine, made, order("FO1", line("R-1", 4)))
    make_due(engine, made, {"fan": fan}, now=NOW)
    fan.happened = [event("F1", 1, "shipped"), event("F2", 1, "shipped"), event("F2", 2, "delivered")]
    track_due(engine, made, {"fan": fan}, now=after(hours=3))
    fan.happened += [event("F1", 4, "delivered")]
    track_due(engine, made, {"fan": fan}, now=after(hours=5))
    found = rows(engine, "select kind, detail ->> 'number', detail -> 'all' from cloudsales.event where kind = any (:kinds) order by event_id",
                 kinds=list(TOLD))  # fmt: skip
    assert found == [
        ("waybill_shipped", "F1", True),
        ("waybill_shipped", "F2", True),
        ("waybill_delivered", "F2", False),
        ("waybill_delivered", "F1", True),
    ]


def test_i42_the_cursor_moves_only_with_the_events_that_it_covers(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, fan = created(engine, settings, 2)
    fan.offers_since = True
    until = "select tracked_until from cloudsales.courier_standing"
    track_due(engine, made, {"fan": fan}, now=after(minutes=1))
    assert (rows(engine, until), fan.asked) == ([(after(minutes=1),)], [("F1", "F2")]), "new parcels also by number"
    fan.happened = [event("F1", 0.5, "shipped")]
    real = tracking._run

    def dies(connection: Any, step: str, **values: Any) -> Any:
        if step == "read_until":
            raise sa.exc.DataError("read_until", {}, ValueError())
        return real(connection, step, **values)

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "_run", dies)
        with pytest.raises(DatabaseError, match="lost while"):
            track_due(engine, made, {"fan": fan}, now=after(hours=1))
    assert (rows(engine, until), states(engine)) == ([(after(minutes=1),)], ["created", "created"])
    assert track_due(engine, made, {"fan": fan}, now=after(hours=1)) == TrackResult(events=1, moved=1)
    assert rows(engine, until) == [(after(hours=1),)]
    fan.happened += [event("F2", 0.9, "shipped")]
    assert track_due(engine, made, {"fan": fan}, now=after(minutes=65)).events == 0
    assert track_due(engine, made, {"fan": fan}, now=after(minutes=75)).moved == 1, "the overlap finds what was written late"
    assert fan.asked == [("F1", "F2")]
    assert track_due(engine, made, {"fan": fan}, now=after(days=2)).asked == 2, "once a day by number all the same"


def test_a_courier_that_is_away_rests_and_the_others_events_are_cleaned(engine: Engine, settings: Settings) -> None:
    market(engine, {"R-1": 9})
    other = BY_FAN | {"courier": "sameday", "when": "quantity == 2", "name": "two pieces"}
    made = with_couriers(settings, other, BY_FAN, names=("fan", "sameday"))
    intended(engine, made, order("FO1", line("R-1")), order("FO2", line("R-1", 2), minutes=1))
    fan, sameday = Depot(), Depot("S")
    both = {"fan": fan, "sameday": sameday}
    make_due(engine, made, both, now=NOW)
    fan.away = True
    naive = ParcelEvent(number="S1", occurred_at=NOW.replace(tzinfo=None), code="x", state="delivered")
    sameday.happened = [event("S1", 1, "shipped", "c\x00ș"), event("S9", 1, "delivered"), event("S1", 9999, "delivered"), naive]
    result = track_due(engine, made, both, now=after(hours=2))
    assert (list(result.away), result.moved, result.unreadable) == (["fan"], 1, 2)
    assert states(engine) == ["created", "shipped"]
    assert rows(engine, "select code, state from cloudsales.waybill_event") == [("c", "shipped")]
    fan.happened, fan.away = [event("F1", 1, "shipped")], False
    assert track_due(engine, made, both, now=after(hours=2)).moved == 0, "it rests for half a minute"
    assert track_due(engine, made, both, now=after(hours=3)).moved == 1


def test_many_parcels_are_asked_about_in_batches_and_old_ones_no_more(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings, 60, track_for=timedelta(days=5))
    assert track_due(engine, made, {"fan": fan}, now=after(hours=1)).asked == 60
    assert [len(asked) for asked in fan.asked] == [50, 10]
    assert track_due(engine, made, {"fan": fan}, now=after(days=6)).asked == 0


def test_a_cancelled_waybill_whose_parcel_travels_is_for_a_person(engine: Engine, settings: Settings) -> None:
    made, fan = created(engine, settings, 2)
    fan.offers_since = True
    with engine.begin() as connection:
        connection.execute(sa.text("update cloudsales.waybill set state = 'cancelled' where number = 'F1'"))
    fan.happened = [event("F1", 1, "shipped")]
    assert track_due(engine, made, {"fan": fan}, now=after(hours=2)).moved == 0
    assert (states(engine), quarantined(engine)) == (["cancelled", "created"], [("FO1", "cancelled_but_moving")])


class Stumbles(Depot):
    """Says nothing of a batch in which one of these is."""

    def __init__(self, *over: str) -> None:
        super().__init__()
        self.over = over

    def track(self, numbers: Sequence[str]) -> list[ParcelEvent]:
        if set(self.over) & set(numbers):
            raise KeyError("status")
        return super().track(numbers)


def test_one_parcel_that_the_courier_stumbles_over_holds_up_no_other(engine: Engine, settings: Settings) -> None:
    made, _ = created(engine, settings, 20)
    fan = Stumbles("F7")
    fan.happened = [event(f"F{n}", 1, "shipped") for n in range(1, 21)]
    result = track_due(engine, made, {"fan": fan}, now=after(hours=2))
    assert (result.moved, result.unreadable, result.away) == (19, 1, {})
    fan.over = tuple(f"F{n}" for n in range(1, 21))
    result = track_due(engine, made, {"fan": fan}, now=after(hours=3))
    assert (result.moved, result.unreadable, list(result.away)) == (0, 3, ["fan"])
