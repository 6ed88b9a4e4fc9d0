"""Being signed in at a courier: a token kept for as long as it holds, and one more sign-in where it is refused.

What belongs here: the token's life. What does not: how a courier signs in (its adapter), and the call itself (the transport).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from cloudsales_pipeline.channels.attempts import NotDecodableError, ShapeError
from cloudsales_pipeline.channels.errors import AuthenticationError
from cloudsales_pipeline.channels.transport import Answer, Transport
from cloudsales_pipeline.documents.couriers import outcomes

T = TypeVar("T")

EARLY = timedelta(minutes=5)  # renewed so long before its end, for calls take time and clocks differ
SHORTEST = timedelta(minutes=10)  # a token that looks ended when it comes would mean a sign-in before every call


class Token(Struct, frozen=True):
    """What a sign-in gave; the adapter's header carries it."""

    value: str
    ends_at: datetime

    def __repr__(self) -> str:
        return "Token(…)"


class Session:
    """Calls a courier with its token, from any number of threads.

    Args:
        sign_in: asks for a token; raises ChannelError.
        header: the headers that carry it.
        now: aware UTC.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        sign_in: Callable[[], Token],
        header: Callable[[str], Mapping[str, str]],
        now: Callable[[], datetime],
    ) -> None:
        self.transport = transport
        self._sign_in = sign_in
        self._header = header
        self._now = now
        self._lock = threading.Lock()
        self._token: Token | None = None

    def call(
        self, method: str, path: str, *, operation: str, decode: Callable[[bytes], T], accept: str = "", **rest: Any
    ) -> Answer[T]:
        """One call; after a 401 or 403 it is made once more with a new token, for it was surely not done.

        Raises:
            ChannelError: as `Transport.call`.
            CourierAwayError: the sign-in did not go through.
        """
        extra = {"Accept": accept} if accept else {}
        token = self._valid(None)
        ask = self.transport.call
        try:
            return ask(method, path, operation=operation, decode=decode, headers={**self._header(token), **extra}, **rest)
        except AuthenticationError:
            token = self._valid(token)
        return ask(method, path, operation=operation, decode=decode, headers={**self._header(token), **extra}, **rest)

    def forget(self) -> None:
        """The next call signs in."""
        with self._lock:
            self._token = None

    def _valid(self, refused: str | None) -> str:
        """A token that holds and is not the one that was just refused; threads that were refused together sign in once."""
        with self._lock:
            token = self._token
            if token is None or token.value == refused or token.ends_at - EARLY <= self._now():
                with outcomes.reading(self.transport.channel, "the sign-in"):
                    token = self._sign_in()
                token = Token(token.value, max(token.ends_at, self._now() + SHORTEST + EARLY))
                self._token = token
            return token.value


def decoded(body: bytes, kind: type[T]) -> T:
    """JSON as a type; the transport knows both errors.

    Raises:
        NotDecodableError: no JSON, such as a page for people.
        ShapeError: JSON of another shape.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ShapeError(str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise NotDecodableError from None
