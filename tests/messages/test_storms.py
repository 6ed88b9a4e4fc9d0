"""Everything at once: two tellers that are killed, papers that come late, buyers who mean harm, an outbox that is read back."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.channels.port import Buyer
from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.documents.issuing import issue_due
from cloudsales_pipeline.documents.papers import make_missing
from cloudsales_pipeline.messages import telling as stage
from cloudsales_pipeline.messages.quality import check_messages
from cloudsales_pipeline.messages.telling import tell
from cloudsales_pipeline.outbox.deciding import retry
from cloudsales_pipeline.outbox.mail import MailGateway
from cloudsales_pipeline.outbox.mail import mail_server as server_of
from cloudsales_pipeline.outbox.sending import send_due
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.simulator.mail import mail_server
from tests.documents.office import NOON, ON_STOCK, office
from tests.messages.shop import happenings, messages, telling, texts, told
from tests.orders.market import line, market, order, receive
from tests.stock.shelf import rows

ORDERS = 120


def teller(url: URL, settings: Settings, dies_at: int) -> int:
    """A process that tells in batches of 10 and dies within its `dies_at`-th statement; its id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            stage.BATCH = 10
            engine = create_engine(url)
            left = [dies_at]

            def count(*_: object) -> None:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            sa.event.listen(engine, "after_cursor_execute", count)
            tell(engine, settings)
        finally:
            os._exit(0)
    return pid


@pytest.mark.timeout(60)
def test_i38_a_storm_with_tellers_killed_anywhere_tells_each_thing_once(
    engine: Engine, database_url: URL, settings: Settings
) -> None:
    shop = telling(
        engine, settings, {"on": "order_imported"}, {"on": "order_imported", "medium": "sms"}, {"on": "cancelled"}, per_day=1000
    )
    market(engine, {"R-1": 999})
    receive(engine, *(order(f"FO{n:03}", line("R-1"), minutes=n) for n in range(ORDERS)))
    receive(engine, *(order(f"FO{n:03}", line("R-1"), minutes=n, revision=2, status="cancelled") for n in range(0, ORDERS, 4)))
    killed = 0
    for n in range(6):
        pair = [teller(database_url, shop, 4 + 2 * n), teller(database_url, shop, 5 + 2 * n)]
        killed += sum(os.WIFSIGNALED(os.waitpid(pid, 0)[1]) for pid in pair)
    assert killed == 12
    deadline = time.monotonic() + 10
    while happenings(engine) and time.monotonic() < deadline:
        tell(engine, shop)  # a killed teller's session ends a moment later
    found = messages(engine)
    assert Counter((event, medium) for _, event, medium, _, _ in found) == {
        ("order_imported", "email"): ORDERS, ("order_imported", "sms"): ORDERS, ("cancelled", "email"): ORDERS // 4,
    }  # fmt: skip
    assert len({(of, event, medium) for of, event, medium, _, _ in found}) == len(found)
    assert {state for of, event, _, state, _ in found if event == "order_imported" and int(of[2:]) % 4 == 0} == {"skipped"}
    assert {state for of, _, _, state, _ in found if int(of[2:]) % 4} == {"new"}


def test_an_invoice_is_told_with_its_pdf_once_that_is_made(engine: Engine, settings: Settings) -> None:
    rule = {"on": "invoice_issued", "attach": ["fiscal_invoice"]}
    shop = telling(engine, office(settings, ON_STOCK), rule, {"on": "invoice_issued", "medium": "sms"})
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)))
    assert issue_due(engine, shop, now=NOON).fiscal_invoices == 1
    done = tell(engine, shop)
    assert (done.queued, done.waiting) == (1, 1)  # the SMS has no need to wait
    assert rows(engine, "select reason from cloudsales.happening") == [("file_missing",)]
    assert make_missing(engine, shop) == 1
    tell(engine, shop, now=datetime.now(UTC) + timedelta(minutes=2))
    assert [(medium, state) for _, _, medium, state, _ in messages(engine)] == [("sms", "new"), ("email", "new")]
    with mail_server() as box:
        assert send_due(engine, shop.messages, gateways={"email": MailGateway(server_of(box.url, None))}).sent == 1
    mail = message_from_bytes(box.mails[0][1], policy=policy.default)
    assert mail["Subject"] == "Factura FU 1 pentru comanda FO1"
    (pdf,) = mail.iter_attachments()  # type: ignore[attr-defined]
    assert (pdf.get_filename(), pdf.get_content()[:5]) == ("FU-1.pdf", b"%PDF-")
    html = mail.get_body(("html",)).get_content()  # type: ignore[attr-defined]
    assert "Documentul este atașat" in mail.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    assert '<html lang="ro">' in html
    assert "Bună ziua, Ana!" in html


def test_a_file_that_never_comes_holds_the_message_up_for_a_while_only(engine: Engine, settings: Settings) -> None:
    rule = {"on": "invoice_issued", "attach": ["fiscal_invoice"]}
    shop = telling(engine, office(settings, ON_STOCK), rule, attach_wait=timedelta(minutes=30))
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)))
    issue_due(engine, shop, now=NOON)
    assert tell(engine, shop).waiting == 1
    assert told(engine, shop, now=datetime.now(UTC) + timedelta(minutes=31)) == [("FO1", "invoice_issued", "email", "new", None)]
    assert "atașat" not in texts(engine)[0][2]


def test_files_that_are_too_large_together_leave_the_message_to_a_person(engine: Engine, settings: Settings) -> None:
    rule = {"on": "invoice_issued", "attach": ["fiscal_invoice"]}
    shop = telling(engine, office(settings, ON_STOCK), rule, attach_bytes=100)
    market(engine, {"R-1": 3})
    receive(engine, order("FO1", line("R-1", 2)))
    issue_due(engine, shop, now=NOON)
    make_missing(engine, shop)
    assert told(engine, shop) == [("FO1", "invoice_issued", "email", "skipped", "attachments_too_large")]


def test_i48_a_buyer_who_means_harm_gets_a_plain_mail(engine: Engine, settings: Settings) -> None:
    shop = telling(engine, settings, {"on": "order_imported"})
    market(engine, {"R-1": 9})
    receive(
        engine,
        order("FO1\r\nBcc: all@x.ro", line("R-1"), buyer=Buyer("{{7*7}}\r\nBcc: all@x.ro", "ana@x.ro", None, None)),
        order("FO2", line("R-1"), minutes=1, buyer=Buyer("Ana", "ana@x.ro\r\nBcc: all@x.ro", None, None)),
        order("FO3", line("R-1"), minutes=2, buyer=Buyer("Ștefan Țânțar", "ștefan@exemplu.ro", None, None)),
    )
    tell(engine, shop)
    with mail_server() as box:
        assert send_due(engine, shop.messages, gateways={"email": MailGateway(server_of(box.url, None))}).sent == len(box.mails)
    seen = {to: message_from_bytes(data, policy=policy.default) for to, data in box.mails}
    assert {to for to in seen if to != "ștefan@exemplu.ro"} <= {"ana@x.ro"}
    assert "Bună ziua, Ștefan!" in seen["ștefan@exemplu.ro"].get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    for mail in seen.values():
        assert mail["Bcc"] is None
        assert "49" not in mail.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    assert ("FO2", "order_imported", "email", "skipped", "address_invalid") in messages(engine)


def test_a_template_that_fails_for_one_order_waits_holds_up_no_other_and_is_mended(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "ro").mkdir()
    file = tmp_path / "ro" / "order_imported.txt.j2"
    file.write_text("Comanda\n\n{% if buyer_first_name == 'Ion' %}{{ 1 + buyer_name }}{% endif %}{{ order_number }}")
    shop = telling(engine, settings, {"on": "order_imported"}, templates=tmp_path)
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1"), buyer=Buyer("Ion", "ion@x.ro", None, None)), order("FO2", line("R-1"), minutes=1))
    assert tell(engine, shop).waiting == 1
    assert [text for _, _, text in texts(engine)] == ["FO2"]
    late = shop.messages.model_copy(update={"waits_at_most": timedelta(0)})
    assert {one.rule: one.offending_rows for one in check_messages(engine, late)}["what_happened_is_told"] == 1
    file.write_text("Comanda\n\n{{ order_number }}")
    tell(engine, shop, now=datetime.now(UTC) + timedelta(minutes=11))
    assert ([text for _, _, text in texts(engine)], happenings(engine)) == (["FO2", "FO1"], [])


def test_an_sms_of_ten_kilobytes_is_not_sent_until_a_person_says_so(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "ro").mkdir()
    (tmp_path / "ro" / "order_imported.sms.j2").write_text("ă" * 10_000)
    shop = telling(engine, settings, {"on": "order_imported", "medium": "sms"}, templates=tmp_path)
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1")))
    assert tell(engine, shop).skipped == {"sms_too_long": 1}
    assert texts(engine)[0][2] == "a" * 10_000
    (message,) = rows(engine, "select message_id from personal.message")
    assert retry(engine, list(message)) == list(message)


@pytest.mark.timeout(30)
def test_i49_telling_waits_for_an_erasure_under_way_and_then_finds_the_buyer_erased(
    engine: Engine, owner_engine: Engine, settings: Settings
) -> None:
    shop = telling(engine, settings, {"on": "order_imported"})
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1")))
    teller = threading.Thread(target=tell, args=(engine, shop))
    with engine.begin() as erasure:
        erasure.exec_driver_sql(
            "select order_id from cloudsales.sales_order for update"
        )  # as privacy does, before it looks for messages
        teller.start()
        deadline = time.monotonic() + 10
        while not rows(
            owner_engine, "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        erasure.exec_driver_sql("update personal.buyer set name = '(erased)', email = null, erased_at = now()")
    teller.join(10)
    assert rows(engine, "select recipient, reason, body_text from personal.message") == [(None, "erased", "")]


def test_what_is_rolled_back_has_not_happened(engine: Engine, settings: Settings) -> None:
    telling(engine, settings, {"on": "cancelled"})
    market(engine, {"R-1": 9})
    receive(engine, order("FO1", line("R-1")))
    with engine.connect() as connection:
        connection.exec_driver_sql("update cloudsales.sales_order set status = 'cancelled'")
        assert connection.exec_driver_sql("select event from cloudsales.happening").scalars().all() == ["cancelled"]
        connection.rollback()
    assert happenings(engine) == []
