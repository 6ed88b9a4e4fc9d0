"""A message as an e-mail: headers, text with its HTML, files; as the bytes that SMTP takes after DATA.

What belongs here: what a mail looks like. What does not: how it is handed over (`mail`), and what it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from cloudsales_pipeline.outbox.files import LARGEST
from cloudsales_pipeline.outbox.gateways import Envelope

LONGEST_TITLE = 300
_NEVER_IN_AN_ADDRESS = re.compile(r"[\s\x00-\x1f\x7f<>()\[\],;:\\\"]")


class LetterRefusedError(Exception):
    """No mail can be made of the message; `reason` as a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Letter:
    """A mail ready for SMTP: the envelope's addresses, and the data without the full stop that ends it."""

    sender: str
    recipient: str
    data: bytes
    needs_utf8: bool


def compose(envelope: Envelope, sender: str, sender_name: str = "") -> Letter:
    """Make the mail.

    Raises:
        LetterRefusedError: `address_invalid`, or `too_large` (more than 25 MB of files).
    """
    if sum(len(file.content) for file in envelope.files) > LARGEST:
        raise LetterRefusedError("too_large")
    recipient, source = address_of(envelope.recipient), address_of(sender)
    needs_utf8 = not (recipient.isascii() and source.isascii())
    mail = EmailMessage(policy=policy.SMTPUTF8 if needs_utf8 else policy.SMTP)
    mail["From"] = _header_of(source, _one_line(sender_name))
    mail["To"] = _header_of(recipient)
    mail["Subject"] = _one_line(envelope.title)[:LONGEST_TITLE]
    mail["Date"] = format_datetime(envelope.created_at)
    mail["Message-ID"] = message_id(envelope, source)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday reply comes back
    mail.set_content(envelope.text or "\n")
    if envelope.html:
        mail.add_alternative(envelope.html, subtype="html")
    for file in envelope.files:
        kind, _, subtype = file.media_type.partition("/")
        mail.add_attachment(file.content, maintype=kind, subtype=subtype or "octet-stream", filename=_one_line(file.name))
    return Letter(source, recipient, _stuffed(mail.as_bytes()), needs_utf8)


def message_id(envelope: Envelope, sender: str) -> str:
    """Always the same for the same message, so that a mail that comes twice is seen to be one."""
    domain = sender.rpartition("@")[2]
    return (
        f"<cloudsales.{envelope.message_id}.{envelope.created_at:%Y%m%d%H%M%S%f}@{domain if domain.isascii() else 'localhost'}>"
    )


def address_of(text: str) -> str:
    """One address, its domain in ASCII.

    Raises:
        LetterRefusedError: it is none, is more than one, or holds what ends a header or a command.
    """
    local, _, domain = text.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    address = f"{local}@{domain}"
    if not local or not domain or "@" in local or len(address) > 254 or _NEVER_IN_AN_ADDRESS.search(address):
        raise LetterRefusedError("address_invalid")
    try:
        return _header_of(address).addr_spec
    except (ValueError, IndexError):
        raise LetterRefusedError("address_invalid") from None


def _header_of(address: str, name: str = "") -> Address:
    """Python takes letters beyond ASCII (RFC 6532) in the parts of an address, and refuses them in the whole.

    Raises:
        ValueError, IndexError: it is none.
    """
    if address.isascii():
        return Address(name, addr_spec=address)
    local, _, domain = address.rpartition("@")
    if not all(local.split(".")):
        raise ValueError("a dot too many")
    return Address(name, username=local, domain=domain)


def _one_line(text: str) -> str:
    """What may stand in a header: a line break would begin the next one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _stuffed(data: bytes) -> bytes:
    """Lines end in CR LF, and a full stop that begins one is doubled (RFC 5321, 4.5.2)."""
    lines = re.sub(rb"(?:\r\n|\n|\r(?!\n))", b"\r\n", data)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"
