"""The ways out: what a gateway is given, what it can answer, and which ones the settings name.

What belongs here: the protocol and its words, and opening a gateway. What does not: how a mail or an SMS is handed over (`mail`,
`sms`), and which message goes when (`sending`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cloudsales_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from cloudsales_pipeline.outbox.files import File
    from cloudsales_pipeline.settings.messages import MessageSettings

MEDIA = ("email", "sms")
LONGEST_ANSWER = 160
OUTAGES = frozenset({"unreachable", "login_refused"})
"""Reasons of `again` that lie with the gateway: the next message would fare no better, and no message is to blame."""


class Outcome(StrEnum):
    """What is known of a message after it was given to a gateway."""

    SENT = "sent"
    """The gateway has it."""
    AGAIN = "again"
    """It surely did not go out, and may be tried again."""
    REFUSED = "refused"
    """It surely did not go out, and never will as it is."""
    UNKNOWN = "unknown"
    """It may have gone out."""


@dataclass(frozen=True)
class Answer:
    """What came of one message.

    Args:
        reason: why it was not sent, as a code.
        text: what the gateway said, without addresses and numbers.
    """

    outcome: Outcome
    reason: str | None = None
    text: str | None = None

    @property
    def outage(self) -> bool:
        """Whether it is the gateway that is out of order, not the message."""
        return self.outcome is Outcome.AGAIN and self.reason in OUTAGES


@dataclass(frozen=True)
class Envelope:
    """A message as a gateway takes it: `message_id` and `created_at` make it recognisable where it should come twice."""

    message_id: int
    created_at: datetime
    recipient: str
    title: str
    text: str
    html: str | None = None
    files: tuple[File, ...] = ()


class Gateway(Protocol):
    """A way out. It raises nothing for what a message or the other side does; it answers."""

    def send(self, envelope: Envelope) -> Answer:
        """Hand one message over, within a bounded time."""

    def close(self) -> None:
        """Let go of what it holds."""


def open_gateway(settings: MessageSettings, medium: str) -> Gateway | None:
    """The gateway of a medium; None where the settings name none. It connects when the first message is sent.

    Raises:
        SettingsError: its address is not set, or can't be used; the message does not hold it.
    """
    url = settings.gateway(medium)
    if url is None:
        return None
    if medium == "email":
        from cloudsales_pipeline.outbox.mail import MailGateway, mail_server

        return MailGateway(mail_server(url.get_secret_value(), settings.sender), per_connection=settings.batch)
    from cloudsales_pipeline.outbox.sms import HttpGateway

    return HttpGateway(url.get_secret_value())


def has_gateway(settings: MessageSettings, medium: str) -> bool:
    """Whether the settings name a gateway for the medium and its address is there."""
    try:
        return settings.gateway(medium) is not None
    except SettingsError:
        return False


def without_addresses(text: str, recipient: str) -> str:
    """What a gateway said, fit to be kept: no address, no telephone number, no control character, and short.

    A queue's id stays, for it is what the other side's people ask for.
    """
    for known in {recipient, recipient.rpartition("@")[0]} - {""}:
        text = re.sub(re.escape(known), "…", text, flags=re.IGNORECASE)
    text = re.sub(r"<[^>]*>|\S*@\S*", "…", text)
    text = re.sub(r"(?<!\w)\+?\d[\d ().-]{6,}\d(?!\w)|(?<!\w)\+?\d{7,}(?!\w)", "…", text)
    return "".join(c if c.isprintable() else " " for c in text).strip()[:LONGEST_ANSWER]
