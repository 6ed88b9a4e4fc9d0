"""What is FashionUp's own: its words on the wire, and answers that are not what the contract says."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsales_pipeline.channels.attempts import NotDecodableError
from cloudsales_pipeline.channels.errors import NotJsonError, OutcomeUnknownError, WrongShapeError
from cloudsales_pipeline.channels.fashionup import FashionUp
from cloudsales_pipeline.channels.limits import TransportLimits
from cloudsales_pipeline.channels.pages import read_pages
from cloudsales_pipeline.channels.port import OrderDocument, StockOutcome, StockResult, StockUpdate
from cloudsales_pipeline.channels.transport import Transport
from tests.channels.servers import FakeTime, Reply, Scripted, answer, reset, scripted

pytestmark = pytest.mark.timeout(30)

Opened = tuple[FashionUp, Scripted]


@pytest.fixture
def shop() -> Iterator[Callable[..., Opened]]:
    with ExitStack() as stack:

        def opened(*replies: Reply, page_size: int = 500) -> Opened:
            server = stack.enter_context(scripted(*replies, keep_alive=True))
            fake = FakeTime()
            limits = TransportLimits(attempts=2)
            transport = Transport("shop", server.url, token="t", limits=limits, clock=fake.clock, sleep=fake.sleep)
            channel = FashionUp(transport, page_size)
            stack.callback(channel.close)
            return channel, server

        yield opened


def value(found: Any, status: int = 200) -> bytes:
    return answer(status, json.dumps(found).encode())


def page(*items: Any, next_cursor: str | None = None) -> bytes:
    return value({"items": list(items), "next_cursor": next_cursor})


def test_a_page_is_asked_for_with_its_limit_cursor_and_time(shop: Callable[..., Opened]) -> None:
    channel, server = shop(page())
    channel.products("a b&c=d", datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
    line = server.requests[0].split(b"\r\n")[0]
    assert line == b"GET /v1/products?limit=500&cursor=a+b%26c%3Dd&updated_since=2026-11-24T08%3A00%3A00%2B00%3A00 HTTP/1.1"


def test_f33_a_time_without_a_zone_is_refused_before_anything_is_asked(shop: Callable[..., Opened]) -> None:
    channel, server = shop(page())
    with pytest.raises(ValueError, match="time zone"):
        channel.products(None, datetime(2026, 11, 24))  # noqa: DTZ001
    assert server.count == 0


@pytest.mark.parametrize("found", [[], {}, {"items": []}, {"items": {}, "next_cursor": None}, {"items": [], "next_cursor": 1}])
def test_an_envelope_of_another_shape_is_named_and_not_asked_for_again(shop: Callable[..., Opened], found: Any) -> None:
    channel, server = shop(value(found))
    with pytest.raises(WrongShapeError, match=r"^shop \(listProducts\): not the contract's shape"):
        channel.products()
    assert server.count == 1


def test_f04_a_page_that_is_cut_without_a_sign_is_asked_for_again(shop: Callable[..., Opened]) -> None:
    whole = page({"id": "P-1"})
    channel, server = shop(answer(body=whole.partition(b"\r\n\r\n")[2][:-9]), whole)
    assert channel.products().payloads == (b'{"id": "P-1"}',)
    assert server.count == 2


def test_f06_an_html_page_is_named_with_the_number_of_the_page(shop: Callable[..., Opened]) -> None:
    html = answer(body=b"<html>", media_type="text/html")
    channel, _ = shop(page({"id": "P-1"}, next_cursor="2"), html)
    pages = read_pages(channel.products)
    assert len(next(pages).payloads) == 1
    with pytest.raises(NotJsonError, match=r"^shop \(listProducts, page 2\): the answer is not JSON"):
        next(pages)


def test_i43_a_product_that_the_parser_can_not_even_skip_leaves_its_page(shop: Callable[..., Opened]) -> None:
    channel, _ = shop(answer(body=b'{"items":[{"id":"P-1"},{"id":"\\ud800"},{"id":"P-3"}],"next_cursor":null}'))
    assert channel.products().payloads == (b'{"id":"P-1"}', b'{"id":"\\ud800"}', b'{"id":"P-3"}')


def test_i43_a_bad_category_is_held_and_the_others_come(shop: Callable[..., Opened]) -> None:
    bad = [{"id": 7, "name": "x"}, {"id": "C", "name": "a\x00"}, {"id": "", "name": "x"}, {"id": "C", "name": "x" * 1001}]
    channel, _ = shop(page({"id": "C-1", "name": "Rochii"}, *bad))
    found = channel.categories()
    assert [one.name for one in found.categories] == ["Rochii"]
    assert [one.reason for one in found.rejected] == ["unreadable", "nul_character", "missing_id", "name_too_long"]


def test_stock_results_are_found_by_their_variant_and_what_is_missing_counts_as_rejected(shop: Callable[..., Opened]) -> None:
    results = [
        {"variant_id": "C", "result": "stale"},
        {"variant_id": "A", "result": "set"},
        {"variant_id": "D", "result": "queued"},
        {"variant_id": "E", "result": "set"},
        {"variant_id": "E", "result": "stale"},
        {"variant_id": "never sent", "result": "set"},
    ]
    channel, server = shop(value({"results": results}))
    found = channel.push_stock([StockUpdate(one, 1, 2) for one in "ABCDE"])
    assert [(one.variant_id, one.outcome) for one in found] == [
        ("A", StockOutcome.SET),
        ("B", StockOutcome.REJECTED),
        ("C", StockOutcome.STALE),
        ("D", StockOutcome.REJECTED),
        ("E", StockOutcome.REJECTED),
    ]
    assert found[1] == StockResult("B", StockOutcome.REJECTED, "the channel gave no result")
    sent = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert sent["items"][0] == {"variant_id": "A", "quantity": 1, "version": 2}


@pytest.mark.parametrize("updates", [[("A", 1, 1), ("A", 2, 2)], [("A", -1, 1)], [("A", 1, -1)]])
def test_f39_a_push_that_the_contract_forbids_is_not_sent(shop: Callable[..., Opened], updates: list[Any]) -> None:
    channel, server = shop(value({"results": []}))
    with pytest.raises(ValueError, match=r"twice|negative"):
        channel.push_stock([StockUpdate(*update) for update in updates])
    assert server.count == 0


def test_reading_2000_stocks_stays_under_the_length_of_a_request_line(shop: Callable[..., Opened]) -> None:
    channel, server = shop(value({"items": []}))
    channel.read_stock([f"variant ț {n}" for n in range(2000)])
    lines = [request.split(b"\r\n")[0] for request in server.requests]
    assert max(map(len, lines)) < 8000
    assert sum(line.count(b"variant_id=") for line in lines) == 2000


def test_f03_a_document_whose_fate_is_unknown_is_handed_over_once_more_and_no_more(shop: Callable[..., Opened]) -> None:
    document = OrderDocument("waybill", "AWB 1", courier="fan", tracking_url="https://x/1")
    channel, server = shop(reset, answer(200))
    assert channel.attach_document("O-1", document) is False
    assert server.count == 2
    channel, server = shop(reset)
    with pytest.raises(OutcomeUnknownError):
        channel.attach_document("O-1", document)
    assert server.count == 2


def test_a_document_without_a_file_is_multipart_all_the_same(shop: Callable[..., Opened]) -> None:
    channel, server = shop(answer(201))
    assert channel.attach_document("O-1", OrderDocument("waybill", "1\r\nX: y", courier="fan")) is True
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: multipart/form-data; boundary=" in head
    assert b"X: y" not in head
    assert body.count(b"Content-Disposition: form-data;") == 3


def test_a_kind_of_document_that_fashionup_does_not_know_is_refused(shop: Callable[..., Opened]) -> None:
    channel, server = shop(answer(201))
    with pytest.raises(ValueError, match="receipt"):
        channel.attach_document("O-1", OrderDocument("receipt", "1"))
    assert server.count == 0


def test_payloads_do_not_keep_their_page_in_memory(shop: Callable[..., Opened]) -> None:
    """One payload kept of each 400 kB page: twenty pages must not add up to eight megabytes."""
    items = [{"id": f"P-{n}", "filler": "x" * 2000} for n in range(200)]
    channel, _ = shop(page(*items, next_cursor="more"))
    channel.products()
    tracemalloc.start()
    kept = [channel.products().payloads[0] for _ in range(20)]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(kept) == 20
    assert size < 400_000


def test_a_decoder_that_is_not_pleased_is_asked_again(shop: Callable[..., Opened]) -> None:
    """The hook by which adapters make a cut body an attempt like any other."""
    channel, server = shop(value({}))
    with pytest.raises(NotJsonError):
        channel._transport.call("GET", "/x", operation="x", decode=_never)
    assert server.count == 2


def _never(_: bytes) -> None:
    raise NotDecodableError
