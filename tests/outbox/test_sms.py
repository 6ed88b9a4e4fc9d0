"""SMS through apprise and a real HTTP server: what is known after each kind of answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cloudsales_pipeline.outbox.gateways import Envelope, without_addresses
from cloudsales_pipeline.outbox.sms import HttpGateway


class Phone(ThreadingHTTPServer):
    status = 200
    taken: list[dict[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Phone = self.server  # type: ignore[assignment]
        server.taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if server.status:
            self.send_response(server.status)
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def phone() -> Iterator[Phone]:
    with Phone(("127.0.0.1", 0), _Handler) as server:
        server.taken = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def send(port: int, text: str = "Comanda a plecat") -> tuple[str, str | None]:
    url = f"json://127.0.0.1:{port}/sms?:to={{recipient}}&:ref={{message_id}}&:message=text"
    answer = HttpGateway(url).send(Envelope(7, datetime.now(UTC), "+40722123456", "", text))
    return answer.outcome.value, answer.reason


def test_ten_kilobytes_go_out_as_one_request_with_number_and_reference(phone: Phone) -> None:
    assert send(phone.server_port, "ă" * 10_000) == ("sent", None)
    (taken,) = phone.taken
    assert (taken["to"], taken["ref"], len(taken["text"])) == ("+40722123456", "7", 10_000)


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (400, ("refused", "refused")),
        (401, ("again", "login_refused")),
        (429, ("again", "refused_for_now")),
        (500, ("again", "refused_for_now")),
        (504, ("unknown", "no_answer")),
        (0, ("unknown", "no_answer")),
    ],
)
def test_each_answer_says_whether_it_may_be_sent_again(phone: Phone, status: int, found: tuple[str, str]) -> None:
    phone.status = status
    assert send(phone.server_port) == found


def test_nobody_there_is_an_outage() -> None:
    assert send(9) == ("again", "unreachable")


def test_i46_no_address_and_no_number_is_kept_of_what_a_server_says() -> None:
    kept = without_addresses("5.1.1 <Ana@x.ro> ana@x.ro +40 722 123 456: queued as 4XyZ12 ana", "ana@x.ro")
    assert kept == "5.1.1 … … …: queued as 4XyZ12 …"
