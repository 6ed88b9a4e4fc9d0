"""A page of documents on this machine, so that Dagster's pages can link to them: `cloudsales up` and `documents serve` show it.

It answers GET alone, to names of this machine alone (no other site's page can read it by another name), and there is no sign-in:
it listens on a loopback address only. What belongs here: the page and its addresses. What does not: reading documents.
"""

from __future__ import annotations

import html
import ipaddress
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cloudsales_pipeline.errors import CloudSalesError, InputError, RefusedError
from cloudsales_pipeline.resources.document_links import link_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.outbox.files import File

SHOWN = 200
SECONDS = 10.0
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Documents</title>
<style>body{{font:15px system-ui;margin:2rem auto;max-width:60rem}}td,th{{text-align:left;padding:.2rem .8rem .2rem 0}}</style>
<h1>Documents</h1><p>The latest {count}; any other by its address, /documents/SERIES%20NUMBER.pdf.</p>
<table><tr><th>Number<th>Kind<th>Channel<th>Order<th>Issued on<th>Total<th></tr>{rows}</table></html>"""


@contextmanager
def shown(engine: Engine, host: str, port: int) -> Iterator[str]:
    """The page in a thread of its own, until the end; its address.

    Raises:
        RefusedError: the address is not a loopback one, or the port can't be used.
    """
    if not _is_loopback(host):
        raise RefusedError(f"Documents are shown on this machine alone, and {host} is more.", next_step="leave out --host")
    try:
        server = _Server(engine, host, port)
    except OSError as error:
        raise RefusedError(f"Port {port} on {host} can't be used: {error.strerror}.", next_step="give another --port") from None
    thread = threading.Thread(target=server.serve_forever, name="cloudsales-documents", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(SECONDS)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, engine: Engine, host: str, port: int) -> None:
        self.engine = engine
        super().__init__((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = SECONDS
    server: _Server
    server_version = "documents"
    sys_version = ""

    def do_GET(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        if not (host == "localhost" or _is_loopback(host)):
            self._say(HTTPStatus.FORBIDDEN, "This page answers to this machine's name alone.")
            return
        path = unquote(urlsplit(self.path).path)
        try:
            if path in ("/", "/documents", "/documents/"):
                self._give(HTTPStatus.OK, "text/html; charset=utf-8", _index(self.server.engine).encode())
            elif path.startswith("/documents/") and path.endswith((".pdf", ".xml")):
                self._file(path.removeprefix("/documents/"))
            else:
                self._say(HTTPStatus.NOT_FOUND, "There is no such page.")
        except InputError as error:
            self._say(HTTPStatus.NOT_FOUND, str(error))
        except CloudSalesError as error:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library names it so
        """Nothing: which document somebody opened is nobody's business."""

    def _file(self, name: str) -> None:
        from cloudsales_pipeline.documents.explain import file_of

        number, _, kind = name.rpartition(".")
        file: File = file_of(self.server.engine, number, "xml" if kind == "xml" else "pdf")
        self._give(HTTPStatus.OK, file.media_type, file.content)

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._give(status, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _give(self, status: HTTPStatus, media_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(content)


def _index(engine: Engine) -> str:
    from cloudsales_pipeline.documents import summary

    with engine.connect() as connection:
        rows = summary.rows_of(connection, "last", limit=SHOWN)
    return _PAGE.format(count=len(rows), rows="".join(_row(row) for row in rows))


def _row(row: dict[str, object]) -> str:
    number = str(row["number"])
    cells = [row["kind"], row["channel"], row["order_id"], str(row["issued_at"])[:10], f"{row['total']} {row['currency']}"]
    shown = "".join(f"<td>{html.escape(str(cell))}" for cell in cells)
    xml = "" if row["kind"] == "proforma_invoice" else f'<a href="{html.escape(link_of("", number, "xml"))}">XML</a>'
    return f'<tr><td><a href="{html.escape(link_of("", number))}">{html.escape(number)}</a>{shown}<td>{xml}</tr>'


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
