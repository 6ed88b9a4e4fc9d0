"""One attempt of a call, and the policy by which attempts follow one another: the inner half of the transport.

An attempt is: permit → connect → send → read all of the body → decode. httpx-retries repeats it for methods that may be
repeated (GET, PUT), so that a cut body or a drip counts as an attempt like any other. What does not belong here: requests,
redirects, and what a failure means to the caller.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import httpcore
import httpx
from httpx_retries import Retry

from cloudsales_pipeline.channels import bodies
from cloudsales_pipeline.channels.errors import AddressRefusedError
from cloudsales_pipeline.channels.limits import Gate, TransportLimits
from cloudsales_pipeline.channels.sockets import ends_after

AGAIN_STATUSES = frozenset({408, 425, 429})


class NotDecodableError(Exception):
    """Raised by a decoder: the body is not JSON. Tried again where that is safe, since a cut body looks like this too."""


class ShapeError(Exception):
    """Raised by a decoder: JSON, but not the contract's envelope; `args[0]` says where, never what."""


class Surroundings(Protocol):
    """What an attempt needs of the transport."""

    limits: TransportLimits
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[], float]

    def admit(self, call: Call) -> None:
        """Wait for a permit, or raise RateLimitedError."""

    def heed_wish_to_wait(self, call: Call, status: int, headers: Mapping[str, str]) -> None:
        """Pause the channel where the answer asks for it, or raise RateLimitedError."""


class Call:
    """One call: its deadline over all attempts, and what has come of it so far."""

    def __init__(
        self,
        transport: Surroundings,
        operation: str,
        *,
        method: str = "GET",
        gate: Gate,
        seconds: float,
        max_bytes: int,
        expected: frozenset[int],
        decode: Callable[[bytes], Any] | None = None,
    ) -> None:
        self.transport = transport
        self.operation = operation
        self.method = method
        self.is_write = method != "GET"
        self.gate = gate
        self.max_bytes = max_bytes
        self.expected = expected
        self.decode = decode
        self.deadline = transport.clock() + seconds
        self.attempt_deadline = self.deadline
        self.attempts = 0
        self.sent = False  # a server may have seen the request
        self.in_body = False

    def left(self) -> float:
        """Seconds until the call must have ended."""
        return self.deadline - self.transport.clock()

    def attempt_left(self) -> float:
        """Seconds until this attempt must have ended."""
        return self.attempt_deadline - self.transport.clock()

    def begin_attempt(self) -> None:
        """Count an attempt and start its clock."""
        self.attempts += 1
        self.in_body = False
        self.attempt_deadline = min(self.deadline, self.transport.clock() + self.transport.limits.attempt_seconds)

    def backoff(self) -> float:
        """Seconds before the next attempt: full jitter, so that clients that failed together don't come back together."""
        limits = self.transport.limits
        ceiling: float = min(limits.backoff_cap, limits.backoff_base * 2**self.attempts)
        return self.transport.random() * ceiling


class CallRetry(Retry):
    """httpx-retries' policy with our clock, sleep and deadline. What to wait after a 429 is the gate's matter."""

    def __init__(self, call: Call) -> None:
        super().__init__(total=call.transport.limits.attempts - 1, allowed_methods=("GET", "PUT"), retry_on_exceptions=RETRYABLE)
        self._call = call

    def is_retryable_status_code(self, status_code: int) -> bool:
        """A server error, or a wish to be asked again."""
        return status_code in AGAIN_STATUSES or (status_code >= 500 and status_code != 501)

    def is_exhausted(self) -> bool:
        """No attempt left, or no time."""
        return super().is_exhausted() or self._call.left() <= 0

    def increment(self) -> Retry:
        """The policy after one more attempt; the base class would lose the call."""
        again = copy.copy(self)
        again.attempts_made += 1
        return again

    def sleep(self, response: httpx.Response | Exception) -> None:
        """Wait before the next attempt."""
        if isinstance(response, httpx.Response) and response.status_code == 429:
            return  # the whole channel is paused: the next attempt waits at the gate
        self._call.transport.sleep(min(self._call.backoff(), max(0.0, self._call.left())))


RETRYABLE = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.RemoteProtocolError,
    bodies.CutError,
    NotDecodableError,
)
_NOT_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, AddressRefusedError)


class OneAttempt(httpx.BaseTransport):
    """Takes a permit, sends once, reads and decodes the whole body; the body comes back in `extensions`."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One attempt; raises what httpcore, `bodies` and the decoder raise."""
        call: Call = request.extensions["call"]
        pool: httpcore.ConnectionPool = request.extensions["pool"]
        call.transport.admit(call)
        call.begin_attempt()
        with ends_after(call.attempt_left):
            status, headers, body = self._exchange(call, pool, request)
        call.transport.heed_wish_to_wait(call, status, headers)
        value = call.decode(body) if call.decode and status in call.expected else None
        kept = {name: headers[name] for name in ("location", "content-type") if name in headers}
        return httpx.Response(status, headers=kept, extensions={"body": body, "value": value})

    def _exchange(self, call: Call, pool: httpcore.ConnectionPool, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        response = self._send(call, pool, request)
        call.in_body = True
        try:
            headers = httpx.Headers(response.headers)
            if (declared := headers.get("content-length", "")).isdecimal() and int(declared[:20]) > call.max_bytes:
                raise bodies.OverCapError
            assert isinstance(response.stream, Iterable)
            return (
                response.status,
                headers,
                bodies.read_body(response.stream, headers.get("content-encoding", ""), call.max_bytes),
            )
        finally:
            response.close()

    def _send(self, call: Call, pool: httpcore.ConnectionPool, request: httpx.Request) -> httpcore.Response:
        limits = call.transport.limits
        timeout = {
            "connect": limits.connect_seconds,
            "read": limits.read_seconds,
            "write": limits.read_seconds,
            "pool": max(0.0, call.attempt_left()),
        }
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        outgoing = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.content, extensions={"timeout": timeout}
        )
        try:
            response = pool.handle_request(outgoing)
        except _NOT_SENT:
            raise
        except Exception:
            call.sent = True
            raise
        call.sent = True
        return response
