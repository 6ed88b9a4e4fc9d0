"""A parcel's life at either courier: ordered, labelled, looked up, tracked, taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cloudsales_pipeline.documents.couriers.port import CourierAwayError, CourierRefusedError
from tests.documents.couriers.post_office import SHIPMENT, Office, changed


def states(office: Office, number: str) -> list[str | None]:
    return [event.state for event in sorted(office.courier.track([number]), key=lambda event: event.occurred_at)]


def test_a_parcel_is_ordered_under_our_reference_and_found_by_it(either: Office) -> None:
    made = either.courier.create(SHIPMENT)
    assert [made.number] == either.numbers
    assert made.cost == (Decimal("16.90") if either.kind == "fan" else Decimal("15.10"))
    assert made.barcodes == ((made.number,) if either.kind == "fan" else (f"{made.number}001",))
    found = either.courier.find_by_reference("CS-17-1", either.today())
    assert found is not None
    assert (found.number, found.barcodes) == (made.number, made.barcodes)
    assert either.courier.find_by_reference("CS-17-2", either.today()) is None
    assert either.state.sign_ins[either.kind] == 1


def test_its_label_is_a_pdf_and_a_waybill_that_nobody_made_has_none(either: Office) -> None:
    made = either.courier.create(SHIPMENT)
    assert either.courier.label(made.number).startswith(b"%PDF-1.4")
    assert made.number.encode() in either.courier.label(made.number)
    with pytest.raises(CourierRefusedError) as refused:
        either.courier.label("999")
    assert refused.value.reason in ("label_not_pdf", "label_missing")


def test_it_is_tracked_from_the_pick_up_over_the_locker_to_the_buyer(either: Office) -> None:
    number = either.courier.create(SHIPMENT).number
    before = [] if either.kind == "fan" else ["created"]
    assert states(either, number) == before
    either.state.advance(number, "in_locker")
    assert states(either, number)[-1] == "in_locker"
    either.state.advance(number, "delivered")
    assert states(either, number)[len(before)] == "shipped"
    assert states(either, number)[-1] == "delivered"
    assert either.courier.track(["12345"]) == []


def test_a_parcel_that_comes_back_is_returned_and_not_delivered(either: Office) -> None:
    number = either.courier.create(SHIPMENT).number
    either.state.advance(number, "returned")
    assert states(either, number)[-1] == "returned"
    assert "delivered" not in states(either, number)


def test_what_is_not_on_its_way_is_taken_back_once_or_twice_and_then_not_found(either: Office) -> None:
    number = either.courier.create(SHIPMENT).number
    either.courier.cancel(number)
    either.courier.cancel(number)
    assert [parcel.cancelled for parcel in either.state.made()] == [True]
    assert either.courier.find_by_reference("CS-17-1", either.today()) is None


def test_what_is_on_its_way_is_not_taken_back(either: Office) -> None:
    number = either.courier.create(SHIPMENT).number
    either.state.advance(number, "shipped")
    with pytest.raises(CourierRefusedError) as refused:
        either.courier.cancel(number)
    assert refused.value.reason == "on_its_way"
    assert either.state.made()[0].state == "shipped"


def test_fan_gets_whole_kilograms_plain_names_and_our_reference_first(fan: Office) -> None:
    fan.courier.create(changed(county="Bistrița-Năsăud", city="Năsăud", weight_grams=2_001))
    asked = fan.state.made()[0].asked
    info, recipient = asked["info"], asked["recipient"]
    assert (info["weight"], info["cod"], info["payment"], info["content"]) == (3, 149.9, "sender", "CS-17-1 Haine")
    assert recipient["phone"] == "0722123456"
    assert (recipient["address"]["county"], recipient["address"]["locality"]) == ("Bistrita-Nasaud", "Nasaud")
    assert recipient["name"] == "Ștefania Mărgineanu"


def test_sameday_gets_a_form_with_the_sector_as_its_town(sameday: Office) -> None:
    sameday.courier.create(changed(county="București", city="Sector 3", weight_grams=1_204, company=True))
    asked = sameday.state.made()[0].asked
    assert (asked["awbRecipient[countyString]"], asked["awbRecipient[cityString]"]) == ("Bucuresti", "Sectorul 3")
    assert (asked["packageWeight"], asked["parcels[0][weight]"]) == ("1.21", "1.21")
    assert (asked["cashOnDelivery"], asked["awbRecipient[personType]"]) == ("149.90", "1")
    assert asked["awbRecipient[companyName]"] == "Ștefania Mărgineanu"
    assert (asked["clientInternalReference"], asked["pickupPoint"], asked["service"]) == ("CS-17-1", "4711", "7")


def test_fan_gets_bucharests_sector_within_the_street(fan: Office) -> None:
    fan.courier.create(changed(county="", city="București, sector 6"))
    address = fan.state.made()[0].asked["recipient"]["address"]
    assert (address["county"], address["locality"], address["street"]) == ("Bucuresti", "Bucuresti", "Strada Horea 12, sector 6")


def test_a_locker_gets_the_service_for_lockers(either: Office) -> None:
    either.courier.create(changed(locker_id="8801", street=""))
    asked = either.state.made()[0].asked
    if either.kind == "fan":
        assert (asked["info"]["service"], asked["recipient"]["address"]["pickupLocationId"]) == ("FANbox", "8801")
    else:
        assert (asked["service"], asked["lockerLastMile"]) == ("15", "8801")


def test_fans_report_is_read_to_its_last_page_and_no_further_back_than_two_weeks(fan: Office) -> None:
    fan.state.page_size = 2
    for place in range(5):
        fan.courier.create(changed(reference=f"CS-{place}"))
    found = fan.courier.find_by_reference("CS-4", fan.today())
    assert found is not None
    assert found.number == fan.numbers[4]
    assert fan.courier.find_by_reference("CS-0", fan.today() - timedelta(days=3)) is not None
    with pytest.raises(CourierAwayError) as away:
        fan.courier.find_by_reference("CS-4", fan.today() - timedelta(days=20))
    assert away.value.reason == "too_old"


def test_samedays_changes_of_five_hours_come_in_three_windows_and_five_pages_each_event_once(sameday: Office) -> None:
    numbers = [sameday.courier.create(changed(reference=f"CS-{place}")).number for place in range(3)]
    sameday.state.page_size = 2
    sameday.state.advance(numbers[0], "delivered")
    begin = datetime.now(UTC) - timedelta(hours=5)
    for parcel in sameday.state.made():
        for event in parcel.events:
            event.at -= timedelta(minutes=1)
    sameday.state.made()[2].events[0].at = begin + timedelta(hours=1)
    events = sameday.courier.track_since(begin)
    assert events is not None
    assert [(event.number, event.code) for event in events] == [
        (numbers[2], "1"),
        *((numbers[0], code) for code in ("1", "4", "56", "33", "9")),
        (numbers[1], "1"),
    ]
    assert sameday.state.faults.requests["sameday.changes"] == 5
    assert sameday.courier.track_since(begin - timedelta(days=9)) is None


def test_fan_cant_be_asked_what_happened_since(fan: Office) -> None:
    assert fan.courier.track_since(datetime.now(UTC)) is None
