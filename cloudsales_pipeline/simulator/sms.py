"""An SMS gateway on this machine, HTTP with JSON, that keeps what it is given and behaves badly when it is told to.

It takes `{"to": …, "text": …, "reference": …}`, and one message for each reference where there is one.

What belongs here: the gateway and its faults. What does not: anything about our messages.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"
LARGEST = 1_000_000  # bytes of a request


@dataclass
class Phones:
    """What reached telephones, and how the gateway behaves.

    Args:
        messages: number and text of each SMS that went out, also of those whose sender never heard so.
        refuses: by number, the status that it is answered with; nothing goes out.
        fails_after: answers 500 once the SMS is out, so many times.
        silent_after: hangs up without an answer once the SMS is out, so many times.
        slow: seconds before it answers.
    """

    messages: list[tuple[str, str]] = field(default_factory=list)
    references: set[str] = field(default_factory=set)
    refuses: dict[str, int] = field(default_factory=dict)
    fails_after: int = 0
    silent_after: int = 0
    slow: float = 0.0
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def url(self) -> str:
        """The gateway as an address of apprise's; each message bears a reference."""
        return f"{self.url_without_reference}&:reference={{message_id}}"

    @property
    def url_without_reference(self) -> str:
        """The same, for a gateway that can't tell a second message from the first."""
        return f"json://{LOOPBACK}:{self.port}/sms?:to={{recipient}}&:message=text"

    def take(self, number: str, text: str, reference: str) -> int | None:
        """What a request is answered with; None: not at all."""
        with self.lock:
            if number in self.refuses:
                return self.refuses[number]
            if reference and reference in self.references:
                return 409
            self.references.add(reference)
            self.messages.append((number, text))
            if self.fails_after:
                self.fails_after -= 1
                return 500
            if self.silent_after:
                self.silent_after -= 1
                return None
        time.sleep(self.slow)
        return 202


@contextlib.contextmanager
def sms_gateway() -> Iterator[Phones]:
    """A gateway in threads of its own, stopped at the end of the block."""
    phones = Phones()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length") or 0), LARGEST)
            try:
                said = json.loads(self.rfile.read(length))
                status = phones.take(str(said["to"]), str(said["text"]), str(said.get("reference", "")))
            except (ValueError, KeyError, TypeError):
                status = 400
            if status is not None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: numbers would stand in it."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        phones.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield phones
        finally:
            server.shutdown()
