"""An address that came with a listing reaches nothing inside: F-45's image URLs, and I-48."""

from __future__ import annotations

import pytest

from cloudsales_pipeline.channels.guard import Origin, address_refusal, url_refusal

OWN = Origin("http", "127.0.0.1", 8900)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),  # noqa: S104
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.3.4", "private"),
        ("192.168.1.1", "private"),
        ("fd00::1", "private"),
        ("fec0::1", "private"),
        ("64:ff9b:1::7f00:1", "private"),
        ("169.254.169.254", "link_local"),
        ("fe80::1%eth0", "link_local"),
        ("100.64.0.1", "shared"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("192.0.2.1", "private"),
        ("198.18.0.1", "private"),
        ("2001:db8::1", "private"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link_local"),
        ("::ffff:10.1.2.3", "private"),
        ("::127.0.0.1", "reserved"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link_local"),
        ("2002:7f00:1::", "loopback"),
        ("2002:c0a8:101::", "private"),
        ("localhost", "not_an_address"),
    ],
)
def test_an_address_inside_is_refused(address: str, reason: str) -> None:
    assert address_refusal(address) == reason


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_is_called(address: str) -> None:
    assert address_refusal(address) is None


@pytest.mark.parametrize(
    ("origin", "has_user", "reason"),
    [
        (Origin("file", "", 0), False, "scheme"),
        (Origin("gopher", "shop.ro", 70), False, "scheme"),
        (Origin("https", "shop.ro", 443), True, "user_info"),
        (Origin("https", "", 443), False, "no_host"),
        (Origin("http", "shop.ro", 6379), False, "port"),
        (Origin("https", "127.0.0.1", 8900), False, "port"),
        (Origin("https", "shop.ro", 443), False, None),
        (Origin("http", "shop.ro", 80), False, None),
        (OWN, False, None),
        (OWN, True, "user_info"),
    ],
)
def test_the_parts_of_a_url_are_judged_and_only_the_channels_own_origin_may_have_another_port(
    origin: Origin, has_user: bool, reason: str | None
) -> None:
    assert url_refusal(origin, has_user_info=has_user, own=OWN) == reason
