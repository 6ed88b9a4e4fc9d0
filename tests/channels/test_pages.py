"""Walking pages: ahead, in order, bounded, and never for ever."""

from __future__ import annotations

import threading
import time
from itertools import islice

import msgspec
import pytest

from cloudsales_pipeline.channels.attempts import NotDecodableError, ShapeError
from cloudsales_pipeline.channels.envelope import decode_page
from cloudsales_pipeline.channels.errors import ChannelUnreachableError, CursorRepeatsError
from cloudsales_pipeline.channels.pages import read_pages

pytestmark = pytest.mark.timeout(20)


class Sheet(msgspec.Struct, frozen=True):
    number: int
    next_cursor: str | None


class Book:
    """Pages 1 to `last`, the cursor being the page's number; keeps what was asked for, and how many at once."""

    def __init__(self, last: int, seconds: float = 0.0, fails_at: int | None = None) -> None:
        self.last, self.seconds, self.fails_at = last, seconds, fails_at
        self.asked: list[int] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, cursor: str | None) -> Sheet:
        number = int(cursor or 1)
        with self._lock:
            self.asked.append(number)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
        if number == self.fails_at:
            raise ChannelUnreachableError("no connection", channel="shop", operation="listProducts")
        return Sheet(number, str(number + 1) if number < self.last else None)


@pytest.mark.parametrize("in_flight", [1, 2, 4, 16])
def test_pages_come_in_order_and_end_with_the_last(in_flight: int) -> None:
    book = Book(7)
    assert [page.number for page in read_pages(book, in_flight=in_flight)] == [1, 2, 3, 4, 5, 6, 7]
    assert sorted(set(book.asked)) == sorted(book.asked)


def test_by_cursor_one_page_is_fetched_while_the_one_before_is_used() -> None:
    book = Book(3)
    pages = read_pages(book)
    assert next(pages).number == 1
    until = time.monotonic() + 5
    while book.asked != [1, 2] and time.monotonic() < until:
        time.sleep(0.005)
    assert book.asked == [1, 2]
    pages.close()  # type: ignore[attr-defined]


def test_numbered_pages_are_asked_for_several_at_once_and_never_more_than_agreed() -> None:
    book = Book(20, seconds=0.01)
    assert len(list(read_pages(book, in_flight=4))) == 20
    assert 2 <= book.most_at_once <= 4
    assert max(book.asked) <= 24  # of what lies behind the last page no more than was in the air


@pytest.mark.parametrize("in_flight", [1, 4])
def test_an_import_goes_on_from_the_cursor_that_it_had_stored(in_flight: int) -> None:
    pages = read_pages(Book(7), start_cursor="5", first_page=5, in_flight=in_flight)
    assert [page.number for page in pages] == [5, 6, 7]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_f12_page_three_fails_after_two_good_ones_and_the_error_names_it(in_flight: int) -> None:
    good: list[int] = []
    with pytest.raises(ChannelUnreachableError, match=r"^shop \(listProducts, page 3\): no connection") as caught:
        good.extend(page.number for page in _noting(read_pages(Book(7, fails_at=3), in_flight=in_flight), good))
    assert good == [1, 2]
    assert caught.value.page == 3


def _noting(pages, good):  # type: ignore[no-untyped-def]
    for page in pages:
        good.append(page.number)
    return []


@pytest.mark.parametrize("back_to", ["2", "3"])
def test_f14_a_cursor_that_repeats_or_goes_in_a_circle_ends_after_the_last_good_page(back_to: str) -> None:
    def fetch(cursor: str | None) -> Sheet:
        number = int(cursor or 1)
        return Sheet(number, back_to if number == 3 else str(number + 1))

    pages = read_pages(fetch, channel="shop", operation="listProducts")
    assert [page.number for page in islice(pages, 3)] == [1, 2, 3]
    with pytest.raises(CursorRepeatsError, match=r"shop \(listProducts, page 3\)"):
        next(pages)


@pytest.mark.parametrize("in_flight", [1, 4])
def test_closing_drops_what_is_in_the_air_and_leaves_no_thread(in_flight: int) -> None:
    book = Book(1000, seconds=0.02)
    pages = read_pages(book, in_flight=in_flight)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    asked = len(book.asked)
    time.sleep(0.1)
    assert len(book.asked) == asked <= in_flight + 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cloudsales-pages")]


# ---------------------------------------------------------------- the envelope


def test_items_are_cut_out_as_bytes_of_their_own() -> None:
    page = decode_page(b'{"items": [ {"id": "1"} , {"id":"2"}], "next_cursor": "n", "total": 2, "extra": {}}')
    assert page.items == (b'{"id": "1"}', b'{"id":"2"}')
    assert (page.next_cursor, page.total) == ("n", 2)


SPOILT = [
    b'{"id":"a\\ud800"}',
    b'{"id":"x","deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"id":"x","deep":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    b'{"id":"x\\"],}","bad":"\\ud83d"}',
    b'{"id":"x","number":1.2.3}',
]


@pytest.mark.parametrize("spoilt", SPOILT, ids=["surrogate", "deep lists", "deep objects", "quotes", "number"])
@pytest.mark.parametrize("tail", [b'],"next_cursor":"n"}', b'] , "total": 3, "next_cursor": "n"}'])
def test_i43_f45_one_item_beyond_the_parser_does_not_spoil_its_page(spoilt: bytes, tail: bytes) -> None:
    page = decode_page(b'{"items":[{"id":"1"},' + spoilt + b',{"id":"2","t":"],[}{"}' + tail)
    assert page.items == (b'{"id":"1"}', spoilt, b'{"id":"2","t":"],[}{"}')
    assert page.next_cursor == "n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"items":[{"id":"1"},{"id":',
        b'{"items":[{"id":"1"}',
        b'{"items":[{"id":"\\ud800"}]',
        b'{"items":[{"id":"\\ud800"}],"next',
    ],
)
def test_f04_a_cut_page_is_not_json(body: bytes) -> None:
    with pytest.raises(NotDecodableError):
        decode_page(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"null",
        b'{"items":[]}',
        b'{"items":{},"next_cursor":null}',
        b'{"items":[],"next_cursor":5}',
        b'{"items":[],"next_cursor":""}',
        b'{"items":[{"id":"\\ud800"}]}',
        b'{"error":"x"}',
    ],
)
def test_json_of_another_shape_is_named_as_such(body: bytes) -> None:
    with pytest.raises(ShapeError):
        decode_page(body)
