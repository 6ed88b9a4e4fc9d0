"""Which addresses may be fetched: pure rules, no name is resolved and nothing is called here.

What belongs here: the judgement of a URL's parts and of a resolved IP address. What does not: the connection, which the
transport makes to exactly the address that was judged, so that a name can't change its mind in between.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}

# Kinds of IPv6 that carry an IPv4 address inside, by which a private one could be reached.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598, behind a carrier's NAT
_TRANSLATED_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
_UNLISTED = (ipaddress.ip_network("192.88.99.0/24"), ipaddress.ip_network("5f00::/16"))  # not global in practice


class Origin(NamedTuple):
    """Scheme, host in lower case, and port: two URLs with the same origin reach the same server."""

    scheme: str
    host: str
    port: int


def url_refusal(origin: Origin, *, has_user_info: bool, own: Origin | None) -> str | None:
    """Why a URL may not be fetched, as a reason code; None where its parts are in order.

    `own` is the channel's configured origin: the user named it, so its port and address are trusted.
    """
    if origin.scheme not in DEFAULT_PORTS:
        return "scheme"
    if has_user_info:
        return "user_info"
    if not origin.host:
        return "no_host"
    if origin == own:
        return None
    return None if origin.port in DEFAULT_PORTS.values() else "port"


def address_refusal(text: str) -> str | None:
    """Why an IP address may not be called, as a reason code; None where it is a public one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "not_an_address"
    return next((reason for one in (address, *_embedded(address)) if (reason := _refusal(one))), None)


def _embedded(address: Address) -> tuple[Address, ...]:
    """The IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found: list[Address] = []
    if address.ipv4_mapped:
        found.append(address.ipv4_mapped)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if address in _NAT64 or address in _COMPATIBLE:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return tuple(found)


def _refusal(address: Address) -> str | None:
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link_local"
    if address.is_multicast:
        return "multicast"
    if address in _SHARED:
        return "shared"
    if isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address in _TRANSLATED_LOCAL):
        return "private"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return None  # judged by the address inside
    if address.is_reserved:
        return None if address in _NAT64 else "reserved"
    if address.is_private:
        return "private"
    if not address.is_global or any(address in net for net in _UNLISTED):
        return "reserved"
    return None
