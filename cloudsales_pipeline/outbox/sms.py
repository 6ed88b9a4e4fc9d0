"""SMS and other HTTP gateways through apprise, with as much as can be known of what came of each message.

apprise answers yes or no. What lies between is in the HTTP exchange, so requests' adapter is watched while apprise sends: whether
the connection was made, and with which status the other side answered.

What belongs here: one message through apprise. What does not: SMTP (`mail`).
"""

from __future__ import annotations

import functools
import logging
import ssl
import threading
import warnings
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.outbox.gateways import Answer, Envelope, Outcome

RECIPIENT = "{recipient}"
REFERENCE = "{message_id}"
SECONDS = 30.0
LARGEST_ANSWER = 64_000  # bytes
MOST_LEFT_BEHIND = 4
MAY_HAVE_PASSED_IT_ON = (502, 504)
REFUSED_UNREAD = 503
"""Of what went wrong over there this alone says that nothing was done (RFC 9110, 15.6.4)."""


@dataclass(frozen=True)
class Exchange:
    """One HTTP exchange: the status, or what broke it (`unreachable`: nothing was asked; `lost`: nothing was answered)."""

    status: int | None = None
    broken: str | None = None


_SEEN: ContextVar[list[Exchange] | None] = ContextVar("outbox_exchanges", default=None)


class HttpGateway:
    """Messages through one address of apprise's, in which `{recipient}` stands for the telephone number.

    `{message_id}` may stand in it too, for gateways that keep a reference and so refuse the same message twice.

    Raises:
        SettingsError: the address has no `{recipient}`, or apprise does not know it.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        quiet_apprise()
        self._url = url
        self._seconds = seconds
        self._left_behind: list[threading.Thread] = []
        if RECIPIENT not in url:
            raise SettingsError(
                f"The SMS gateway's address has no {RECIPIENT} in it.", next_step="see docs/messages.md for examples"
            )
        if self._plugin("+40700000000", 0) is None:
            raise SettingsError(
                "The SMS gateway's address is none that apprise knows.", next_step="see docs/messages.md for examples"
            )

    def send(self, envelope: Envelope) -> Answer:
        """Hand one message over. Who is too slow is left behind in a thread of its own: unknown."""
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        if len(self._left_behind) >= MOST_LEFT_BEHIND:
            return Answer(Outcome.AGAIN, "unreachable", "too many exchanges without an end")
        plugin = self._plugin(envelope.recipient, envelope.message_id)
        if plugin is None:
            return Answer(Outcome.REFUSED, "address_invalid")
        seen: list[Exchange] = []
        said: list[bool] = []
        thread = threading.Thread(target=_notify, args=(plugin, envelope.text, seen, said), daemon=True)
        thread.start()
        thread.join(self._seconds)
        if thread.is_alive():
            self._left_behind.append(thread)
            return Answer(Outcome.UNKNOWN, "no_answer", "too slow")
        return judged(said[0] if said else False, seen, told_apart=REFERENCE in self._url)

    def close(self) -> None:
        """Nothing is held between messages."""

    def _plugin(self, recipient: str, message_id: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it loads its plugins when it is first used
            from apprise import Apprise

            Apprise.instantiate("json://localhost")
        url = self._url.replace(RECIPIENT, quote(recipient, safe="")).replace(REFERENCE, str(message_id))
        return Apprise.instantiate(url, suppress_exceptions=True)


def judged(sent: bool, exchanges: list[Exchange], *, told_apart: bool) -> Answer:
    """What apprise's yes or no means, given the HTTP exchanges behind it.

    Args:
        told_apart: the gateway has our reference, and refuses a second message of the same one.
    """
    if sent:
        return Answer(Outcome.SENT, None, _status(exchanges))
    if not exchanges:
        return Answer(Outcome.REFUSED, "address_invalid")  # apprise asked nobody: the number is none for this gateway
    *before, last = exchanges
    if any(one.broken == "lost" or (one.status or 500) < 300 for one in before):
        return Answer(Outcome.UNKNOWN, "partly_sent", _status(exchanges))
    return _of_exchange(last, told_apart=told_apart)


def _of_exchange(last: Exchange, *, told_apart: bool) -> Answer:
    if last.broken is not None or last.status is None:
        if last.broken == "unreachable":
            return Answer(Outcome.AGAIN, "unreachable")
        return Answer(Outcome.UNKNOWN, "no_answer")
    text = str(last.status)
    if last.status in MAY_HAVE_PASSED_IT_ON or (last.status >= 500 and last.status != REFUSED_UNREAD and not told_apart):
        return Answer(Outcome.UNKNOWN, "no_answer", text)
    if last.status in (401, 403):
        return Answer(Outcome.AGAIN, "login_refused", text)
    if last.status in (408, 425, 429) or last.status >= 500:
        return Answer(Outcome.AGAIN, "refused_for_now", text)
    return Answer(Outcome.REFUSED, "refused", text)


def _status(exchanges: list[Exchange]) -> str | None:
    return str(exchanges[-1].status) if exchanges and exchanges[-1].status else None


def _notify(plugin: Any, text: str, seen: list[Exchange], said: list[bool]) -> None:
    _watch_requests()
    _SEEN.set(seen)  # of this thread alone: others' requests go unseen
    said.append(bool(plugin.notify(body=text, title="")))


@functools.cache
def _watch_requests() -> None:
    """Have requests' adapter note what came of each exchange, for threads that ask for it; nothing changes for others."""
    from requests.adapters import HTTPAdapter

    original = HTTPAdapter.send

    def send(self: HTTPAdapter, request: Any, **options: Any) -> Any:
        seen = _SEEN.get()
        if seen is None:
            return original(self, request, **options)
        try:
            response = original(self, request, **options)
            response._content = response.raw.read(LARGEST_ANSWER, decode_content=True)  # no more, however much comes
            response._content_consumed = True
        except Exception as error:
            seen.append(Exchange(broken="unreachable" if _never_connected(error) else "lost"))
            raise
        seen.append(Exchange(response.status_code))
        return response

    HTTPAdapter.send = send  # type: ignore[method-assign,assignment]


def _never_connected(error: Exception) -> bool:
    """Whether nothing was asked at all: no connection, no name, or no trust in the certificate."""
    from requests.exceptions import ConnectionError as Broken
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    reason = getattr(error.args[0] if error.args else None, "reason", None)
    untrusted = any(isinstance(part, ssl.SSLCertVerificationError) for part in getattr(reason, "args", ()))
    return isinstance(error, Broken) and (isinstance(reason, NewConnectionError | ConnectTimeoutError) or untrusted)


def quiet_apprise() -> None:
    """apprise and urllib3 log addresses and telephone numbers: have them say nothing (I-46)."""
    for name in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
