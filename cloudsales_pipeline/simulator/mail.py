"""A mail server on this machine that keeps what it is given, and behaves badly when it is told to.

What belongs here: the server and its faults. What does not: anything about our messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = "127.0.0.1"


@dataclass
class Mailbox:
    """What a server was given, and how it behaves.

    Args:
        mails: recipient and data of each mail that was taken, also of those whose sender never heard so.
        answers: by recipient, what RCPT is answered with (`451 4.2.1 later`, `550 5.1.1 nobody`).
        drop_after_data: takes the mail and hangs up without an answer.
        drip: answers the end of the data one byte at a time, each after so many seconds.
    """

    mails: list[tuple[str, bytes]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    drop_after_data: bool = False
    drip: float = 0.0
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """The server as an address of apprise's."""
        return f"mailto://{LOOPBACK}:{self.port}?from=magazin@example.ro&smtp={LOOPBACK}&mode=insecure"


class _Handler:
    def __init__(self, box: Mailbox) -> None:
        self.box = box

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.box.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        refusal = self.box.answers.get(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.box.mails.append((envelope.rcpt_tos[0], envelope.content))
        if self.box.drop_after_data:
            server.transport.abort()
        while self.box.drip and not server.transport.is_closing():
            server.transport.write(b"2")
            await asyncio.sleep(self.box.drip)
        return f"250 2.0.0 queued as M{len(self.box.mails):08d}X"


@contextlib.contextmanager
def mail_server(*, utf8: bool = True) -> Iterator[Mailbox]:
    """A server in a thread of its own, stopped at the end of the block."""
    from aiosmtpd.controller import Controller

    box = Mailbox()
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        box.port = probe.getsockname()[1]
    controller = Controller(_Handler(box), hostname=LOOPBACK, port=box.port, enable_SMTPUTF8=utf8)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
