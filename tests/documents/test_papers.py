"""Files of documents: made once, after the number, whatever is killed."""

from __future__ import annotations

import threading
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.documents import papers
from cloudsales_pipeline.documents.content import Content
from cloudsales_pipeline.documents.papers import make_missing
from cloudsales_pipeline.settings import Settings
from tests.documents.test_building import invoice, line, order


def issued(engine: Engine, number: int, content: Content | None = None, *, kind: str = "fiscal_invoice") -> int:
    """A document as issuing leaves it: rows, no files."""
    content = content or invoice(order(line(1, "121")))
    content = msgspec.structs.replace(content, number=f"FU {number}", kind=kind)
    with engine.begin() as connection:
        connection.execute(
            sa.text("insert into cloudsales.channel (channel, kind) values ('magazin', 'store') on conflict do nothing")
        )
        order_id = connection.execute(
            sa.text(
                "insert into cloudsales.sales_order (channel, external_id, revision, status, channel_status, placed_at, changed_at, payment_method,"
                " payment_status, delivery_method, currency, delivery_price, discount, total, expected_total, warehouses)"
                " values ('magazin', :n, 1, 'new', 'new', now(), now(), 'card', 'pending', 'courier', 'RON', 0, 0, 121, 121, '{}') returning order_id"
            ),
            {"n": str(number)},
        ).scalar_one()
        document_id: int = connection.execute(
            sa.text(
                "insert into cloudsales.document (kind, series, number, order_id, issued_on, supplied_on, due_on, currency, net, vat, rounding, total, language, cause)"
                " values (:kind, 'FU', :n, :order_id, :day, :day, :day, :currency, :net, :vat, :rounding, :total, 'ro', 'rule') returning document_id"
            ),
            {"kind": kind, "n": number, "order_id": order_id, "day": date(2026, 11, 24), "currency": content.currency, "net": content.net,
             "vat": content.vat, "rounding": content.rounding, "total": content.payable},
        ).scalar_one()  # fmt: skip
        connection.execute(
            sa.text("insert into personal.document_content (document_id, content) values (:id, cast(:content as jsonb))"),
            {"id": document_id, "content": msgspec.json.encode(content).decode()},
        )
    return document_id


def files(engine: Engine) -> list[tuple[Any, ...]]:
    query = "select number, f.kind, s.name from cloudsales.document_file f join cloudsales.document using (document_id) join personal.stored_file s using (file_id) order by 1, 2"
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def quarantined(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(
                sa.text("select reference, reason from cloudsales.quarantine where resolved_at is null order by 1")
            )
        ]


def test_an_invoice_gets_its_pdf_and_e_invoice_once_and_a_proforma_its_pdf(engine: Engine, settings: Settings) -> None:
    issued(engine, 1)
    issued(engine, 2, kind="proforma_invoice")
    assert make_missing(engine, settings) == 2
    assert make_missing(engine, settings) == 0
    assert files(engine) == [(1, "pdf", "FU-1.pdf"), (1, "xml", "FU-1.xml"), (2, "pdf", "FU-2.pdf")]
    with engine.connect() as connection:
        heads = (
            connection.execute(sa.text("select substr(content, 1, 5) from personal.stored_file order by file_id")).scalars().all()
        )
    assert [bytes(head) for head in heads] == [b"%PDF-", b"<?xml", b"%PDF-"]


def test_one_that_can_not_be_made_is_quarantined_and_the_others_go_on(engine: Engine, settings: Settings) -> None:
    """In EUR there is a PDF, but no e-invoice without an exchange rate."""
    bad = issued(engine, 1, invoice(order(line(1, "10"), currency="EUR")))
    issued(engine, 2)
    assert make_missing(engine, settings, batch=1) == 1
    assert make_missing(engine, settings) == 0
    assert [(number, kind) for number, kind, _ in files(engine)] == [(1, "pdf"), (2, "pdf"), (2, "xml")]
    assert quarantined(engine) == [(f"document/{bad}", "paper_failed")]


class Killed(BaseException):
    """What ends a process in the middle."""


def test_a_crash_between_number_and_file_leaves_nothing_half_and_the_next_run_makes_them(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-08: killed when the files of the second batch are kept but not committed."""
    for number in (1, 2, 3):
        issued(engine, number)
    kept, real = [], papers.store_files

    def store_and_die(connection: Any, made: Any) -> Any:
        kept.append(real(connection, made))
        if len(kept) == 2:
            raise Killed
        return kept[-1]

    with monkeypatch.context() as patch:
        patch.setattr(papers, "store_files", store_and_die)
        with pytest.raises(Killed):
            make_missing(engine, settings, batch=1)
    assert {number for number, _, _ in files(engine)} == {1}
    assert make_missing(engine, settings) == 2
    assert [number for number, _, _ in files(engine)] == [1, 1, 2, 2, 3, 3]
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from personal.stored_file")).scalar_one() == 6


def test_workers_side_by_side_make_each_file_once(engine: Engine, settings: Settings) -> None:
    for number in range(1, 13):
        issued(engine, number)
    made: list[int] = []
    workers = [threading.Thread(target=lambda: made.append(make_missing(engine, settings, batch=2))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert sum(made) == 12
    assert len(files(engine)) == 24


def test_a_logo_that_is_none_stands_in_quarantine_and_the_invoice_is_made_without_it(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "logo.png").write_bytes(b"no picture")
    broken = settings.model_copy(update={"company": settings.company.model_copy(update={"logo": tmp_path / "logo.png"})})
    issued(engine, 1)
    assert make_missing(engine, broken) == 1
    assert quarantined(engine) == [("company.logo", "logo_unusable")]


def test_a_logo_of_50_mb_is_refused_without_being_read_whole_and_its_row_closes_when_it_is_mended(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    from tests.documents.test_pdf import png

    logo = tmp_path / "logo.png"
    with logo.open("wb") as file:
        file.truncate(50_000_000)
    made = settings.model_copy(update={"company": settings.company.model_copy(update={"logo": logo})})
    issued(engine, 1)
    tracemalloc.start()
    assert make_missing(engine, made) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert quarantined(engine) == [("company.logo", "logo_unusable")]
    with engine.connect() as connection:
        why = connection.execute(sa.text("select detail ->> 'why' from cloudsales.quarantine")).scalar_one()
    assert "the logo has more than 2 MB" in why
    logo.write_bytes(png())
    issued(engine, 2)
    assert make_missing(engine, made) == 1
    assert quarantined(engine) == []
