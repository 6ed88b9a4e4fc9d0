"""Each fault as a client meets it, and the promise that no level of them stops a client that tries again."""

from __future__ import annotations

import socket
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from cloudsales_pipeline.simulator import fashion
from cloudsales_pipeline.simulator.faults import FAILURES_IN_A_ROW, HARMLESS, Fault, FaultPlan
from cloudsales_pipeline.simulator.server import RunningServer, running
from cloudsales_pipeline.simulator.state import State

PRODUCTS = "listProducts"


def test_a_queued_fault_strikes_the_third_page_alone_f12(state: State, client: httpx.Client) -> None:
    state.faults.queue(PRODUCTS, Fault.UNAVAILABLE, after=2)
    assert [client.get("/products").status_code for _ in range(4)] == [200, 200, 503, 200]
    assert client.get("/categories").status_code == 200
    assert state.faults.log == [(PRODUCTS, Fault.UNAVAILABLE)]


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [(Fault.TOO_MANY, 429, "7"), (Fault.TOO_MANY_BARE, 429, None), (Fault.UNAVAILABLE, 503, None)],
)
def test_a_refusal_is_a_problem_document_f07(
    state: State, client: httpx.Client, fault: Fault, status: int, retry_after: str | None
) -> None:
    state.faults.queue(PRODUCTS, fault, seconds=7)
    answer = client.get("/products")
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    assert answer.json()["status"] == status


def test_retry_after_may_be_a_date_or_far_beyond_reason_f07(state: State, client: httpx.Client) -> None:
    state.faults.queue(PRODUCTS, Fault.TOO_MANY_DATE, seconds=60)
    state.faults.queue(PRODUCTS, Fault.TOO_MANY, seconds=1e9)
    assert 50 < parsedate_to_datetime(client.get("/products").headers["retry-after"]).timestamp() - time.time() <= 60
    assert client.get("/products").headers["retry-after"] == "1000000000"


@pytest.mark.parametrize("fault", [Fault.CUT_BODY, Fault.CUT_CHUNKED])
def test_a_cut_body_breaks_the_protocol_f04(state: State, client: httpx.Client, fault: Fault) -> None:
    state.faults.queue(PRODUCTS, fault)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/products")
    assert client.get("/products").status_code == 200


def test_a_body_cut_without_a_length_shows_in_the_json_alone_f04(state: State, client: httpx.Client) -> None:
    state.faults.queue(PRODUCTS, Fault.CUT_UNSIZED)
    answer = client.get("/products")
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_a_reset_connection_is_reset_f02(state: State, server: RunningServer) -> None:
    state.faults.queue(PRODUCTS, Fault.RESET)
    host, port = server.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"GET /v1/products HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.token}\r\n\r\n"
        connection.sendall(head.encode())
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize(
    ("fault", "done"), [(Fault.RESET_AFTER_WORK, True), (Fault.FAILED_AFTER_WORK, True), (Fault.RESET, False)]
)
def test_a_write_may_be_done_although_the_answer_says_no_f03_f08(
    state: State, client: httpx.Client, fault: Fault, done: bool
) -> None:
    state.faults.queue("putStock", fault)
    try:
        answer = client.put("/stock", json={"items": [{"variant_id": "FU1000000-01", "quantity": 77, "version": 1}]})
        assert answer.status_code == 500
    except httpx.TransportError:
        assert fault is not Fault.FAILED_AFTER_WORK
    assert (state.offers(["FU1000000-01"])["FU1000000-01"].quantity == 77) is done


def test_an_html_page_comes_with_200_f06(state: State, client: httpx.Client) -> None:
    state.faults.queue(PRODUCTS, Fault.HTML_PAGE)
    answer = client.get("/products")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_slow_drip_and_a_stall_are_whole_but_late_f05(state: State, client: httpx.Client) -> None:
    good = client.get("/products").content
    for fault in (Fault.SLOW_DRIP, Fault.STALL):
        state.faults.queue(PRODUCTS, fault, seconds=0.3)
        begin = time.monotonic()
        assert client.get("/products").content == good
        assert time.monotonic() - begin >= 0.3


def test_the_data_moves_so_that_an_item_comes_on_two_pages_f13(state: State, client: httpx.Client) -> None:
    first = client.get("/products", params={"limit": 5}).json()
    state.faults.queue(PRODUCTS, Fault.OVERLAP)
    second = client.get("/products", params={"limit": 5, "cursor": first["next_cursor"]}).json()
    third = client.get("/products", params={"limit": 5, "cursor": second["next_cursor"]}).json()
    ids = [[item["id"][-2:] for item in page["items"]] for page in (first, second, third)]
    assert ids == [["00", "01", "02", "03", "04"], ["04", "05", "06", "07", "08", "09"], ["10", "11", "12", "13", "14"]]


def test_a_cursor_may_repeat_for_ever_f14(state: State, client: httpx.Client) -> None:
    state.faults.always(PRODUCTS, Fault.REPEATED_CURSOR)
    cursor = client.get("/products", params={"limit": 5}).json()["next_cursor"]
    for _ in range(3):
        page = client.get("/products", params={"limit": 5, "cursor": cursor}).json()
        assert page["next_cursor"] == cursor
        assert page["items"][0]["id"] == "FU1000005"
    state.faults.clear()
    assert client.get("/products", params={"limit": 5, "cursor": cursor}).json()["next_cursor"] != cursor


def test_200_mb_come_in_200_kb_of_gzip_f15(state: State, client: httpx.Client) -> None:
    state.faults.queue(PRODUCTS, Fault.GZIP_BOMB)
    with client.stream("GET", "/products") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert 150_000 < int(answer.headers["content-length"]) < 250_000
        packed = b"".join(answer.iter_raw())
    unpacker, size = zlib.decompressobj(wbits=31), 0
    while packed and not unpacker.eof:
        size += len(unpacker.decompress(packed, 1_000_000))
        packed = unpacker.unconsumed_tail
    assert (size, unpacker.eof) == (200_000_002, True)  # a whole gzip, its checksum right


def test_gzip_is_the_same_answer_smaller_and_sent_only_to_who_takes_it(state: State, client: httpx.Client) -> None:
    good = client.get("/products").content
    state.faults.queue(PRODUCTS, Fault.GZIP, times=2)
    packed = client.get("/products")
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(good) / 2
    assert packed.content == good
    assert "content-encoding" not in client.get("/products", headers={"accept-encoding": "identity"}).headers


def test_a_redirect_names_another_host_f16(state: State, client: httpx.Client) -> None:
    state.faults.queue(PRODUCTS, Fault.REDIRECT)
    answer = client.get("/products")
    assert (answer.status_code, httpx.URL(answer.headers["location"]).host) == (307, "elsewhere.invalid")


def test_json_may_be_mislabelled_broken_or_empty_and_a_token_may_expire_f09_f42(state: State, client: httpx.Client) -> None:
    for fault in (Fault.WRONG_CONTENT_TYPE, Fault.BROKEN_JSON, Fault.EMPTY_LISTING, Fault.UNAUTHORISED, Fault.BAD_GATEWAY):
        state.faults.queue(PRODUCTS, fault)
    assert client.get("/products").headers["content-type"].startswith("text/plain")
    broken = client.get("/products")
    assert broken.headers["content-type"] == "application/json"
    with pytest.raises(ValueError, match=r"."):
        broken.json()
    assert client.get("/products").json() == {"items": [], "next_cursor": None, "total": 20}
    assert client.get("/products").status_code == 401
    assert client.get("/products").status_code == 502


class TestLevels:
    @pytest.mark.parametrize("level", ["mild", "harsh"])
    def test_a_level_strikes_the_same_requests_each_time_and_never_more_than_two_in_a_row(self, level: Any) -> None:
        plans = [FaultPlan() for _ in range(2)]
        for plan in plans:
            plan.level(level, seed=11)
        taken = [[plan.take(PRODUCTS) for _ in range(2000)] for plan in plans]
        assert taken[0] == taken[1]
        in_a_row = worst = 0
        for strike in taken[0]:
            in_a_row = in_a_row + 1 if strike and strike.fault not in HARMLESS else 0
            worst = max(worst, in_a_row)
        assert worst == FAILURES_IN_A_ROW

    def test_a_strike_does_not_depend_on_what_other_operations_saw(self) -> None:
        alone, mixed = FaultPlan(), FaultPlan()
        for plan in (alone, mixed):
            plan.level("harsh", seed=4)
        expected = [alone.take(PRODUCTS) for _ in range(200)]
        got = []
        for _ in range(200):
            mixed.take("putStock")
            got.append(mixed.take(PRODUCTS))
        assert got == expected

    def test_harsh_meets_every_kind_that_it_promises_and_waits_half_a_second_at_most_but_for_retry_after(self) -> None:
        plan = FaultPlan()
        plan.level("harsh", seed=1)
        strikes = [strike for strike in (plan.take(PRODUCTS) for _ in range(3000)) if strike]
        assert {strike.fault for strike in strikes} == {
            Fault.TOO_MANY, Fault.TOO_MANY_DATE, Fault.UNAVAILABLE, Fault.BAD_GATEWAY, Fault.DELAY, Fault.RESET,
            Fault.RESET_AFTER_WORK, Fault.FAILED_AFTER_WORK, Fault.CUT_BODY, Fault.CUT_CHUNKED, Fault.CUT_UNSIZED,
            Fault.HTML_PAGE, Fault.SLOW_DRIP, Fault.OVERLAP, Fault.GZIP,
        }  # fmt: skip
        waits = {strike.fault: strike.seconds for strike in strikes if strike.fault in HARMLESS}
        assert max(waits.values()) <= 0.5

    @pytest.mark.parametrize("level", ["mild", "harsh"])
    def test_a_client_that_tries_again_gets_the_whole_listing_once_and_the_stock_set(self, level: Any) -> None:
        state = State(fashion.generate(40, seed=3))
        with running(state, faults=level, seed=2) as server:
            headers = {"authorization": f"Bearer {server.token}"}
            with httpx.Client(base_url=server.url, headers=headers, timeout=5) as client:
                got = stubborn_listing(client)
                stock = {"items": [{"variant_id": "FU1000000-01", "quantity": 9, "version": 1}]}
                for _ in range(10):
                    stubborn(client, "PUT", "/stock", json=stock)
        assert set(got) == {f"FU{1_000_000 + number}" for number in range(40)}
        assert state.offers(["FU1000000-01"])["FU1000000-01"].quantity == 9
        assert len(state.faults.log) > 2


def stubborn(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """Try until the answer is good; FAILURES_IN_A_ROW failures are promised at most."""
    for _ in range(FAILURES_IN_A_ROW + 1):
        try:
            answer = client.request(method, path, **arguments)
            if answer.status_code == 200:
                return answer.json()
        except (httpx.TransportError, ValueError):
            continue
    raise AssertionError("more failures in a row than promised")


def stubborn_listing(client: httpx.Client) -> list[str]:
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = stubborn(client, "GET", "/products", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ids += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids
