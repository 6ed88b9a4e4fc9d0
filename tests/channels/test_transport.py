"""What a channel can do to the one transport, and the typed error that each ends in. Faults are named as in invariants.md."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from cloudsales_pipeline.channels.attempts import NotDecodableError
from cloudsales_pipeline.channels.errors import (
    AuthenticationError,
    BodyCutError,
    BodyTooLargeError,
    ChannelError,
    ChannelRefusedError,
    ChannelUnreachableError,
    NotJsonError,
    OutcomeUnknownError,
    RateLimitedError,
    RedirectRefusedError,
    ServerFailedError,
)
from cloudsales_pipeline.channels.limits import MemoryGate, TransportLimits, retry_after
from cloudsales_pipeline.channels.transport import Transport
from cloudsales_pipeline.errors import SettingsError
from tests.channels.servers import FakeTime, answer, drip, raw, reset, scripted, silence

pytestmark = pytest.mark.timeout(20)

TOKEN = "secret-token-1"
GOOD = answer(body=b'{"fine": true}')
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
QUICK = TransportLimits(connect_seconds=1, read_seconds=1, attempt_seconds=1, total_seconds=3, attempts=3, longest_pause=10)


OPENED: list[Transport] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise NotDecodableError from None


def transport(url: str, limits: TransportLimits = QUICK, **parts: Any) -> Transport:
    if "sleep" not in parts:
        fake = FakeTime()
        parts |= {"sleep": fake.sleep, "clock": parts.get("clock", fake.clock)}
    opened = Transport("shop", url, token=TOKEN, limits=limits, random=lambda: 0.5, now=lambda: NOW, **parts)
    OPENED.append(opened)
    return opened


def get(channel: Transport, path: str = "/things") -> Any:
    return channel.call("GET", path, operation="listThings", decode=as_json, query=[("cursor", "private-cursor")]).value


def put(channel: Transport) -> Any:
    return channel.call("PUT", "/things", operation="putThing", decode=as_json, json=b'{"buyer":"Ion"}').value


def post(channel: Transport) -> Any:
    return channel.call("POST", "/things", operation="addThing", decode=as_json, json=b'{"buyer":"Ion"}').value


def test_a_call_sends_the_token_and_keeps_its_connection() -> None:
    with scripted(GOOD, keep_alive=True) as server:
        channel = transport(server.url)
        assert [get(channel) for _ in range(3)] == [{"fine": True}] * 3
        assert server.connections == 1
        assert b"GET /v1/things?cursor=private-cursor HTTP/1.1" in server.requests[0]
        assert b"Authorization: Bearer secret-token-1" in server.requests[0]


# ---------------------------------------------------------------- unreachable


def test_f01_a_refused_connection_is_tried_three_times_and_then_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    fake = FakeTime()
    channel = transport(f"http://127.0.0.1:{port}/v1", clock=fake.clock, sleep=fake.sleep)
    with pytest.raises(
        ChannelUnreachableError, match=r"^shop \(listThings\): no connection, in 3 attempts\. Next: check channels"
    ):
        get(channel)
    assert fake.slept == [0.5 * 0.5 * 2, 0.5 * 0.5 * 4]  # full jitter at one half, doubling


def test_f01_a_name_that_nobody_knows_is_unreachable() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(ChannelUnreachableError, match="no connection"):
        get(transport("http://shop.invalid/v1", resolve=unknown))


def test_f01_a_resolver_that_hangs_ends_at_the_connect_timeout() -> None:
    def hangs(host: str, port: int) -> list[str]:
        time.sleep(2)
        return []

    began = time.monotonic()
    limits = TransportLimits(connect_seconds=0.1, attempts=2)
    with pytest.raises(ChannelUnreachableError):
        get(transport("http://shop.invalid/v1", limits, resolve=hangs))
    assert time.monotonic() - began < 1.5


def test_f02_a_reset_on_a_read_is_tried_again() -> None:
    with scripted(reset, GOOD) as server:
        assert get(transport(server.url)) == {"fine": True}
        assert server.count == 2


def test_a_server_that_says_nothing_is_unreachable_after_all_attempts() -> None:
    with scripted(silence(3)) as server:
        limits = TransportLimits(read_seconds=0.1, attempts=3)
        with pytest.raises(ChannelUnreachableError, match="no answer in time, in 3 attempts"):
            get(transport(server.url, limits))
        assert server.count == 3


# ---------------------------------------------------------------- writes


@pytest.mark.parametrize("fault", [reset, silence(2), answer(500), raw("HTTP/1.1 200 X\nContent-Length: 9", b"{")])
def test_f03_f08_the_outcome_of_a_post_without_an_answer_is_unknown_and_it_is_not_repeated(fault: Any) -> None:
    with scripted(fault) as server:
        limits = TransportLimits(read_seconds=0.2)
        with pytest.raises(OutcomeUnknownError, match=r"shop \(addThing\): .*it may have been done\. Next: look it up") as caught:
            post(transport(server.url, limits))
        assert server.count == 1
        assert "Ion" not in str(caught.value)


def test_f03_a_post_that_never_left_is_not_an_unknown_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ChannelUnreachableError, match="no connection, in 1 attempt"):
        post(transport(f"http://127.0.0.1:{port}/v1"))


def test_f08_a_put_is_repeated_with_the_same_bytes() -> None:
    with scripted(answer(500), reset, GOOD) as server:
        assert put(transport(server.url)) == {"fine": True}
        assert [request.endswith(b'{"buyer":"Ion"}') for request in server.requests] == [True] * 3


def test_f03_a_put_that_never_got_an_answer_may_have_been_done() -> None:
    with scripted(reset) as server, pytest.raises(OutcomeUnknownError, match="no readable answer in 3 attempts"):
        put(transport(server.url))


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "cut",
    [
        raw("HTTP/1.1 200 X\nContent-Type: application/json\nContent-Length: 100", b'{"fine":'),
        raw("HTTP/1.1 200 X\nContent-Type: application/json\nTransfer-Encoding: chunked", b'20\r\n{"fine":'),
        raw("HTTP/1.1 200 X\nContent-Encoding: gzip\nContent-Length: 20", gzip.compress(b'{"fine": true}' * 9)[:20]),
    ],
    ids=["short of its length", "chunks without an end", "gzip without an end"],
)
def test_f04_a_cut_body_is_tried_again_and_then_named(cut: bytes) -> None:
    with scripted(cut, GOOD) as server:
        assert get(transport(server.url)) == {"fine": True}
    with scripted(cut) as server:
        with pytest.raises(BodyCutError, match="the answer was cut, in 3 attempts"):
            get(transport(server.url))
        assert server.count == 3


def test_f04_a_body_without_a_length_that_ends_early_is_tried_again() -> None:
    cut = raw("HTTP/1.1 200 X\nContent-Type: application/json", b'{"fine": tr')
    with scripted(cut, GOOD) as server:
        assert get(transport(server.url)) == {"fine": True}
        assert server.count == 2


@pytest.mark.parametrize("where", ["headers", "body"])
def test_f05_a_slow_drip_ends_at_the_attempt_deadline_and_is_tried_again(where: str) -> None:
    head = b"HTTP/1.1 200 X\r\nContent-Length: 2000\r\nX-Filler: " + b"x" * 500 + b"\r\n\r\n"
    data = head if where == "headers" else b"x" * 2000

    def slow(connection: socket.socket) -> None:
        if where == "body":
            connection.sendall(head)
        drip(data, 0.02)(connection)

    with scripted(slow, GOOD) as server:
        limits = TransportLimits(read_seconds=5, attempt_seconds=0.4, total_seconds=5)
        began = time.monotonic()
        assert get(transport(server.url, limits)) == {"fine": True}
        assert time.monotonic() - began < 3  # the drip alone would have taken ten seconds or more
        assert server.count == 2


def test_f05_a_drip_on_every_attempt_ends_at_the_total_deadline() -> None:
    with scripted(drip(b"HTTP/1.1 200 X\r\nX-Filler: " + b"x" * 2000, 0.02)) as server:
        limits = TransportLimits(read_seconds=5, attempt_seconds=5, total_seconds=0.5)
        began = time.monotonic()
        with pytest.raises(ChannelUnreachableError, match="no answer in time, in 1 attempt"):
            get(transport(server.url, limits))
        assert time.monotonic() - began < 3


def test_f06_an_html_page_with_200_is_not_json() -> None:
    page = answer(body=b"<html>Mentenanta</html>", media_type="text/html")
    with scripted(page) as server, pytest.raises(NotJsonError, match="not JSON, in 3 attempts") as caught:
        get(transport(server.url))
    assert "Mentenanta" not in str(caught.value)


def bomb(megabytes: int) -> bytes:
    """So many megabytes of zeros as gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"0" * 1024 * 1024
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def test_f15_200_mb_in_200_kb_of_gzip_is_refused_at_the_cap_without_being_inflated() -> None:
    import tracemalloc

    body = bomb(200)
    assert len(body) < 250_000
    with scripted(answer(body=body, Content_Encoding="gzip")) as server:
        channel = transport(server.url, TransportLimits(max_bytes=1_000_000))
        tracemalloc.start()
        with pytest.raises(BodyTooLargeError, match="more than 1000000 bytes"):
            get(channel)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert server.count == 1
        assert peak < 6_000_000


@pytest.mark.parametrize("body", [b"x" * 2000, None], ids=["sent", "only announced"])
def test_f15_a_plain_body_over_the_cap_is_refused(body: bytes | None) -> None:
    reply = answer(body=body) if body else raw("HTTP/1.1 200 X\nContent-Length: 999999999999")
    with scripted(reply) as server, pytest.raises(BodyTooLargeError):
        get(transport(server.url, TransportLimits(max_bytes=1000)))


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:5]) + gzip.compress(body[5:])),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
    ],
    ids=["gzip", "gzip in two members", "deflate", "bare deflate"],
)
def test_compressed_bodies_are_read(coding: str, pack: Callable[[bytes], bytes]) -> None:
    with scripted(answer(body=pack(b'{"fine": true}'), Content_Encoding=coding)) as server:
        assert get(transport(server.url)) == {"fine": True}


def test_an_encoding_that_was_not_asked_for_is_refused() -> None:
    with scripted(answer(body=b"x", Content_Encoding="br")) as server, pytest.raises(NotJsonError):
        get(transport(server.url))


# ---------------------------------------------------------------- statuses


def test_a_500_on_a_read_is_tried_again() -> None:
    with scripted(answer(500), answer(502), GOOD) as server:
        assert get(transport(server.url)) == {"fine": True}


def test_a_server_that_keeps_failing_is_named_with_its_status() -> None:
    with scripted(answer(503)) as server, pytest.raises(ServerFailedError, match="answered 503, 3 times in all"):
        get(transport(server.url))


@pytest.mark.parametrize("status", [401, 403])
def test_f09_a_wrong_token_stops_at_once(status: int) -> None:
    with scripted(answer(status)) as server:
        with pytest.raises(AuthenticationError, match=r"check the token that channels\.shop\.token_env names") as caught:
            get(transport(server.url))
        assert server.count == 1
        assert caught.value.status == status


def test_i46_a_refused_request_tells_its_status_and_nothing_that_was_sent_or_received() -> None:
    problem = answer(422, b'{"title": "Ion Popescu has moved"}', "application/problem+json", X_Hint="hint")
    with scripted(problem) as server, pytest.raises(ChannelRefusedError) as caught:
        get(transport(server.url))
    text = f"{caught.value!r} {caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert caught.value.status == 422
    for private in (TOKEN, "private-cursor", "Popescu", "hint"):
        assert private not in text


def test_i46_nothing_is_logged_of_a_call_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    with scripted(answer(500), GOOD) as server, caplog.at_level(logging.DEBUG):
        get(transport(server.url))
    assert caplog.records == []


@pytest.mark.parametrize("token", ["two words", "line\nend", "", "ț"])
def test_i46_a_token_that_does_not_fit_a_header_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Transport("shop", "http://127.0.0.1/v1", token=token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x/", "x", "http://", "http://user:pw@host/", "http://host/?key=1", "http://ho st/"])
def test_an_unusable_url_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match=r"channels\.shop\.url"):
        Transport("shop", url)


# ---------------------------------------------------------------- waiting


def test_f07_retry_after_in_seconds_is_waited_out() -> None:
    fake = FakeTime()
    with scripted(answer(429, Retry_After="2"), GOOD) as server:
        channel = transport(server.url, clock=fake.clock, sleep=fake.sleep, limits=TransportLimits())
        assert get(channel) == {"fine": True}
    assert sum(fake.slept) == pytest.approx(2, abs=0.2)


def test_f07_retry_after_as_a_date_is_waited_out() -> None:
    fake = FakeTime()
    date = format_datetime(NOW + timedelta(seconds=3), usegmt=True)
    with scripted(answer(429, Retry_After=date), GOOD) as server:
        assert get(transport(server.url, TransportLimits(), clock=fake.clock, sleep=fake.sleep)) == {"fine": True}
    assert sum(fake.slept) == pytest.approx(3, abs=0.2)


def test_f07_429_with_nothing_is_waited_out_with_jitter_and_in_the_end_pauses_the_channel_for_a_minute() -> None:
    with scripted(answer(429)) as server:
        channel = transport(server.url)
        with pytest.raises(RateLimitedError) as caught:
            get(channel)
        assert server.count == 3
        assert caught.value.retry_at - NOW == pytest.approx(timedelta(seconds=60), abs=timedelta(seconds=1))
        with pytest.raises(RateLimitedError, match="told us to wait"):
            get(channel)
        assert server.count == 3


@pytest.mark.parametrize("value", ["1000000000", "1e9", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_f07_an_absurd_retry_after_pauses_the_whole_channel_for_an_hour_at_most(value: str) -> None:
    with scripted(answer(429, Retry_After=value)) as server:
        gate = MemoryGate()
        first, second = (transport(server.url, gate=gate, clock=time.monotonic) for _ in range(2))
        for channel in (first, second, first):
            with pytest.raises(RateLimitedError) as caught:
                get(channel)
            assert caught.value.retry_at - NOW == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=5))
        assert server.count == 1


def test_a_503_that_says_until_when_pauses_the_channel_too() -> None:
    with scripted(answer(503, Retry_After="120")) as server:
        with pytest.raises(RateLimitedError, match="answered 503"):
            get(transport(server.url))
        assert server.count == 1


def test_f07_a_post_told_to_wait_was_not_done_and_is_not_repeated() -> None:
    with scripted(answer(429, Retry_After="1")) as server:
        with pytest.raises(RateLimitedError):
            post(transport(server.url))
        assert server.count == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


# ---------------------------------------------------------------- redirects


def test_f16_a_redirect_to_another_server_is_refused_and_the_token_never_goes_there() -> None:
    with scripted(GOOD) as other, scripted(answer(302, Location=f"{other.url}/things?token=x")) as server:
        with pytest.raises(RedirectRefusedError, match="another server") as caught:
            get(transport(server.url))
        assert (server.count, other.count) == (1, 0)
        assert "token=x" not in str(caught.value)


def test_a_read_follows_a_redirect_on_its_own_server() -> None:
    with scripted(answer(307, Location="/v2/things"), GOOD) as server:
        assert get(transport(server.url)) == {"fine": True}
        assert server.requests[1].startswith(b"GET /v2/things HTTP/1.1")


def test_redirects_in_a_circle_end() -> None:
    with scripted(answer(302, Location="/v1/things")) as server:
        with pytest.raises(RedirectRefusedError, match="more than 3 redirects"):
            get(transport(server.url))
        assert server.count == 4


def test_a_write_follows_no_redirect() -> None:
    with scripted(answer(307, Location="/v2/things")) as server:
        with pytest.raises(RedirectRefusedError, match="a redirect of a write"):
            post(transport(server.url))
        assert server.count == 1


# ---------------------------------------------------------------- threads


def test_sixteen_threads_share_one_transport() -> None:
    with scripted(GOOD, keep_alive=True) as server:
        channel = transport(server.url, TransportLimits(connections=4))
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda _: get(channel), range(160)))
        assert answers == [{"fine": True}] * 160
        assert server.most_open <= 5  # four, and one that the server has not yet seen closed


def test_each_thread_has_its_own_deadline() -> None:
    """A call that drips to its end in one thread takes nothing from a call beside it."""
    with scripted(drip(b"HTTP/1.1 200 X\r\nX-Filler: " + b"x" * 500, 0.02)) as slow, scripted(GOOD) as quick:
        failures: list[ChannelError] = []

        def call_slow() -> None:
            try:
                get(transport(slow.url, TransportLimits(total_seconds=0.5, attempts=1)))
            except ChannelError as error:
                failures.append(error)

        thread = threading.Thread(target=call_slow)
        thread.start()
        assert [get(transport(quick.url)) for _ in range(5)] == [{"fine": True}] * 5
        thread.join()
        assert [type(error) for error in failures] == [ChannelUnreachableError]


def test_closing_ends_a_call_that_waits_in_another_thread() -> None:
    with scripted(silence(15)) as server:
        channel = transport(server.url, TransportLimits())
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(get, channel)
            until = time.monotonic() + 5
            while not server.count and time.monotonic() < until:
                time.sleep(0.005)
            began = time.monotonic()
            channel.close()
            with pytest.raises(ChannelUnreachableError, match="the channel was closed here"):
                waiting.result(timeout=10)
            assert time.monotonic() - began < 5
        assert server.count == 1


def test_a_call_may_carry_its_own_headers_and_a_form_and_keeps_the_headers_within_its_own_server() -> None:
    moved = raw("HTTP/1.1 302 Found\nLocation: /elsewhere\nContent-Length: 0")
    with scripted(GOOD, moved, GOOD) as server:
        channel = transport(server.url)
        fields = [("to[name]", "Ștefan & fiii"), ("weight", "0.5")]
        channel.call("POST", "/orders", operation="order", form=fields, headers={"X-Auth": "t1"}, decode=as_json)
        channel.call("GET", "/things", operation="get", headers={"X-Auth": "t2"}, decode=as_json)
        order, _, followed = server.requests
    assert b"content-type: application/x-www-form-urlencoded" in order.lower()
    assert order.endswith(b"to%5Bname%5D=%C8%98tefan+%26+fiii&weight=0.5")
    assert followed.startswith(b"GET /elsewhere")
    assert b"x-auth: t2" in followed.lower()


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_f08_a_503_after_which_we_should_wait_may_still_have_been_done(method: str) -> None:
    with scripted(answer(503, Retry_After="600")) as server:
        channel = transport(server.url)
        with pytest.raises(OutcomeUnknownError):
            channel.call(method, "/orders", operation="order", decode=as_json)
        with pytest.raises(RateLimitedError):
            get(channel)
    assert server.count == 1
