"""Connections that end at a deadline, whatever the other side drips, and that reach only the addresses they may.

httpx and httpcore count a time-out per read, so a byte a second holds a call for ever (F-05). Here every read, write, look-up
and handshake takes what is left of the call's own deadline instead. What does not belong here: HTTP, and the rules of `guard`.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import httpcore

WRITE_SLICE = 64 * 1024

_seconds_left: ContextVar[Callable[[], float] | None] = ContextVar("cloudsales_seconds_left", default=None)


@contextmanager
def ends_after(seconds_left: Callable[[], float]) -> Iterator[None]:
    """All that this thread sends and reads inside must end when `seconds_left()` reaches 0."""
    token = _seconds_left.set(seconds_left)
    try:
        yield
    finally:
        _seconds_left.reset(token)


def _bounded(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    """The shorter of the time-out and what is left of the deadline."""
    seconds_left = _seconds_left.get()
    if seconds_left is None:
        return timeout
    left = seconds_left()
    if left <= 0:
        raise error("deadline")
    return left if timeout is None else min(timeout, left)


class DeadlineStream(httpcore.NetworkStream):
    """A stream whose every step is bounded by the deadline of the call that uses it just now."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes`; raises ReadTimeout."""
        return self._inner.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of `buffer`, in slices, since the inner stream counts its time-out for each of its own sends."""
        for start in range(0, len(buffer), WRITE_SLICE):
            self._inner.write(buffer[start : start + WRITE_SLICE], _bounded(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Let go of the socket; a thread that reads from it wakes up, which closing alone would not do."""
        with suppress(OSError, AttributeError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same stream, encrypted; the certificate is checked against the name, not against the address."""
        bounded = _bounded(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, bounded))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of the socket."""
        return self._inner.get_extra_info(info)


class DeadlineBackend(httpcore.NetworkBackend):
    """Makes TCP connections: the name is resolved once, each address is asked of `refusal`, and exactly those are called.

    Args:
        check: called with a resolved address before it is connected to; raises where it may not be.
        resolve: from (host, port) to addresses as text; the system's resolver unless a test says otherwise.
    """

    def __init__(
        self, check: Callable[[str], None] | None = None, resolve: Callable[[str, int], list[str]] | None = None
    ) -> None:
        self._inner = httpcore.SyncBackend()
        self._check = check
        self._resolve = resolve or system_addresses

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address that answers; every address must pass the check, or none is called."""
        addresses = self._addresses(host, port, timeout)
        if self._check is not None:
            for address in addresses:
                self._check(address)
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                bounded = _bounded(timeout, httpcore.ConnectTimeout)
                return DeadlineStream(self._inner.connect_tcp(address, port, bounded, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        """The host's addresses; the look-up runs in a thread, because the system's resolver knows no time-out."""
        try:
            return [str(ipaddress.ip_address(host.strip("[]")))]
        except ValueError:
            pass
        found: list[list[str] | OSError] = []

        def look_up() -> None:
            try:
                found.append(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                found.append(OSError(str(error)))

        thread = threading.Thread(target=look_up, name="cloudsales-dns", daemon=True)
        thread.start()
        thread.join(_bounded(timeout, httpcore.ConnectTimeout))
        if not found:
            raise httpcore.ConnectTimeout("the name was not resolved in time")
        if isinstance(found[0], OSError):
            raise httpcore.ConnectError("the name is not known")
        return found[0]


def system_addresses(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver gives for a name, each once, in its order."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))
