"""What a courier is told and what it tells: numbers, places, texts, times and codes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cloudsales_pipeline.documents.couriers import outcomes, sameday_fields, texts
from cloudsales_pipeline.documents.couriers.fan import CANT, GONE, STATES, _state
from cloudsales_pipeline.documents.couriers.port import CourierRefusedError
from cloudsales_pipeline.documents.couriers.registry import open_courier
from cloudsales_pipeline.documents.couriers.times import instant
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.simulator.couriers_state import FAN_CODES, SAMEDAY_CODES
from tests.documents.couriers.post_office import SHIPMENT, Office, changed


@pytest.mark.parametrize("written", ["0722 123 456", "+40722123456", "0040-722.123.456", "40722123456", "0722123456"])
def test_a_romanian_number_is_ten_digits_however_it_is_written(written: str) -> None:
    assert texts.phone(written) == "0722123456"


@pytest.mark.parametrize("written", ["", "722123456", "+359888123456", "07221234567", "0122123456", "ext. 12"])
def test_another_number_is_refused_before_a_courier_is_asked(written: str) -> None:
    with pytest.raises(CourierRefusedError) as refused:
        texts.phone(written)
    assert refused.value.reason == "phone_invalid"


@pytest.mark.parametrize(
    ("county", "city", "street", "place"),
    [
        ("Iași", "Pașcani", "", ("Iasi", "Pascani", "")),
        ("CJ", "Cluj-Napoca", "", ("Cluj", "Cluj-Napoca", "")),
        ("Satu Mare", "Satu Mare", "", ("Satu Mare", "Satu Mare", "")),
        ("Sector 2", "București", "", ("Bucuresti", "Bucuresti", "2")),
        ("București", "București", "Calea Moșilor 3, sect. 4", ("Bucuresti", "Bucuresti", "4")),
        ("", "Bucuresti Sectorul 1", "", ("Bucuresti", "Bucuresti", "1")),
        ("București", "București", "", ("Bucuresti", "Bucuresti", "")),
        ("Ilfov", "Voluntari", "Sectorul 5 nr. 2", ("Ilfov", "Voluntari", "")),
    ],
)
def test_counties_and_towns_are_as_couriers_list_them(county: str, city: str, street: str, place: tuple[str, str, str]) -> None:
    assert texts.place(changed(county=county, city=city, street=street)) == place


def test_texts_are_one_line_composed_and_cut_between_words() -> None:
    assert texts.cut("  Strada\n\u0000Horea\t12  ", 50) == "Strada Horea 12"
    assert texts.cut("Bulevardul Decebal numarul 100", 20) == "Bulevardul Decebal"
    assert texts.cut("A" * 60, 50) == "A" * 50
    assert texts.cut("S\u0326tefan", 3) == "\u0218te"


def test_a_time_without_a_zone_is_bucharests_in_winter_and_in_summer() -> None:
    assert instant("2026-11-24 20:00:00") == datetime(2026, 11, 24, 18, tzinfo=UTC)
    assert instant("2026-07-24 20:00") == datetime(2026, 7, 24, 17, tzinfo=UTC)
    assert instant("2018-12-20T17:20:13+0200") == datetime(2018, 12, 20, 15, 20, 13, tzinfo=UTC)
    assert [instant(text) for text in ("2026-11-24", "ieri la pranz, devreme", "", None, 1_770_817_871)] == [None] * 5


def test_a_code_that_nobody_told_us_of_says_nothing_of_the_state() -> None:
    assert [_state(code) for code in ("S3", "S16", "S33", "S38", "Z9", "H")] == [None] * 6
    assert [_state(code) for code in ("H0", "H17", "C0", "S2", "S43", "S46")] == [
        "shipped", "shipped", "shipped", "delivered", "returned", "in_locker",
    ]  # fmt: skip
    row = {"statusDate": "2026-11-24T10:00:00+0200", "parcelAwbNumber": "1ONB1001"}
    told = [{**row, "statusId": code, "inReturn": back} for code, back in ((9, False), (9, True), (35, False), (33, True))]
    assert [event.state for event in sameday_fields.events(told)] == ["delivered", "returned", None, None]


def test_the_simulator_speaks_only_codes_that_the_adapters_know_the_end_of() -> None:
    for move, codes in FAN_CODES.items():
        assert STATES.get(codes[-1], "shipped") == move
    for move, pairs in SAMEDAY_CODES.items():
        assert sameday_fields._state(str(pairs[-1][0]), pairs[-1][1]) == move


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        ("AWB inexistent", True),
        ("AWB-ul a fost sters anterior", True),
        ("AWB-ul nu a fost gasit", True),
        ("AWB-ul nu mai poate fi sters", False),
        ("Expeditia nu a fost anulata", False),
        ("AWB cannot be deleted", False),
    ],
)
def test_fans_words_for_gone_are_not_its_words_for_cant(said: str, gone: bool) -> None:
    assert (bool(GONE.search(said)) and not CANT.search(said)) == gone


def test_rows_that_cant_be_read_are_left_out_and_the_rest_is_kept() -> None:
    good = {"statusId": 9, "statusDate": "2026-11-24T10:00:00+0200", "parcelAwbNumber": "1ONB7001"}
    rows = [None, {}, {**good, "statusDate": "24.11"}, {**good, "statusId": None}, {**good, "parcelAwbNumber": "001"}, good]
    assert [event.number for event in sameday_fields.events(rows)] == ["1ONB7"]
    assert list(sameday_fields.events({"no": "list"})) == []


def test_a_complaint_as_deep_as_a_well_and_as_long_as_a_book_is_read_no_further() -> None:
    deep: object = "phone"
    for _ in range(100):
        deep = {"children": deep}
    assert outcomes.complaints_in(deep) == []
    assert len(outcomes.complaints_in([str(place) for place in range(10_000)])) == 20


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ({"awbNumber": "1ONB7"}, "1ONB7"),
        ({"expeditionSummary": {"awbNumber": "1ONB7"}}, "1ONB7"),
        ({"data": [{"awbNumber": "1ONB7", "clientInternalReference": "CS-17-1"}]}, "1ONB7"),
        ({"data": [{"awbNumber": "1ONB7"}, {"awbNumber": "1ONB8"}]}, ""),
        ({"awbNumber": "1ONB7", "clientInternalReference": "CS-99"}, ""),
        ({"awbNumber": "../../etc"}, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_only_a_number_that_is_plainly_ours_is_believed(answer: object, number: str) -> None:
    assert sameday_fields.number_found(answer, "CS-17-1") == number


@pytest.mark.parametrize("number", ["../awb", "1 2", "", "a" * 41, "Ștefan"])
def test_what_is_no_waybills_number_never_enters_a_path(either: Office, number: str) -> None:
    for ask in (either.courier.label, either.courier.cancel, lambda it: either.courier.track([it])):
        with pytest.raises(ValueError, match="letters and digits"):
            ask(number)
    assert either.state.faults.requests == {}


def test_a_reference_with_slashes_and_spaces_is_one_word_at_the_courier_and_found_by_the_whole(either: Office) -> None:
    made = [either.courier.create(changed(reference=text)).number for text in ("shop_ro/#FO 1.001ă/1", "shop_ro/#FO/1.001ă/1")]
    sent = [parcel.reference for parcel in either.state.made()]
    assert [text.partition("_")[0] for text in sent] == ["shop-ro-FO-1-001a-1"] * 2
    assert len(set(sent)) == 2
    found = either.courier.find_by_reference("shop_ro/#FO/1.001ă/1", either.today())
    assert found is not None
    assert found.number == made[1]
    assert either.courier.find_by_reference("shop_ro/#FO 1.001/1", either.today()) is None


def test_references_stay_as_they_are_where_they_can_and_within_forty_characters_where_not() -> None:
    assert texts.reference("CS-17-1") == "CS-17-1"
    assert len(texts.reference("fashionup/" + "9" * 200 + "/1")) == 40
    with pytest.raises(ValueError, match="needs a reference"):
        texts.reference(" ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"client_id": "abc"}, "client_id"),
        ({"url": "ftp://post"}, r"couriers\.post\.url"),
        ({"user_env": "NOBODY_SET_THIS"}, "NOBODY_SET_THIS"),
    ],
)
def test_settings_that_cant_be_used_are_told_at_opening(either: Office, change: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        open_courier("post", either.settings.model_copy(update=change), database=None)


def test_a_day_that_has_not_come_is_looked_up_as_today(either: Office) -> None:
    made = either.courier.create(SHIPMENT)
    found = either.courier.find_by_reference("CS-17-1", date(2999, 1, 1))
    assert found is not None
    assert found.number == made.number
