"""Numbers, files and messages: rows of the transaction that they belong to."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.outbox.files import File, read_file, store_files
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from cloudsales_pipeline.outbox.numbering import take_numbers

NOVEMBER = date(2026, 11, 24)


def test_i32_numbers_taken_in_a_transaction_that_is_rolled_back_are_given_out_again(engine: Engine) -> None:
    with engine.connect() as connection:
        assert take_numbers(connection, "supplier_order", "CF", NOVEMBER, 3, yearly=True).first == 1
        connection.rollback()
    with engine.begin() as connection:
        assert take_numbers(connection, "supplier_order", "CF", NOVEMBER, yearly=True).first == 1
        assert take_numbers(connection, "supplier_order", "CF", NOVEMBER, yearly=True).first == 2


def test_i32_f34_a_clock_that_stepped_back_gets_the_date_of_the_last_number(engine: Engine) -> None:
    with engine.begin() as connection:
        take_numbers(connection, "fiscal_invoice", "FU", NOVEMBER, yearly=False)
        assert take_numbers(connection, "fiscal_invoice", "FU", date(2026, 11, 20), yearly=False).dated == NOVEMBER


def test_f36_a_yearly_series_begins_anew_and_another_goes_on(engine: Engine) -> None:
    with engine.begin() as connection:
        for series, yearly in (("CF", True), ("FU", False)):
            take_numbers(connection, "k", series, date(2026, 12, 31), 7, yearly=yearly)
        assert take_numbers(connection, "k", "CF", date(2027, 1, 1), yearly=True).first == 1
        assert take_numbers(connection, "k", "FU", date(2027, 1, 1), yearly=False).first == 8


def test_files_come_back_as_they_were_in_their_order(engine: Engine) -> None:
    files = [File("b.pdf", "application/pdf", b"%PDF-1.7"), File("a.csv", "text/csv", b"\x00\xff")]
    with engine.begin() as connection:
        ids = store_files(connection, files)
        assert [read_file(connection, one) for one in ids] == files
        assert read_file(connection, ids[-1] + 1) is None


def test_i38_the_same_message_to_the_same_recipient_is_there_once_with_its_files(engine: Engine) -> None:
    with engine.begin() as connection:
        files = tuple(
            store_files(connection, [File("cf.pdf", "application/pdf", b"1"), File("cf.xlsx", "application/xlsx", b"2")])
        )
        first = Outgoing("supplier_order", "CF-2026-000001", "ordered", "email", "Ana@Nord.ro", "t", "x", files=files)
        again = Outgoing("supplier_order", "CF-2026-000001", "ordered", "email", " ana@nord.ro ", "t", "x", files=files)
        other = Outgoing("supplier_order", "CF-2026-000001", "ordered", "email", "ion@nord.ro", "t", "x")
        assert len(enqueue(connection, [first, again, other])) == 2
        assert enqueue(connection, [first]) == []
        kept = connection.execute(sa.text("select file_id from personal.message_file order by position")).scalars().all()
        assert tuple(kept) == files
