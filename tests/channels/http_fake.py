"""A small HTTP server for fakes of a channel: a function from a request to a status and a JSON value."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.channels.known_shop import TOKEN


class Asked(NamedTuple):
    method: str
    parts: list[str]  # of the path behind /v1, decoded
    query: dict[str, list[str]]
    body: bytes
    content_type: str

    def first(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]


Answering = Callable[[Asked], tuple[int, Any]]


@contextmanager
def serving(answering: Answering) -> Iterator[str]:
    """The URL of a server that asks for the token and then gives what `answering` says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = [unquote(part) for part in address.path.removeprefix("/v1/").split("/")]
            asked = Asked(self.command, parts, parse_qs(address.query), body, self.headers.get("Content-Type", ""))
            status, value = (401, {}) if self.headers.get("Authorization") != f"Bearer {TOKEN}" else answering(asked)
            content = b"" if status == 204 else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815 - the base class's names

        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(6, 1, 1)  # no Nagle: head and body are written apart

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
