"""What a store says: its answers to change sets, and its reports of what it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from cloudsales_pipeline.channels.errors import (
    BodyTooLargeError,
    ChannelResponseError,
)
from cloudsales_pipeline.channels.folders import Folder, open_folder
from cloudsales_pipeline.channels.port import (
    OfferedStock,
    StockOutcome,
    StockResult,
)
from cloudsales_pipeline.channels.store import Store
from tests.channels.till import REJECTED, SET, TWO, later, outcomes

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=["file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return open_folder(tmp_path.as_uri() if request.param == "file" else f"memory://{uuid4().hex}/outbox", channel="cluj")


@pytest.fixture
def store(folder: Folder) -> Store:
    return later(folder)


# ---------------------------------------------------------------- answers


@pytest.fixture
def asked(store: Store) -> Store:
    """A store that was sent change set 1."""
    store.push_stock(TWO)
    return store


@pytest.mark.parametrize("answer", [b"", b"ok", b"ok\n", b"OK\r\n", b"\xef\xbb\xbfok\r\n", b"\n"])
def test_an_answer_that_names_nothing_says_that_all_are_set(asked: Store, folder: Folder, answer: bytes) -> None:
    folder.write_complete("stock-000000001.ack", answer)
    assert outcomes(asked.stock_result("1")) == [("A-1", SET), ('B, "2"', SET)]
    assert asked.stock_result("1") == asked.stock_result("1")


def test_while_there_is_no_answer_the_result_is_empty(asked: Store, folder: Folder) -> None:
    folder.write_complete("stock-000000002.ack", b"ok\n")
    assert asked.stock_result("1") == ()


def test_an_answer_names_what_is_not_set_and_the_rest_is(asked: Store, folder: Folder) -> None:
    folder.write_complete("stock-000000001.ack", b"sku,result,detail\nA-1,unknown_variant,nu exist\xc4\x83\x07\n")
    first, second = asked.stock_result("1")
    assert first == StockResult("A-1", StockOutcome.UNKNOWN_VARIANT, "nu există")
    assert second == StockResult('B, "2"', SET)


def test_an_answer_may_name_every_item_without_a_header(asked: Store, folder: Folder) -> None:
    folder.write_complete("stock-000000001.ack", b'"B, ""2""",STALE\r\nA-1,set\r\n\r\n')
    assert outcomes(asked.stock_result("1")) == [("A-1", SET), ('B, "2"', StockOutcome.STALE)]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"sku,result\nA-1,sett\n", "line 2: one of the results set, stale, unknown_variant, rejected is expected"),
        (b"A-1,pending\n", "line 1: one of the results"),
        (b"A-1;set\n", "line 1: sku,result or sku,result,detail is expected"),
        (b"sku,result\nA-1,set\nC-9,set\n", "line 3: a SKU that the change set does not have"),
        (b"A-1,set\nA-1,rejected\n", "line 2: a SKU has another result than before"),
        (b"ok\nA-1,rejected\n", "line 2: nothing is expected behind ok"),
        (b'A-1,"set\n', "line 1: fields separated by commas are expected, quotes that close"),
        (b"A-1,set\n\xff\xfe,set\n", "line 2: UTF-8 is expected"),
        (b"<html>503</html>", "line 1: sku,result"),
    ],
)
def test_an_answer_that_can_not_be_read_says_in_which_line_and_once_corrected_counts(
    asked: Store, folder: Folder, answer: bytes, fault: str
) -> None:
    folder.write_complete("stock-000000001.ack", answer)
    with pytest.raises(ChannelResponseError) as told:
        asked.stock_result("1")
    assert f"cluj (stock_result): stock-000000001.ack, {fault}" in str(told.value)
    assert "C-9" not in str(told.value)
    folder.write_complete("stock-000000001.ack", b"ok\n")
    assert outcomes(asked.stock_result("1")) == [("A-1", SET), ('B, "2"', SET)]


def test_an_answer_is_found_where_the_store_moved_or_deleted_its_change_set(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path), channel="cluj")
    store = later(folder)
    for _ in range(3):
        store.push_stock(TWO)
    folder.move("stock-000000001.csv", "done")
    folder.write_complete("stock-000000001.ack", b"ok\n")
    folder.write_complete("stock-000000002.ack", b"A-1,rejected\n")
    folder.move("stock-000000002.ack", "done")
    folder.remove("stock-000000002.csv")
    folder.write_complete("stock-000000003.ack", b"")
    assert [[one.outcome for one in store.stock_result(ticket)] for ticket in "123"] == [[SET] * 2, [REJECTED, SET], [SET] * 2]


def test_without_our_own_copy_the_stores_file_is_read_and_without_both_it_is_said(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path), channel="cluj")
    store = later(folder)
    store.push_stock(TWO)
    folder.write_complete("stock-000000001.ack", b"ok\n")
    folder.subfolder(".sent").remove("stock-000000001.csv")
    folder.move("stock-000000001.csv", "done")
    assert len(store.stock_result("1")) == 2
    folder.subfolder("done").remove("stock-000000001.csv")
    with pytest.raises(ChannelResponseError, match=r"stock-000000001\.csv is answered, but is in none of its folders"):
        store.stock_result("1")


def test_f30_an_answer_that_may_still_be_written_is_left_for_later_but_ok_with_its_line_end_is_whole(folder: Folder) -> None:
    now = Store("cluj", folder, acknowledged=True)
    now.push_stock(TWO)
    for begun in (b"", b"o", b"ok", b"A-1,rejected\n"):
        folder.write_complete("stock-000000001.ack", begun)
        assert now.stock_result("1") == ()
    assert outcomes(later(folder).stock_result("1"))[0] == ("A-1", REJECTED)
    folder.write_complete("stock-000000001.ack", b"ok\n")
    assert len(now.stock_result("1")) == 2


def test_an_answer_beyond_all_measure_is_not_read(asked: Store, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudsales_pipeline.channels.store.MOST_BYTES", 100)
    folder.write_complete("stock-000000001.ack", b"x" * 101)
    with pytest.raises(BodyTooLargeError):
        asked.stock_result("1")


@pytest.mark.parametrize("ticket", ["", "../1", "1.5", "-1", "٣", "abc"])
def test_i48_a_ticket_is_a_number_and_nothing_else(store: Store, ticket: str) -> None:
    with pytest.raises(ValueError, match="a change set's number"):
        store.stock_result(ticket)


# ---------------------------------------------------------------- what it shows


def test_what_a_store_shows_is_what_it_reported_and_nothing_else(asked: Store, folder: Folder) -> None:
    assert asked.read_stock(["A-1"]) == ()
    folder.write_complete("shown.csv", b"sku,quantity,version\r\nA-1,4,11\r\nB,-2,\r\n")
    assert asked.read_stock(["B", "nobody", "A-1"]) == (OfferedStock("B", -2, None), OfferedStock("A-1", 4, 11))
    folder.write_complete("shown.csv", b"SKU,Quantity\r\nA-1,3\r\n")
    assert asked.read_stock(["A-1"]) == (OfferedStock("A-1", 3, None),)


def test_a_report_that_is_being_written_or_a_day_old_is_none(folder: Folder) -> None:
    folder.write_complete("shown.csv", b"sku,quantity\r\nA-1,4\r\n")
    for ahead, found in ((timedelta(0), 0), (timedelta(hours=23), 1), (timedelta(hours=25), 0)):
        store = Store("cluj", folder, acknowledged=True, clock=lambda ahead=ahead: datetime.now(UTC) + ahead)  # type: ignore[misc]
        assert len(store.read_stock(["A-1"])) == found


@pytest.mark.parametrize(
    ("report", "fault"),
    [
        (b"", "line 1: the header sku,quantity"),
        (b"A-1,4\n", "line 1: the header sku,quantity"),
        (b"sku,quantity\nA-1,4.5\n", "line 2: a whole number"),
        (b"sku,quantity\nA-1," + b"9" * 30 + b"\n", "line 2: a whole number"),
        (b"sku,quantity\nA-1,4\nA-1,4\n", "line 3: a SKU is there twice"),
        (b"sku,quantity\nA-1\n", "line 2: 2 fields"),
    ],
)
def test_a_report_that_can_not_be_read_says_in_which_line(asked: Store, folder: Folder, report: bytes, fault: str) -> None:
    folder.write_complete("shown.csv", report)
    with pytest.raises(ChannelResponseError, match=rf"shown\.csv, {fault}"):
        asked.read_stock(["A-1"])
