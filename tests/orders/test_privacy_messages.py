"""A person's messages and the files that went with them, given out and taken away (I-49)."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import Engine

from cloudsales_pipeline.channels.port import Buyer
from cloudsales_pipeline.orders.people import person
from cloudsales_pipeline.orders.privacy import Erased, erase, export
from cloudsales_pipeline.outbox.deciding import retry
from cloudsales_pipeline.outbox.files import File, read_file, store_files
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from tests.canary import Canaries, in_database
from tests.orders.market import line, market, order, receive, told
from tests.stock.shelf import rows

DECIDED = "select state, reason, recipient is null, erased_at is not null from personal.message order by message_id"


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


def put(engine: Engine, canaries: Canaries, subject: str, reference: str, to: str, medium: str = "email", file: int = 0) -> int:
    text, channel = canaries.text(f"text to {to}"), "fashionup" if subject == "order" else ""
    with engine.begin() as connection:
        message = Outgoing(
            subject, reference, "told", medium, to, text, text, f"<p>{text}</p>", channel, files=(file,) if file else ()
        )
        return enqueue(connection, [message])[0]


def test_i49_messages_to_a_person_or_about_the_persons_order_are_erased_and_the_unsent_never_leave(
    canaries: Canaries, engine: Engine, owner_engine: Engine
) -> None:
    mail, number = canaries.text("mail", "{}@example.invalid"), canaries.phone()
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), status="cancelled", buyer=Buyer("X", mail, number, None)))
    mine = [put(engine, canaries, "order", "FO1", mail.upper()), put(engine, canaries, "goods_receipt", "G1", mail)]
    mine += [put(engine, canaries, "order", "FO1", number, "sms"), put(engine, canaries, "order", "FO1", "shop@example.invalid")]
    marks = {"sent": "sent_at = now()", "dead": "reason = 'refused'", "unknown": "answer = recipient"}
    with engine.begin() as connection:
        for message, (state, also) in zip(mine, marks.items(), strict=False):
            connection.exec_driver_sql(f"update personal.message set state = '{state}', {also} where message_id = {message}")
    assert erase(engine, person(mail)) == Erased(1, 0, 1, 0, messages=4)
    assert rows(engine, DECIDED) == [("sent", None, True, True), *[("skipped", "erased", True, True)] * 3]
    assert in_database(canaries, owner_engine, apart=()) == []
    assert retry(engine, mine) == []
    assert erase(engine, person(mail)) == Erased(0, 0, 0, 0)
    assert [
        detail["messages"] for *_, detail in rows(engine, "select detail from cloudsales.event where kind = 'person_erased'")
    ] == [4]


def test_i49_other_peoples_messages_stay_and_a_dry_run_counts(canaries: Canaries, engine: Engine) -> None:
    put(engine, canaries, "operations", "O1", "diana@example.invalid")
    put(engine, canaries, "operations", "O1", "ana@example.invalid")
    assert erase(engine, person("ana@example.invalid"), dry_run=True).messages == 1
    assert rows(engine, DECIDED) == [("new", None, False, False)] * 2
    assert erase(engine, person("ana@example.invalid")).messages == 1
    assert rows(engine, DECIDED) == [("new", None, False, False), ("skipped", "erased", True, True)]
    assert len(told(engine, "person_erased")) == 1


def test_i49_a_file_goes_with_the_last_message_that_has_it_and_a_document_of_the_books_stays(
    canaries: Canaries, engine: Engine, owner_engine: Engine
) -> None:
    with engine.begin() as connection:
        files = store_files(
            connection, [File(f"{n}.pdf", "application/pdf", canaries.text(n).encode()) for n in ("own", "both", "book")]
        )
    own, both, book = files
    with owner_engine.begin() as connection:  # the key of the order that the document is of does not matter here
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql(f"insert into cloudsales.supplier_order_file values (1, 'pdf', {book})")
    for reference, file in zip("abc", files, strict=True):
        put(engine, canaries, "operations", reference, "ana@example.invalid", file=file)
    put(engine, canaries, "operations", "b", "ion@example.invalid", file=both)
    erase(engine, person("ana@example.invalid"))
    with engine.connect() as connection:
        assert [read_file(connection, file) is not None for file in files] == [False, True, True]
    erase(engine, person("ion@example.invalid"))
    with engine.connect() as connection:
        assert [read_file(connection, file) is not None for file in files] == [False, False, True]
    assert own < book


def test_each_table_that_keeps_files_is_decided_on_in_an_erasure(owner_engine: Engine) -> None:
    """A new table of documents must be named in privacy.sql, or the files that the law keeps would go with the mail."""
    found = rows(owner_engine, "select conrelid::regclass::text from pg_constraint"
                               " where contype = 'f' and confrelid = 'personal.stored_file'::regclass order by 1")  # fmt: skip
    assert [row[0] for row in found] == [
        "cloudsales.document_file",
        "cloudsales.supplier_order_file",
        "cloudsales.waybill",
        "personal.message_file",
    ]


def test_an_export_holds_the_persons_messages_and_not_who_else_was_told(canaries: Canaries, engine: Engine) -> None:
    market(engine, {"R-1": 5})
    receive(engine, order("FO1", line("R-1"), buyer=Buyer("X", "ana@example.invalid", None, None)))
    with engine.begin() as connection:
        [file] = store_files(connection, [File("factura.pdf", "application/pdf", b"%PDF")])
    put(engine, canaries, "order", "FO1", "ana@example.invalid", file=file)
    put(engine, canaries, "order", "FO1", "shop@example.invalid")
    put(engine, canaries, "order", "FO2", "ion@example.invalid")
    found = export(engine, person("ana@example.invalid"))["messages"]
    assert [(one["reference"], one["recipient"], one["files"]) for one in found] == [
        ("FO1", "ana@example.invalid", ["factura.pdf"]),
        ("FO1", None, []),
    ]
    assert "text to ana@example.invalid" in canaries.seen_in(found[0]["body_text"])
