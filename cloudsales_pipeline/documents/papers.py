"""The files of issued documents: a PDF, and for invoices and stornos the e-invoice, made from the stored content.

What belongs here: finding what has no files yet, making and keeping them. What does not: issuing, and how a file looks.

A document's number is taken in a short transaction of its own; its files come after it. Whoever is killed here leaves nothing
half done: the files and the mark that they are made commit together, and the next run makes what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.documents import pdf, ubl
from cloudsales_pipeline.documents.content import Content
from cloudsales_pipeline.errors import CloudSalesError, SettingsError, describe_unexpected
from cloudsales_pipeline.outbox.files import File, store_files
from cloudsales_pipeline.settings import Settings

BATCH = 25
_CLAIM = """
select d.document_id, d.kind, o.channel, o.external_id, c.content::text as content,
       array(select f.kind from cloudsales.document_file f where f.document_id = d.document_id) as made
from cloudsales.document_paper_due p
join cloudsales.document d using (document_id)
join cloudsales.sales_order o using (order_id)
join personal.document_content c using (document_id)
where p.document_id > :after
order by p.document_id limit :batch
for update of p skip locked
"""
_QUARANTINE = """
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
values ('documents', :channel, :reference, :reason, cast(:detail as jsonb))
on conflict (stage, channel, reference, reason) where resolved_at is null do nothing
"""
_RESOLVE = """
update cloudsales.quarantine set resolved_at = clock_timestamp(), resolution = 'resolved'
where stage = 'documents' and reason = 'paper_failed' and resolved_at is null
  and reference in (select 'document/' || id from unnest(cast(:ids as bigint[])) u (id))
"""
_LOGO_IS_FINE = """
update cloudsales.quarantine set resolved_at = clock_timestamp(), resolution = 'resolved'
where stage = 'documents' and channel = '' and reference = 'company.logo' and reason = 'logo_unusable' and resolved_at is null
"""
_KEEP = """
insert into cloudsales.document_file (document_id, kind, file_id)
select * from unnest(cast(:documents as bigint[]), cast(:kinds as text[]), cast(:files as bigint[]))
"""


def make_missing(engine: Engine, settings: Settings, *, batch: int = BATCH) -> int:
    """Make the files of documents that have none yet, a transaction for each batch; how many documents are complete by it.

    Several workers may run: each takes what no other holds. A document that can't be made is quarantined (`paper_failed`), keeps
    what could be made of it, and is tried again by the next run; the others go on. A logo that can't be used is quarantined too
    (`logo_unusable`), and documents are made without it.
    """
    logo = _logo(engine, settings)
    complete, after = 0, 0
    while True:
        with engine.begin() as connection:
            rows = connection.execute(sa.text(_CLAIM), {"after": after, "batch": batch}).all()
            if not rows:
                return complete
            complete += _make(connection, rows, logo)
            after = rows[-1].document_id


def _logo(engine: Engine, settings: Settings) -> bytes | None:
    try:
        logo = pdf.read_logo(settings.company.logo)
        with engine.begin() as connection:
            connection.execute(sa.text(_LOGO_IS_FINE))
        return logo
    except SettingsError as error:
        with engine.begin() as connection:
            _quarantine(connection, "", "company.logo", "logo_unusable", {"why": error.message})
        return None


def _make(connection: Connection, rows: Sequence[sa.Row[Any]], logo: bytes | None) -> int:
    """The files of a batch, kept; the number of documents that have all of theirs now."""
    made: list[tuple[int, str, File]] = []
    done: list[int] = []
    for row in rows:
        failed = False
        for kind in _wanted(row.kind, row.made):
            try:
                made.append((row.document_id, kind, _file(kind, row.content, logo)))
            except Exception as error:  # one document that can't be made stops no other
                failed = True
                why = error.message if isinstance(error, CloudSalesError) else describe_unexpected(error)
                detail = {"file": kind, "order": row.external_id, "why": why}
                _quarantine(connection, row.channel, f"document/{row.document_id}", "paper_failed", detail)
        if not failed:
            done.append(row.document_id)
    _keep(connection, made)
    connection.execute(sa.text("delete from cloudsales.document_paper_due where document_id = any(:ids)"), {"ids": done})
    connection.execute(sa.text(_RESOLVE), {"ids": done})
    return len(done)


def _wanted(document: str, made: list[str]) -> list[str]:
    kinds = ["pdf"] if document == "proforma_invoice" else ["pdf", "xml"]
    return [kind for kind in kinds if kind not in made]


def _file(kind: str, stored: str, logo: bytes | None) -> File:
    content = msgspec.json.decode(stored, type=Content, strict=False)
    name = content.number.replace(" ", "-")
    if kind == "xml":
        return File(f"{name}.xml", "application/xml", ubl.to_xml(content))
    return File(f"{name}.pdf", "application/pdf", _drawn(lambda picture: pdf.render(content, logo=picture), logo))


def _drawn(render: Callable[[bytes | None], bytes], logo: bytes | None) -> bytes:
    """With the logo; without it where the typesetter can't draw it."""
    try:
        return render(logo)
    except Exception:
        if logo is None:
            raise
        return render(None)


def _keep(connection: Connection, made: list[tuple[int, str, File]]) -> None:
    ids = store_files(connection, [file for _, _, file in made])
    if ids:
        documents, kinds, _ = zip(*made, strict=True)
        connection.execute(sa.text(_KEEP), {"documents": list(documents), "kinds": list(kinds), "files": ids})


def _quarantine(connection: Connection, channel: str, reference: str, reason: str, detail: dict[str, str]) -> None:
    connection.execute(
        sa.text(_QUARANTINE),
        {"channel": channel, "reference": reference, "reason": reason, "detail": json.dumps(detail)},
    )
