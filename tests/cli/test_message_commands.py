"""`cloudsales messages …` about orders: told and sent once, previewed without a trace, opted out and in again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.settings import load_settings
from cloudsales_pipeline.simulator.mail import Mailbox, mail_server
from tests.cli.conftest import call
from tests.messages.shop import EVER, sync_rules
from tests.orders.market import line, market, order, receive
from tests.stock.shelf import rows


@pytest.fixture
def box(here: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A shop in the current folder that tells of orders by e-mail and SMS, and its mail server."""
    rules: list[dict[str, Any]] = [{"on": "order_imported"}, {"on": "order_imported", "medium": "sms"}]
    write(here, {"rules": rules, "quiet_hours": None, "max_age": EVER.days * 86400, "email_url_env": "TEST_SMTP_URL"})
    sync_rules(engine, load_settings(here / "cloudsales.yaml"))
    market(engine, {"R-1": 9})
    with mail_server() as box:
        monkeypatch.setenv("TEST_SMTP_URL", box.url)
        yield box


def write(here: Path, messages: dict[str, Any]) -> None:
    file = here / "cloudsales.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "messages": messages}))


def test_i38_send_tells_what_happened_and_sends_it_once(box: Mailbox, engine: Engine) -> None:
    receive(engine, order("FO1", line("R-1")))
    for _ in range(2):
        assert call("messages", "send").exit_code == 0
    assert [to for to, _ in box.mails] == ["ana@example.invalid"]
    assert rows(engine, "select medium, state from personal.message order by 1") == [("email", "sent"), ("sms", "new")]


def test_i46_a_preview_shows_the_message_masks_the_recipient_and_leaves_no_trace(box: Mailbox, engine: Engine) -> None:
    receive(engine, order("FO1", line("R-1")))
    mail = call("messages", "preview", "order_imported", "--order", "fashionup", "FO1")
    assert mail.exit_code == 0
    assert "To: an…@example.invalid\nSubject: Am primit comanda FO1\n\nBună ziua, Ana!\n" in mail.output
    sms = call("messages", "preview", "cancelled", "--order", "fashionup", "FO1", "--medium", "sms", "--language", "en")
    assert sms.output == "To: +407…01\nSMS: 1\n\norder FO1 has been cancelled.\n"
    assert "<html" in call("messages", "preview", "order_imported", "--order", "fashionup", "FO1", "--html").output
    assert rows(engine, "select count(*) from personal.message") == [(0,)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("order_importd", "--order", "fashionup", "FO1"), "did you mean order_imported?"),
        (("order_imported", "--order", "fashionup", "FO9"), "There is no order FO9 of fashionup."),
        (("invoice_issued", "--order", "fashionup", "FO1"), "Order FO1 has no fiscal invoice yet."),
    ],
)
def test_a_preview_of_what_is_not_there_says_so(box: Mailbox, engine: Engine, words: tuple[str, ...], said: str) -> None:
    receive(engine, order("FO1", line("R-1")))
    from cloudsales_pipeline.errors import CloudSalesError

    found = call("messages", "preview", *words).exception
    assert isinstance(found, CloudSalesError)
    assert said in found.message


def test_a_person_opts_out_by_number_and_in_again(box: Mailbox, engine: Engine) -> None:
    assert "Opted out; 0 messages" in call("messages", "opt-out", "0700 000 001").output
    receive(engine, order("FO1", line("R-1")))
    told = call("messages", "tell", "--json")
    assert '"opted_out": 1' in told.output
    assert "Opted in." in call("messages", "opt-in", "+40700000001", "--medium", "sms").output
    assert "Was not opted out." in call("messages", "opt-in", "ana@example.invalid").output
    assert rows(engine, "select count(*) from personal.message_opt_out") == [(0,)]


def test_a_rule_with_a_fault_holds_up_no_message_that_is_due(box: Mailbox, engine: Engine, here: Path) -> None:
    receive(engine, order("FO1", line("R-1")))
    assert call("messages", "tell").exit_code == 0
    write(
        here, {"rules": [{"on": "paid", "template": "nowhere"}], "email_url_env": "TEST_SMTP_URL", "max_age": EVER.days * 86400}
    )
    done = call("messages", "send")
    assert "there is no template ro/nowhere.txt.j2" in str(done.exception)
    assert len(box.mails) == 1
