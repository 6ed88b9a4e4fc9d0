"""What can go wrong at a courier, and what each thing means for the parcel (I-37, F-03, F-05, F-07, F-08, F-15)."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents.couriers.port import (
    CourierAwayError,
    CourierError,
    CourierRefusedError,
    CourierUnclearError,
)
from cloudsales_pipeline.documents.couriers.registry import open_courier
from cloudsales_pipeline.simulator.couriers import running_couriers
from cloudsales_pipeline.simulator.faults import Fault
from tests.documents.couriers.post_office import PERSONAL, QUICK, SHIPMENT, Office, changed, office

MADE_ALL_THE_SAME = [
    Fault.STALL,
    Fault.FAILED_AFTER_WORK,
    Fault.RESET_AFTER_WORK,
    Fault.CUT_BODY,
    Fault.CUT_CHUNKED,
    Fault.CUT_UNSIZED,
    Fault.HTML_PAGE,
    Fault.BROKEN_JSON,
    Fault.GZIP_BOMB,
    Fault.SLOW_DRIP,
]
NOTHING_MADE = [Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.RESET, Fault.REDIRECT]


@pytest.mark.parametrize("fault", MADE_ALL_THE_SAME)
def test_an_order_whose_answer_is_lost_is_unclear_and_its_waybill_is_found_by_our_reference(either: Office, fault: Fault) -> None:
    either.state.faults.queue(f"{either.kind}.create", fault, seconds=3)
    begin = time.monotonic()
    with pytest.raises(CourierUnclearError) as unclear:
        either.courier.create(SHIPMENT)
    assert time.monotonic() - begin < 2.5
    assert no_secret(unclear.value)
    assert len(either.numbers) == 1
    found = either.courier.find_by_reference("CS-17-1", either.today())
    assert found is not None
    assert [found.number] == either.numbers
    assert either.state.faults.requests[f"{either.kind}.create"] == 1


@pytest.mark.parametrize("fault", NOTHING_MADE)
def test_an_order_that_may_have_been_done_is_unclear_although_it_was_not(either: Office, fault: Fault) -> None:
    either.state.faults.queue(f"{either.kind}.create", fault, seconds=60)
    with pytest.raises(CourierUnclearError):
        either.courier.create(SHIPMENT)
    assert either.numbers == []


def test_too_many_requests_is_surely_not_done_and_says_until_when(either: Office) -> None:
    either.state.faults.queue(f"{either.kind}.create", Fault.TOO_MANY, seconds=120)
    before = datetime.now(UTC)
    with pytest.raises(CourierAwayError) as away:
        either.courier.create(SHIPMENT)
    assert away.value.reason == "too_many_requests"
    assert away.value.retry_at is not None
    assert timedelta(seconds=110) < away.value.retry_at - before < timedelta(seconds=130)
    assert either.numbers == []


def test_a_token_that_ends_midway_is_renewed_once_and_the_order_made_once(either: Office) -> None:
    either.courier.create(SHIPMENT)
    either.state.expire_tokens()
    either.courier.create(changed(reference="CS-18-1"))
    assert either.state.sign_ins[either.kind] == 2
    assert len(either.numbers) == 2


def test_a_courier_that_takes_no_token_is_signed_in_to_once_more_and_then_left_alone(either: Office) -> None:
    either.state.faults.always(f"{either.kind}.create", Fault.UNAUTHORISED)
    with pytest.raises(CourierAwayError) as away:
        either.courier.create(SHIPMENT)
    assert away.value.reason == "signed_out"
    assert either.state.sign_ins[either.kind] == 2
    assert either.state.faults.requests[f"{either.kind}.create"] == 2
    assert either.numbers == []


def test_a_wrong_password_is_away_names_the_variables_and_orders_nothing(either: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURIER_PASSWORD", "h4x0r-pass")
    courier = open_courier("post", either.settings, database=None, limits=QUICK)
    with pytest.raises(CourierAwayError, match=r"couriers\.post\.user_env") as away:
        courier.create(SHIPMENT)
    assert away.value.reason == "signed_out"
    assert "h4x0r" not in str(away.value)
    assert either.state.faults.requests[f"{either.kind}.create"] == 0
    courier.close()


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.HTML_PAGE, Fault.UNAVAILABLE, Fault.FAILED_AFTER_WORK])
def test_a_sign_in_that_fails_is_never_unclear_for_no_order_was_sent(either: Office, fault: Fault) -> None:
    either.state.faults.queue(f"{either.kind}.sign_in", fault, seconds=0.9)
    with pytest.raises(CourierAwayError):
        either.courier.create(SHIPMENT)
    assert either.state.faults.requests[f"{either.kind}.create"] == 0


def test_a_closed_port_is_away_and_nothing_was_ordered(either: Office) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    courier = open_courier("post", either.settings.model_copy(update={"url": url}), database=None, limits=QUICK)
    with pytest.raises(CourierAwayError):
        courier.create(SHIPMENT)
    courier.close()


def test_a_server_that_is_gone_after_the_sign_in_is_away_for_nothing_was_sent(
    either: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_couriers() as other, office(either.kind, other, monkeypatch) as lost:
        courier = open_courier("post", lost.settings, database=None, limits=QUICK)
        courier.track(["1"])  # signs in
    with pytest.raises(CourierAwayError):
        courier.create(SHIPMENT)
    assert lost.numbers == []
    courier.close()


COMPLAINTS = {
    "fan": [
        ({"recipient.address.locality": "Localitatea Horea nu exista"}, "address_invalid"),
        ({"recipient.phone": "Telefon gresit 0722123456"}, "phone_invalid"),
        ({"info.service": "Serviciu indisponibil"}, "service_unknown"),
        ({"info.cod": "Ramburs nepermis"}, "cash_on_delivery"),
        ({"info.weight": "Greutate depasita"}, "weight_invalid"),
        ({"altceva": "Ștefania Mărgineanu"}, "refused"),
    ],
    "sameday": [
        ({"awbRecipient": {"children": {"cityString": {"errors": ["Horea unknown"]}}}}, "address_invalid"),
        ({"awbRecipient": {"children": {"phoneNumber": {"errors": ["0722123456"]}}}}, "phone_invalid"),
        ({"service": {"errors": ["This value is not valid."]}}, "service_unknown"),
        ({"cashOnDelivery": {"errors": ["too much"]}}, "cash_on_delivery"),
        ({"pickupPoint": {"errors": ["unknown"]}}, "account_wrong"),
        ({"altceva": {"errors": ["Ștefania Mărgineanu"]}}, "refused"),
    ],
}


def test_a_couriers_complaint_becomes_a_reason_and_its_words_go_nowhere(either: Office) -> None:
    for errors, reason in COMPLAINTS[either.kind]:
        either.state.complain(either.kind, errors)
        with pytest.raises(CourierRefusedError) as refused:
            either.courier.create(SHIPMENT)
        assert refused.value.reason == reason
        assert no_secret(refused.value)
    assert either.numbers == []


@pytest.mark.parametrize(
    ("message", "expected", "reason"),
    [
        ("Invalid clientId", CourierRefusedError, "account_wrong"),
        ("Token expirat", CourierAwayError, "signed_out"),
        ("Server error, Ștefania", CourierUnclearError, None),
    ],
)
def test_fans_failure_by_a_message_alone_is_read_with_care(
    fan: Office, message: str, expected: type[CourierError], reason: str | None
) -> None:
    fan.state.complain("fan", {"": message})
    with pytest.raises(expected) as error:
        fan.courier.create(SHIPMENT)
    assert getattr(error.value, "reason", None) == reason
    assert no_secret(error.value)
    fan.courier.create(SHIPMENT)
    assert fan.state.sign_ins["fan"] == (2 if reason == "signed_out" else 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"phone": "123"}, "phone_invalid"),
        ({"county": "Transilvania"}, "address_invalid"),
        ({"city": " "}, "address_invalid"),
        ({"street": ""}, "address_invalid"),
        ({"country": "BG"}, "country_unknown"),
        ({"name": "\u0007 "}, "name_invalid"),
        ({"weight_grams": 0}, "weight_invalid"),
        ({"currency": "EUR"}, "cash_on_delivery"),
    ],
)
def test_what_no_courier_could_carry_is_refused_before_it_is_asked(
    either: Office, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(CourierRefusedError) as refused:
        either.courier.create(changed(**changes))
    assert refused.value.reason == reason
    assert no_secret(refused.value)
    assert either.state.faults.requests == {}


def test_sameday_needs_numbers_for_services_and_lockers(sameday: Office) -> None:
    for changes, reason in (({"service": "LN"}, "service_unknown"), ({"locker_id": "easybox Mega"}, "locker_unknown")):
        with pytest.raises(CourierRefusedError) as refused:
            sameday.courier.create(changed(**changes))
        assert refused.value.reason == reason


def test_samedays_answer_that_the_reference_is_taken_gives_the_waybill_that_took_it(sameday: Office) -> None:
    sameday.state.faults.queue("sameday.create", Fault.STALL, seconds=1)
    with pytest.raises(CourierUnclearError):
        sameday.courier.create(SHIPMENT)
    again = sameday.courier.create(SHIPMENT)
    assert [again.number] == sameday.numbers


def test_a_taken_reference_that_cant_be_looked_up_is_unclear_and_never_refused(sameday: Office) -> None:
    sameday.courier.create(SHIPMENT)
    for fault in (Fault.FAILED_AFTER_WORK, Fault.HTML_PAGE):
        sameday.state.faults.queue("sameday.find", fault, times=2)
        with pytest.raises(CourierUnclearError):
            sameday.courier.create(SHIPMENT)
    assert len(sameday.numbers) == 1


def test_samedays_reference_of_a_cancelled_waybill_asks_for_another_reference(sameday: Office) -> None:
    sameday.courier.cancel(sameday.courier.create(SHIPMENT).number)
    with pytest.raises(CourierRefusedError, match="another reference") as refused:
        sameday.courier.create(SHIPMENT)
    assert refused.value.reason == "reference_used"


def test_fan_makes_a_second_waybill_when_asked_twice_so_the_adapter_asks_once(fan: Office) -> None:
    fan.courier.create(SHIPMENT)
    fan.courier.create(SHIPMENT)
    assert len(fan.numbers) == 2
    assert fan.state.faults.requests["fan.create"] == 2


@pytest.mark.parametrize(
    ("fault", "expected", "reason"),
    [
        (Fault.HTML_PAGE, CourierRefusedError, "label_not_pdf"),
        (Fault.CUT_UNSIZED, CourierAwayError, "label_cut"),
        (Fault.CUT_BODY, CourierAwayError, "away"),
        (Fault.GZIP_BOMB, CourierAwayError, "away"),
        (Fault.FAILED_AFTER_WORK, CourierAwayError, "away"),
        (Fault.SLOW_DRIP, CourierAwayError, "away"),
    ],
)
def test_a_label_that_is_no_whole_pdf_never_comes_through(
    either: Office, fault: Fault, expected: type[CourierError], reason: str
) -> None:
    number = either.courier.create(SHIPMENT).number
    either.state.faults.always(f"{either.kind}.label", fault, seconds=4)
    begin = time.monotonic()
    with pytest.raises(expected) as error:
        either.courier.label(number)
    assert error.value.reason == reason  # type: ignore[attr-defined]
    assert time.monotonic() - begin < 2.5
    assert no_secret(error.value)
    either.state.faults.clear()
    assert either.courier.label(number).startswith(b"%PDF")


@pytest.mark.parametrize("fault", [Fault.FAILED_AFTER_WORK, Fault.HTML_PAGE, Fault.TOO_MANY, Fault.UNAUTHORISED])
def test_a_look_up_that_fails_never_says_that_there_is_none(either: Office, fault: Fault) -> None:
    either.courier.create(SHIPMENT)
    for operation in ("report", "find", "status"):
        either.state.faults.always(f"{either.kind}.{operation}", fault, seconds=30)
    with pytest.raises(CourierAwayError):
        either.courier.find_by_reference("CS-17-1", either.today())


@pytest.mark.parametrize("wrong", ["short", "stuck"])
def test_a_report_of_fans_that_is_not_whole_never_says_that_there_is_none(fan: Office, wrong: Any) -> None:
    for place in range(5):
        fan.courier.create(changed(reference=f"CS-{place}"))
    fan.state.page_size, fan.state.report = 2, wrong
    with pytest.raises(CourierAwayError) as away:
        fan.courier.find_by_reference("CS-4", fan.today())
    assert away.value.reason == "report_cut"
    assert fan.courier.find_by_reference("CS-1", fan.today()) is not None


def test_a_report_of_fans_without_a_total_is_read_to_an_empty_page(fan: Office) -> None:
    for place in range(4):
        fan.courier.create(changed(reference=f"CS-{place}"))
    fan.state.page_size, fan.state.report = 2, "untold"
    found = fan.courier.find_by_reference("CS-3", fan.today())
    assert found is not None
    assert fan.courier.find_by_reference("CS-9", fan.today()) is None
    assert fan.state.faults.requests["fan.report"] == 2 + 3


def test_a_look_up_of_fans_whose_second_page_fails_never_says_that_there_is_none(fan: Office) -> None:
    for place in range(3):
        fan.courier.create(changed(reference=f"CS-{place}"))
    fan.state.page_size = 2
    fan.state.faults.queue("fan.report", Fault.FAILED_AFTER_WORK, after=1, times=5)
    with pytest.raises(CourierAwayError):
        fan.courier.find_by_reference("CS-9", fan.today())


@pytest.mark.parametrize("fault", [Fault.FAILED_AFTER_WORK, Fault.STALL, Fault.RESET_AFTER_WORK, Fault.HTML_PAGE])
def test_a_cancellation_whose_answer_is_lost_is_unclear_and_asking_again_settles_it(either: Office, fault: Fault) -> None:
    number = either.courier.create(SHIPMENT).number
    either.state.faults.queue(f"{either.kind}.cancel", fault, seconds=1)
    with pytest.raises(CourierUnclearError):
        either.courier.cancel(number)
    either.courier.cancel(number)
    assert either.state.made()[0].state == "cancelled"


def test_a_503_that_asks_to_wait_an_hour_is_still_unclear_for_an_order(either: Office) -> None:
    either.state.faults.queue(f"{either.kind}.create", Fault.UNAVAILABLE, seconds=3600)
    with pytest.raises(CourierUnclearError):
        either.courier.create(SHIPMENT)
    with pytest.raises(CourierAwayError) as away:
        either.courier.label("123")
    assert away.value.retry_at is not None


def test_four_threads_that_start_together_sign_in_once_and_make_a_waybill_each(either: Office) -> None:
    shipments = [changed(reference=f"CS-{place}") for place in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(either.courier.create, shipments))
    assert sorted(one.number for one in made) == sorted(either.numbers)
    assert either.state.sign_ins[either.kind] == 1


def test_a_courier_that_asks_to_wait_is_left_alone_by_every_process(either: Office, engine: Engine) -> None:
    first, second = (open_courier("post", either.settings, database=engine, limits=QUICK) for _ in range(2))
    try:
        either.state.faults.queue(f"{either.kind}.create", Fault.TOO_MANY, seconds=120)
        for courier in (first, second):
            with pytest.raises(CourierAwayError) as away:
                courier.create(SHIPMENT)
            assert away.value.reason == "too_many_requests"
        assert either.state.faults.requests[f"{either.kind}.create"] == 1
        with engine.connect() as connection:
            assert connection.execute(sa.text("select channel from cloudsales.channel_pause")).scalars().all() == ["courier post"]
    finally:
        first.close()
        second.close()


def no_secret(error: BaseException) -> bool:
    """Neither its text nor what hangs on it says who, where, or how we sign in."""
    told = ""
    step: BaseException | None = error
    while step is not None:
        told += f"{step!r} {step} {step.args}"
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)
    return not any(word.lower() in told.lower() for word in PERSONAL)
