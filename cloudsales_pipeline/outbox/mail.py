"""E-mail: a mail server's address as apprise reads it, and one SMTP exchange whose end is known.

apprise itself tells sent from not sent; a message that may have gone out must not go out again, so the exchange is made here,
step by step. What is lost before the full stop that ends the data was not taken; what is lost after it may have been.

What belongs here: the server's address, the connection, the exchange. What does not: the mail's text (`letters`).
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.outbox.gateways import Answer, Envelope, Outcome, without_addresses
from cloudsales_pipeline.outbox.letters import Letter, LetterRefusedError, compose

SOCKET_SECONDS = 20.0
EXCHANGE_SECONDS = 60.0
GOODBYE_SECONDS = 2.0
IDLE_SECONDS = 3600.0
SLOWEST = 100_000  # bytes a second: what a large file may take beyond the time for an exchange
PIECE = 65_536  # bytes; the longest silence counts anew for each
LOST = (OSError, smtplib.SMTPException, ValueError)
"""What smtplib raises where the connection breaks, or the other side does not speak SMTP. ssl's errors are OSErrors."""


@dataclass(frozen=True)
class MailServer:
    """Where mails are handed over. `mode`: starttls, ssl or insecure."""

    host: str
    port: int
    mode: str
    sender: str
    sender_name: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def mail_server(url: str, sender: str | None) -> MailServer:
    """A mail server out of apprise's address for one (`mailto://`, `mailtos://`), with what apprise knows of the providers.

    Args:
        sender: from whom mails come where the address does not say (`from=`).

    Raises:
        SettingsError: it is no such address, has no sender, or would send the password in the clear.
    """
    from cloudsales_pipeline.outbox.sms import quiet_apprise

    quiet_apprise()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its PGP part loads a module that Python 3.13 has no more
        from apprise.exception import AppriseImproperlyConfigured
        from apprise.plugins.email.base import NotifyEmail

    plugin_class: Any = NotifyEmail  # apprise is typed in part
    parsed = plugin_class.parse_url(url) if url.partition("://")[0].lower() in ("mailto", "mailtos") else None
    if not parsed:
        raise _unusable("it is not mailto://… or mailtos://…")
    if not parsed.get("from_addr") and sender:
        parsed["from_addr"] = sender
    if parsed.get("verify") is False:
        raise _unusable("verify=no is not taken: the server's certificate is checked", "for one of your own set SSL_CERT_FILE")
    try:
        plugin = plugin_class(**parsed)
    except AppriseImproperlyConfigured:
        raise _unusable("it names no sender", "set messages.sender, or put ?from=name@company.ro behind it") from None
    name, address = plugin.from_addr
    server = MailServer(
        plugin.smtp_host, int(plugin.port), plugin.secure_mode, address, _name(name, plugin.app_id), plugin.user, plugin.password
    )
    if server.mode == "insecure" and server.password and server.host not in ("127.0.0.1", "::1", "localhost"):
        raise _unusable("the password would cross the network in the clear", "write mailtos://")
    return server


def _name(name: Any, nobody: str) -> str:
    """The sender's name; apprise's own is nobody's."""
    return name if isinstance(name, str) and name != nobody else ""


def _unusable(why: str, next_step: str = "see docs/messages.md for examples") -> SettingsError:
    return SettingsError(f"The mail server's address can't be used: {why}.", next_step=next_step)


class MailGateway:
    """Mails through one server; several to a connection. Not for several threads at once.

    Args:
        per_connection: after so many mails the connection is made anew.
        socket_seconds: the longest silence; exchange_seconds: the longest exchange for one mail, however lively.
    """

    def __init__(
        self,
        server: MailServer,
        *,
        per_connection: int = 50,
        socket_seconds: float = SOCKET_SECONDS,
        exchange_seconds: float = EXCHANGE_SECONDS,
    ) -> None:
        self.server = server
        self.per_connection = per_connection
        self.socket_seconds = socket_seconds
        self.exchange_seconds = exchange_seconds
        self._smtp: _Smtp | None = None
        self._mails = 0
        self._ready: tuple[Envelope, Letter] | None = None

    def prepare(self, envelope: Envelope) -> None:
        """Make the mail that is sent next, while its beginning is written down; nothing is said to the server."""
        with suppress(LetterRefusedError):  # `send` will say so
            self._ready = envelope, compose(envelope, self.server.sender, self.server.sender_name)

    def send(self, envelope: Envelope) -> Answer:
        """Hand one mail over; a new connection is made where there is none, and where the server has hung up meanwhile."""
        ready, self._ready = self._ready, None
        try:
            if ready is not None and ready[0] is envelope:
                letter = ready[1]
            else:
                letter = compose(envelope, self.server.sender, self.server.sender_name)
        except LetterRefusedError as error:
            return Answer(Outcome.REFUSED, error.reason)
        reused = self._smtp is not None and self._mails < self.per_connection
        answer = self._exchange(letter)
        if reused and answer.reason == "connection_lost":  # a server closes what stood idle: not the mail's fault
            answer = self._exchange(letter)
        return answer

    def close(self) -> None:
        """Say goodbye to the server, briefly."""
        smtp, self._smtp, self._mails = self._smtp, None, 0
        if smtp is None:
            return
        with suppress(*LOST), smtp.within(GOODBYE_SECONDS):
            smtp.quit()
        smtp.close()

    def _drop(self) -> None:
        smtp, self._smtp, self._mails = self._smtp, None, 0
        if smtp is not None:
            smtp.close()

    def _exchange(self, letter: Letter) -> Answer:
        if self._smtp is not None and self._mails >= self.per_connection:
            self.close()
        if self._smtp is None:
            smtp = _Smtp(self.server, self.socket_seconds)
            refusal = _connected(smtp, self.server, self.exchange_seconds)
            if refusal is not None:
                smtp.close()
                return refusal
            self._smtp = smtp
        smtp, self._mails = self._smtp, self._mails + 1
        with smtp.within(self.exchange_seconds + len(letter.data) / SLOWEST):
            answer, usable = _handed_over(smtp, letter)
        if not usable or smtp.was_cut:
            self._drop()
        return answer


class _Watch:
    """Cuts connections whose time is over, from one thread for all of them: a thread for each mail took as long as the mail."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._ends: dict[_Smtp, float] = {}
        self._thread: threading.Thread | None = None
        self._wakes = 0.0

    def until(self, smtp: _Smtp, end: float | None) -> None:
        """Cut the connection at `end` on the monotonic clock; None: leave it alone from now on."""
        with self._turn:
            if end is None:
                self._ends.pop(smtp, None)
                return
            self._ends[smtp] = end
            if self._thread is None or not self._thread.is_alive():  # none yet, or this is a forked process
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._wakes = end
                self._thread.start()
            elif end < self._wakes:
                self._turn.notify_all()  # after a fork the first in the row may be a thread that is no more

    def _look(self) -> None:
        with self._turn:
            while True:
                now = time.monotonic()
                for smtp in [one for one, end in self._ends.items() if end <= now]:
                    del self._ends[smtp]
                    smtp.cut()
                self._wakes = min(self._ends.values(), default=now + IDLE_SECONDS)
                self._turn.wait(self._wakes - now)


class _WholeLines:
    """What the server says, line by line. smtplib would take `250` for a yes that was cut off before its line ended."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        if line and not line.endswith(b"\n"):
            raise smtplib.SMTPServerDisconnected("a reply was cut off")
        return line

    def close(self) -> None:
        self._file.close()


class _Smtp(smtplib.SMTP):
    """smtplib's connection, which can be cut from outside at any point, also while it greets or shakes hands (F-05)."""

    def __init__(self, server: MailServer, seconds: float) -> None:
        self._tls = None if server.mode == "insecure" else ssl.create_default_context()
        self._wrap_at_once = server.mode == "ssl"
        self.sock: socket.socket | None = None
        self.was_cut = False
        super().__init__(local_hostname="[127.0.0.1]", timeout=seconds)  # else the machine's name is looked up, and told
        self._host = server.host  # the name that the certificate must bear

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut the connection when the time is over: a server that drips would else hold it for ever."""
        _WATCH.until(self, time.monotonic() + seconds)
        try:
            yield
        finally:
            _WATCH.until(self, None)

    def cut(self) -> None:
        """Break the connection off, from whatever thread."""
        self.was_cut = True
        with suppress(OSError):
            if self.sock is not None:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # not the TLS one's: another thread is in it

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the last full stop must not wait
        if self._wrap_at_once:
            self._shake_hands()
        return self.sock

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _WholeLines(self.sock.makefile("rb"))
        return super().getreply()

    def secure(self) -> None:
        """STARTTLS: the server must offer it.

        Raises:
            smtplib.SMTPException: it does not.
        """
        self.ehlo_or_helo_if_needed()
        code, _ = self.docmd("STARTTLS") if self.has_extn("starttls") else (0, b"")
        if code != 220:
            raise smtplib.SMTPNotSupportedError("STARTTLS")
        self.file = None
        self._shake_hands()
        self.helo_resp, self.ehlo_resp, self.esmtp_features, self.does_esmtp = None, None, {}, False

    def _shake_hands(self) -> None:
        assert self._tls is not None
        assert self.sock is not None
        wrapped = self._tls.wrap_socket(self.sock, server_hostname=self._host, do_handshake_on_connect=False)
        self.sock = wrapped  # before the handshake, so that it can be cut
        wrapped.do_handshake()


_WATCH = _Watch()


def _connected(smtp: _Smtp, server: MailServer, seconds: float) -> Answer | None:
    """Connect, secure, log in; what to answer where that fails. Nothing was handed over, so each is safe to try again."""
    try:
        with smtp.within(seconds):
            code, said = smtp.connect(server.host, server.port)
            if code != 220:
                return _spoken(Outcome.AGAIN, "unreachable", code, said, "")
            if server.mode == "starttls":
                smtp.secure()
            smtp.ehlo_or_helo_if_needed()
            if server.user and server.password:
                smtp.login(server.user, server.password)
    except smtplib.SMTPAuthenticationError as error:
        return Answer(Outcome.AGAIN, "login_refused", str(error.smtp_code))
    except smtplib.SMTPNotSupportedError as error:
        return Answer(Outcome.AGAIN, "login_refused", "no STARTTLS" if "STARTTLS" in str(error) else "no AUTH")
    except LOST as error:
        return Answer(Outcome.AGAIN, "unreachable", type(error).__name__)
    return None


def _handed_over(smtp: _Smtp, letter: Letter) -> tuple[Answer, bool]:
    """The exchange for one mail, and whether the connection can take another."""
    if letter.needs_utf8 and not smtp.has_extn("smtputf8"):
        return Answer(Outcome.REFUSED, "address_needs_smtputf8"), True
    over = False
    try:
        refusal = _announced(smtp, letter)
        if refusal is not None:
            return refusal, _reset(smtp)
        for start in range(0, len(letter.data), PIECE):
            smtp.send(letter.data[start : start + PIECE])
        over = True  # from here on the server may have it
        smtp.send(b".\r\n")
        code, said = smtp.getreply()
    except LOST as error:
        if over:
            return Answer(Outcome.UNKNOWN, "no_answer", type(error).__name__), False
        reason = "too_slow" if smtp.was_cut or isinstance(error, TimeoutError) else "connection_lost"
        return Answer(Outcome.AGAIN, reason, type(error).__name__), False
    if 200 <= code < 300:
        return _spoken(Outcome.SENT, None, code, said, letter.recipient), True
    return _refused(code, said, letter, or_else=Outcome.UNKNOWN), code != 421


def _reset(smtp: _Smtp) -> bool:
    """Whether the connection can take another mail."""
    try:
        return smtp.rset()[0] == 250
    except LOST:
        return False


def _announced(smtp: _Smtp, letter: Letter) -> Answer | None:
    """MAIL, RCPT, DATA up to where the data may come; what to answer where the server says no."""
    options = [*(["SMTPUTF8", "BODY=8BITMIME"] if letter.needs_utf8 else []), *_size(smtp, letter)]
    steps: tuple[tuple[Callable[[], tuple[int, bytes]], int], ...] = (
        (lambda: smtp.mail(letter.sender, options), 250),
        (lambda: smtp.rcpt(letter.recipient), 250),
        (lambda: smtp.docmd("DATA"), 354),
    )
    if letter.needs_utf8:
        smtp.command_encoding = "utf-8"
    try:
        for step, expected in steps:
            code, said = step()
            if code != expected and not (expected == 250 and 250 <= code < 260):
                if code == 421:
                    raise smtplib.SMTPServerDisconnected("421")
                return _refused(code, said, letter, or_else=Outcome.AGAIN)
    finally:
        smtp.command_encoding = "ascii"
    return None


def _size(smtp: _Smtp, letter: Letter) -> list[str]:
    return [f"SIZE={len(letter.data)}"] if smtp.has_extn("size") else []


def _refused(code: int, said: bytes, letter: Letter, or_else: Outcome) -> Answer:
    """4xx: another time; 5xx: never; who asks to log in says nothing of the mail; anything else is no word of SMTP's."""
    if code in (530, 535, 538):
        return _spoken(Outcome.AGAIN, "login_refused", code, said, letter.recipient)
    if 400 <= code < 500:
        return _spoken(Outcome.AGAIN, "refused_for_now", code, said, letter.recipient)
    if 500 <= code < 600:
        return _spoken(Outcome.REFUSED, "refused", code, said, letter.recipient)
    return _spoken(or_else, "answer_unreadable", code, said, letter.recipient)


def _spoken(outcome: Outcome, reason: str | None, code: int, said: bytes, recipient: str) -> Answer:
    return Answer(outcome, reason, f"{code} {without_addresses(said.decode('utf-8', 'replace'), recipient)}".strip())
