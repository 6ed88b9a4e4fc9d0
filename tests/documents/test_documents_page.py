"""The page that Dagster's pages link to: documents for this machine alone."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.cli.documents_page import shown
from cloudsales_pipeline.documents.issuing import issue_due
from cloudsales_pipeline.documents.papers import make_missing
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.resources.document_links import URL_VARIABLE, link_of, links
from cloudsales_pipeline.settings import Settings
from tests.documents.office import NOON, ON_STOCK, office
from tests.orders.market import line, market, order, receive


@pytest.fixture
def page(engine: Engine, settings: Settings) -> Iterator[str]:
    market(engine, {"R-1": 5})
    receive(engine, order("<b>FO1", line("R-1", 2)))
    made = office(settings, ON_STOCK)
    issue_due(engine, made, now=NOON)
    make_missing(engine, made)
    with shown(engine, "127.0.0.1", 0) as address:
        yield address


def ask(url: str, host: str | None = None, method: str = "GET") -> tuple[int, str, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(method, parts.path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read()
    finally:
        connection.close()


def test_a_document_is_opened_by_its_link_and_what_is_not_there_says_so(page: str) -> None:
    status, kind, content = ask(link_of(page, "FU 1"))
    assert (status, kind, content[:5]) == (200, "application/pdf", b"%PDF-")
    assert ask(link_of(page, "FU 1", "xml"))[:2] == (200, "application/xml")
    assert ask(link_of(page, "FU 2"))[0] == 404
    assert ask(link_of(page, "../../etc/passwd"))[0] == 404
    assert ask(f"{page}/elsewhere")[0] == 404
    assert ask(f"{page}/documents", method="POST")[0] == 501
    status, _, content = ask(f"{page}/documents")
    assert status == 200
    assert b'href="/documents/FU%201.pdf"' in content
    assert b"&lt;b&gt;FO1" in content


def test_another_sites_name_for_this_machine_is_refused(page: str) -> None:
    assert ask(f"{page}/documents/FU%201.pdf", host="shop.example")[0] == 403
    assert ask(f"{page}/documents/FU%201.pdf", host="localhost")[0] == 200


def test_the_page_is_never_shown_to_other_machines(engine: Engine) -> None:
    with pytest.raises(RefusedError, match="on this machine alone"), shown(engine, "0.0.0.0", 0):  # noqa: S104
        pass


def test_links_are_there_only_while_the_page_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    assert links(["FU 1"]) is None
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:3001")
    assert links(["FU 1", "FU 2"]) == (
        "[FU 1](http://127.0.0.1:3001/documents/FU%201.pdf) · [FU 2](http://127.0.0.1:3001/documents/FU%202.pdf)"
    )
