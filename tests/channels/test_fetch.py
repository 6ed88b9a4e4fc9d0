"""Fetching what a listing points to: guarded hop by hop, without our token, bounded like any call."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from cloudsales_pipeline.channels.errors import (
    AddressRefusedError,
    BodyTooLargeError,
    ChannelError,
    ChannelRefusedError,
    ChannelUnreachableError,
    RateLimitedError,
    RedirectRefusedError,
    ServerFailedError,
)
from cloudsales_pipeline.channels.limits import TransportLimits
from cloudsales_pipeline.channels.port import Fetched, Fetcher
from cloudsales_pipeline.channels.transport import Transport
from tests.channels.servers import FakeTime, Scripted, answer, scripted

pytestmark = pytest.mark.timeout(20)

PICTURE = answer(body=b"\x89PNG", media_type="Image/PNG; charset=binary")


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(PICTURE) as server:
        yield server


OPENED: list[Transport] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def fetcher(url: str = "https://api.shop.ro/v1", addresses: dict[str, list[str]] | None = None) -> Transport:
    def resolve(host: str, port: int) -> list[str]:
        return (addresses or {})[host]

    fake = FakeTime()
    limits = TransportLimits(connect_seconds=0.3, attempts=2)
    opened = Transport("shop", url, token="secret", limits=limits, clock=fake.clock, sleep=fake.sleep, resolve=resolve)
    OPENED.append(opened)
    return opened


def fetch(transport: Fetcher, url: str, max_bytes: int = 1000) -> Fetched:
    return transport.fetch(url, max_bytes=max_bytes, deadline_seconds=5, accept="image/*")


def refusal(transport: Fetcher, url: str) -> str:
    with pytest.raises(AddressRefusedError) as caught:
        fetch(transport, url)
    assert url not in str(caught.value)
    return caught.value.reason


def test_an_image_on_the_channels_own_origin_is_fetched_without_the_token(server: Scripted) -> None:
    found = fetch(fetcher(server.url), f"http://127.0.0.1:{server.port}/images/1.png")
    assert found == Fetched(b"\x89PNG", "image/png")
    assert b"Accept: image/*" in server.requests[0]
    assert b"secret" not in server.requests[0]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data", "link_local"),
        ("http://127.0.0.1/", "loopback"),
        ("http://[::1]/", "loopback"),
        ("http://[::ffff:10.0.0.1]/", "private"),
        ("http://127.0.0.1:5432/", "port"),
        ("http://user@cdn.shop.ro/", "user_info"),
        ("file:///etc/passwd", "scheme"),
        ("data:image/png;base64,AAAA", "scheme"),
        ("//cdn.shop.ro/x.png", "scheme"),
        ("", "scheme"),
        ("http://[", "not_a_url"),
        ("http://xn--/a", "not_a_url"),
        ("http://\ud800/", "not_a_url"),
    ],
)
def test_f45_an_address_that_points_inside_is_refused(url: str, reason: str) -> None:
    with pytest.raises(AddressRefusedError) as caught:
        fetch(fetcher(), url)
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["2130706433", "0x7f.1", "127.1"])
def test_f45_other_spellings_of_loopback_are_refused_after_the_system_resolved_them(name: str) -> None:
    transport = Transport("shop", "https://api.shop.ro/v1", limits=TransportLimits(attempts=1))
    with pytest.raises((AddressRefusedError, ChannelUnreachableError)) as caught:
        fetch(transport, f"http://{name}/")
    # A resolver that does not know the spelling reaches nothing either.
    assert getattr(caught.value, "reason", "loopback") == "loopback"


def test_f45_a_name_is_refused_if_any_of_its_addresses_points_inside() -> None:
    assert refusal(fetcher(addresses={"cdn.shop.ro": ["93.184.216.34", "10.0.0.7"]}), "http://cdn.shop.ro/1.png") == "private"


def test_f45_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved once: a second answer that points inside (DNS rebinding) is never asked for."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    called: list[str] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        called.append(address[0])
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "create_connection", connect)
    transport = Transport("shop", "https://api.shop.ro/v1", limits=TransportLimits(attempts=1), resolve=resolve)
    with pytest.raises(ChannelUnreachableError):
        fetch(transport, "http://cdn.shop.ro/1.png")
    assert (asked, called) == (["cdn.shop.ro"], ["93.184.216.34"])


def test_f45_a_redirect_is_judged_again(server: Scripted) -> None:
    with scripted(answer(302, Location="http://169.254.169.254/secret")) as own:
        assert refusal(fetcher(own.url), f"http://127.0.0.1:{own.port}/1.png") == "link_local"
    with scripted(answer(302, Location=f"http://127.0.0.1:{server.port}/x")) as own:
        assert refusal(fetcher(own.url), f"http://127.0.0.1:{own.port}/1.png") == "port"
    assert server.count == 0


def test_three_redirects_are_followed_and_no_more() -> None:
    with scripted(*[answer(302, Location=f"/{n}.png") for n in range(3)], PICTURE) as own:
        assert fetch(fetcher(own.url), own.url).content == b"\x89PNG"
    with scripted(answer(302, Location="/1.png")) as own, pytest.raises(RedirectRefusedError):
        fetch(fetcher(own.url), own.url)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(404), ChannelRefusedError),
        (answer(500), ServerFailedError),
        (answer(body=b"x" * 1001), BodyTooLargeError),
        (answer(429, Retry_After="600"), RateLimitedError),
    ],
)
def test_an_image_that_does_not_come_is_a_typed_error(reply: bytes, error: type[ChannelError]) -> None:
    with scripted(reply) as own, pytest.raises(error):
        fetch(fetcher(own.url), own.url)


def test_an_image_servers_429_does_not_pause_the_channel(server: Scripted) -> None:
    with scripted(answer(429, Retry_After="600"), answer()) as own:
        transport = fetcher(own.url)
        with pytest.raises(RateLimitedError):
            fetch(transport, own.url)
        assert transport.call("GET", "/x", operation="x", decode=lambda body: body).value == b"{}"
