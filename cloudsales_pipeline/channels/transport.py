"""The one HTTP transport: bounded, limited, retried, and kept to the channel's own origin. It and `attempts` alone use httpx.

What belongs here: one call or one fetch, from its request to bytes or a typed error. What does not: a single attempt
(`attempts`, the transport's inner half), a channel's words (adapters), pages (`pages`), address rules (`guard`), permits and
pauses (`limits`), sockets (`sockets`). The environment's proxy variables are not read: a channel is called directly.
"""

from __future__ import annotations

import functools
import logging
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NoReturn, TypeVar
from urllib.parse import urlencode

import httpcore
import httpx
from httpx_retries import RetryTransport
from msgspec import Struct

from cloudsales_pipeline.channels import bodies
from cloudsales_pipeline.channels.attempts import RETRYABLE, Call, CallRetry, NotDecodableError, OneAttempt, ShapeError
from cloudsales_pipeline.channels.errors import (
    AddressRefusedError,
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
    WrongShapeError,
)
from cloudsales_pipeline.channels.guard import DEFAULT_PORTS, Origin, address_refusal, url_refusal
from cloudsales_pipeline.channels.limits import Gate, MemoryGate, TransportLimits, retry_after
from cloudsales_pipeline.channels.port import Fetched
from cloudsales_pipeline.channels.sockets import DeadlineBackend
from cloudsales_pipeline.errors import CloudSalesError, SettingsError

T = TypeVar("T")
E = TypeVar("E", bound=ChannelError)

Part = tuple[str, tuple[str | None, bytes] | tuple[str | None, bytes, str]]

HOST = re.compile(r"[\w.:-]+")  # httpx quotes whatever else stands there, and would ask the resolver for it
AGENT = "cloudsales-pipeline"
REDIRECTS = 3
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
NEVER_REPEATED = frozenset({"POST", "DELETE"})
PAUSE_WITHOUT_HEADER = 60.0  # 429 without Retry-After on every attempt: most limits count by the minute
KEEP_ALIVE_SECONDS = 4.0  # below the five seconds after which uvicorn and others hang up

for _name in ("httpx", "httpcore", "httpx_retries"):  # they log URLs and headers, which hold ids and tokens
    logging.getLogger(_name).setLevel(logging.WARNING)


class Answer(Struct, Generic[T], frozen=True):
    """A status that was expected, and what the decoder made of the body."""

    status: int
    value: T


class Transport:
    """Calls one channel, from any number of threads. Close it when done.

    Args:
        channel: the channel's name in the settings, for errors.
        url: the address that paths are put behind; its origin is the only one that ever gets the token.
        token: sent as `Authorization: Bearer`.
        section: where in the settings the address stands: `channels`, or `couriers`.
        gate: permits and pauses, shared with whoever shares the gate; it is closed with the transport.
        clock, sleep, random, now: passed in so that tests need not wait; seconds, seconds, 0 to 1, aware UTC.

    Raises:
        SettingsError: the URL or the token can't be used.
    """

    def __init__(
        self,
        channel: str,
        url: str,
        *,
        token: str | None = None,
        section: str = "channels",
        gate: Gate | None = None,
        limits: TransportLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Callable[[str, int], list[str]] | None = None,
    ) -> None:
        self.channel = channel
        self.limits = limits or TransportLimits()
        self.clock = clock
        self.sleep = sleep
        self.random = random
        self._now = now
        self._setting = f"{section}.{channel}"
        self._base, self._origin = _base(self._setting, url)
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": AGENT}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {_sendable(channel, token)}"
        self._gate = gate or MemoryGate(clock)
        self._closed = False
        self._attempts = RetryTransport(transport=OneAttempt())
        self._own = self._pool(DeadlineBackend(resolve=resolve))
        self._outside = self._pool(DeadlineBackend(self._refuse_address, resolve))

    def call(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        decode: Callable[[bytes], T],
        expected: frozenset[int] = frozenset({200}),
        query: Sequence[tuple[str, str]] = (),
        json: bytes | None = None,
        multipart: Sequence[Part] | None = None,
        form: Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer[T]:
        """One operation of the channel: GET and PUT are repeated where that may help, POST and DELETE never.

        Args:
            path: behind the base URL, its parts already percent-encoded.
            decode: bytes to a value; raises NotDecodableError or ShapeError. Called once for each expected answer.
            json: a body, encoded; or `multipart`, parts of (name, (file name or None, content[, media type])); or `form`, fields.
            headers: beside the transport's own, which they replace: a token that changes, say.

        Raises:
            ChannelError: see `channels.errors`; OutcomeUnknownError only for a write that may have been done.
        """
        call = Call(
            self,
            operation,
            method=method,
            gate=self._gate,
            seconds=self.limits.total_seconds,
            max_bytes=self.limits.max_bytes,
            expected=expected,
            decode=decode,
        )
        content, media_type = _body(json, form)
        sent = {**self._headers, **({"Content-Type": media_type} if media_type else {}), **(headers or {})}
        try:
            url = httpx.URL(self._base + path, params=list(query)) if query else httpx.URL(self._base + path)
            request = httpx.Request(method, url, headers=sent, content=content, files=multipart)
            request.read()  # a repeat sends the same bytes
        except (httpx.InvalidURL, UnicodeError):
            raise self._error(ChannelRefusedError, "a value can't be written into a request", call, status=400) from None
        response = self._follow(request, call, headers or {})
        if response.status_code not in expected:
            self._refuse(call, response.status_code)
        return Answer(response.status_code, response.extensions["value"])

    def fetch(self, url: str, *, max_bytes: int, deadline_seconds: float, accept: str = "*/*") -> Fetched:
        """What lies behind an address that came with a listing: guarded, without our token, and outside the channel's limit.

        Raises:
            AddressRefusedError: the address, or one that it redirects to, may not be called.
            ChannelError: anything else that kept it from coming.
        """
        gate = MemoryGate(self.clock)  # an image's server is not the channel's API: it neither spends permits nor pauses it
        expected = frozenset({200})
        call = Call(self, "fetch", gate=gate, seconds=deadline_seconds, max_bytes=max_bytes, expected=expected)
        headers = {"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": AGENT}
        target = self._parsed(url)
        for _ in range(REDIRECTS + 1):
            response = self._send(httpx.Request("GET", target, headers=headers), call, self._guarded_pool(target))
            if response.status_code not in REDIRECT_STATUSES:
                break
            target = self._parsed(response.headers.get("location", ""), target)
        else:
            raise self._error(RedirectRefusedError, f"more than {REDIRECTS} redirects", call)
        if response.status_code != 200:
            self._refuse(call, response.status_code)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(response.extensions["body"], media_type)

    def close(self) -> None:
        """Let go of connections; a call under way in another thread ends at once, with an error."""
        self._closed = True
        self._own.close()
        self._outside.close()
        self._gate.close()

    # ------------------------------------------------------------ at the gate

    def admit(self, call: Call) -> None:
        """Wait for a permit and for the end of a short pause.

        Raises:
            RateLimitedError: the wait would be too long; `retry_at` says until when.
            ChannelUnreachableError: the transport was closed.
        """
        while True:
            if self._closed:
                raise self._error(ChannelUnreachableError, "the channel was closed here", call)
            paused = call.gate.paused_for()
            wait = paused or call.gate.take()
            if wait <= 0:
                return
            bound = min(call.left(), self.limits.longest_pause) if paused else call.left()
            if wait > bound:
                what = "the channel told us to wait" if paused else "our own limit of calls leaves no time for this one"
                raise self._limited(call, what, wait)
            self.sleep(wait)

    def heed_wish_to_wait(self, call: Call, status: int, headers: Mapping[str, str]) -> None:
        """A 429, or a 503 that says until when: the whole channel waits, in all processes (F-07)."""
        asked = retry_after(headers.get("retry-after"), self._now())
        if status != 429 and not (status == 503 and asked):
            return
        last = status == 429 and asked is None and call.attempts >= self.limits.attempts
        wait = PAUSE_WITHOUT_HEADER if last else max(asked or 0.0, call.backoff())
        call.gate.pause(wait, f"HTTP {status}")
        if status == 503 and call.method in NEVER_REPEATED:
            return  # it may have been done: `_refuse` says so
        if wait > min(call.left(), self.limits.longest_pause):
            raise self._limited(call, f"answered {status}", call.gate.paused_for())

    # ------------------------------------------------------------ sending

    def _follow(self, request: httpx.Request, call: Call, headers: Mapping[str, str]) -> httpx.Response:
        """Send, and follow a few redirects of a GET within the channel's own origin."""
        for _ in range(REDIRECTS + 1):
            response = self._send(request, call, self._own)
            if response.status_code not in REDIRECT_STATUSES:
                return response
            target = self._parsed(response.headers.get("location", ""), request.url)
            if _origin(target) != self._origin:
                message = f"a redirect to another server ({target.scheme}://{target.host})"
                step = f"if it has moved, set {self._setting}.url"
                raise self._error(RedirectRefusedError, message, call, next_step=step)
            if call.is_write:
                raise self._error(RedirectRefusedError, "a redirect of a write", call)
            request = httpx.Request("GET", target, headers={**self._headers, **headers})
        raise self._error(RedirectRefusedError, f"more than {REDIRECTS} redirects", call)

    def _send(self, request: httpx.Request, call: Call, pool: httpcore.ConnectionPool) -> httpx.Response:
        request.extensions = {"call": call, "pool": pool, "retry": CallRetry(call)}
        try:
            return self._attempts.handle_request(request)
        except CloudSalesError:
            raise
        except Exception as error:
            failure = self._explained(error, call)
            if failure is None:
                raise
        raise failure  # outside the handler, so that nothing of httpcore's own text hangs on it

    def _explained(self, error: Exception, call: Call) -> ChannelError | None:
        """What went wrong in an attempt, as ours; None for what is not the channel's doing."""
        tried = f"{call.attempts} attempt{'s' if call.attempts != 1 else ''}"
        if isinstance(error, bodies.OverCapError):
            return self._error(BodyTooLargeError, f"the answer has more than {call.max_bytes} bytes", call)
        if isinstance(error, ShapeError):
            return self._error(WrongShapeError, f"not the contract's shape ({error})", call)
        if not isinstance(error, (*RETRYABLE, httpcore.ProtocolError, bodies.UnknownEncodingError)):
            return None
        if call.is_write and call.sent:
            step = "look it up before any repeat"
            return self._error(OutcomeUnknownError, f"no readable answer in {tried}; it may have been done", call, next_step=step)
        if isinstance(error, NotDecodableError | bodies.UnknownEncodingError):
            return self._error(NotJsonError, f"the answer is not JSON, in {tried}", call, next_step=self._check())
        if isinstance(error, bodies.CutError | httpcore.RemoteProtocolError | httpcore.ReadError) and call.in_body:
            return self._error(BodyCutError, f"the answer was cut, in {tried}", call, next_step="try again later")
        what = "no answer in time" if isinstance(error, httpcore.TimeoutException) and call.sent else "no connection"
        return self._error(ChannelUnreachableError, f"{what}, in {tried}", call, next_step=self._check())

    def _refuse(self, call: Call, status: int) -> NoReturn:
        """Raise what an unexpected status means."""
        if status in (401, 403):
            step = f"check the token that channels.{self.channel}.token_env names"
            raise self._error(
                AuthenticationError, f"answered {status}: the token is wrong or expired", call, status=status, next_step=step
            )
        if status == 429:
            raise self._limited(call, "answered 429", max(call.gate.paused_for(), 1.0))
        if status >= 500 and call.method in NEVER_REPEATED:
            step = "look it up before any repeat"
            raise self._error(OutcomeUnknownError, f"answered {status}; it may have been done", call, next_step=step)
        if status >= 500:
            message = f"answered {status}, {call.attempts} times in all"
            raise self._error(ServerFailedError, message, call, next_step="try again later")
        if status >= 400:
            raise self._error(ChannelRefusedError, f"answered {status}", call, status=status)
        raise self._error(WrongShapeError, f"answered {status}, which the contract does not have here", call)

    # ------------------------------------------------------------ addresses

    def _pool(self, backend: DeadlineBackend) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=_ssl_context() if self._origin.scheme == "https" else None,
            max_connections=self.limits.connections,
            max_keepalive_connections=self.limits.connections,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=backend,
        )

    def _guarded_pool(self, target: httpx.URL) -> httpcore.ConnectionPool:
        """The pool to fetch `target` from, its URL judged; the pool's backend judges the address."""
        origin = _origin(target)
        if reason := url_refusal(origin, has_user_info=bool(target.userinfo), own=self._origin):
            raise AddressRefusedError(reason, channel=self.channel)
        return self._own if origin == self._origin else self._outside

    def _refuse_address(self, address: str) -> None:
        if reason := address_refusal(address):
            raise AddressRefusedError(reason, channel=self.channel)

    def _parsed(self, url: str, base: httpx.URL | None = None) -> httpx.URL:
        try:
            parsed = base.join(url) if base is not None else httpx.URL(url)
            host = parsed.host  # decodes it: a false xn-- name shows here
        except (httpx.InvalidURL, UnicodeError, ValueError):
            raise AddressRefusedError("not_a_url", channel=self.channel) from None
        if host and not HOST.fullmatch(host):
            raise AddressRefusedError("not_a_url", channel=self.channel)
        return parsed

    # ------------------------------------------------------------ errors

    def _check(self) -> str:
        return f"check {self._setting}.url and that the server there is up"

    def _limited(self, call: Call, message: str, seconds: float) -> RateLimitedError:
        retry_at = self._now() + timedelta(seconds=seconds)
        return RateLimitedError(message, retry_at=retry_at, channel=self.channel, operation=call.operation)

    def _error(self, kind: type[E], message: str, call: Call, **facts: Any) -> E:
        return kind(message, channel=self.channel, operation=call.operation, **facts)


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: loading the certificates costs more than a call."""
    return httpx.create_ssl_context()


def _origin(url: httpx.URL) -> Origin:
    scheme = url.scheme.lower()
    return Origin(scheme, url.host.lower(), url.port or DEFAULT_PORTS.get(scheme, 0))


def _body(json: bytes | None, form: Sequence[tuple[str, str]] | None) -> tuple[bytes | None, str]:
    """The bytes of a body and its media type; nothing where there is none, or where it has parts."""
    if form is not None:
        return urlencode(form).encode(), "application/x-www-form-urlencoded"
    return json, "application/json" if json is not None else ""


def _base(setting: str, url: str) -> tuple[str, Origin]:
    """The base URL without a slash at its end, and its origin."""
    step = f"write {setting}.url like https://api.example.com/v1"
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, UnicodeError):
        raise SettingsError(f"{setting}.url is not a URL.", next_step=step) from None
    if parsed.scheme not in DEFAULT_PORTS or not HOST.fullmatch(parsed.host):
        raise SettingsError(f"{setting}.url is not an http or https address.", next_step=step)
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise SettingsError(f"{setting}.url holds more than an address: no user, query or fragment.", next_step=step)
    return str(parsed).rstrip("/"), _origin(parsed)


def _sendable(channel: str, token: str) -> str:
    """The token, which must fit a header: the protocol's own error would print it."""
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise SettingsError(
            f"The token of the channel {channel} has spaces, line ends or other characters that can't be sent.",
            next_step=f"set the variable that channels.{channel}.token_env names again",
        )
    return token
