"""Messages that leave: a real server, real claims, and what is known of each message at the end."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from cloudsales_pipeline.database.engine import create_engine
from cloudsales_pipeline.outbox.deciding import retry
from cloudsales_pipeline.outbox.gateways import Answer, Envelope, Outcome
from cloudsales_pipeline.outbox.mail import MailGateway
from cloudsales_pipeline.outbox.mail import mail_server as server_of
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from cloudsales_pipeline.outbox.sending import send_due
from cloudsales_pipeline.settings.messages import MessageSettings
from cloudsales_pipeline.simulator.mail import Mailbox, mail_server

SETTINGS = MessageSettings(attempts=2)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


def way(box: Mailbox, **limits: float) -> MailGateway:
    return MailGateway(server_of(box.url, None), **limits)  # type: ignore[arg-type]


def put(engine: Engine, *recipients: str, title: str = "t") -> list[int]:
    with engine.begin() as connection:
        return enqueue(connection, [Outgoing("order", str(n), "e", "email", to, title, "x") for n, to in enumerate(recipients)])


def states(engine: Engine) -> list[tuple[str, str | None, int]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select state, reason, attempts from personal.message order by message_id"))
        return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_mail_is_sent_a_4xx_waits_a_5xx_is_dead_on_one_connection(engine: Engine, box: Mailbox) -> None:
    box.answers = {"later@x.ro": "451 4.2.1 later@x.ro is full", "nobody@x.ro": "550 5.1.1 <nobody@x.ro> unknown"}
    put(engine, "nobody@x.ro", "later@x.ro", "ana@x.ro")
    done = send_due(engine, SETTINGS, gateways={"email": way(box)})
    assert (done.sent, done.again, done.dead, done.unknown) == (1, 1, 1, 0)
    assert states(engine) == [("dead", "refused", 1), ("new", "refused_for_now", 1), ("sent", None, 1)]
    assert ([to for to, _ in box.mails], box.connections) == (["ana@x.ro"], 1)
    with engine.begin() as connection:
        answers = " ".join(filter(None, connection.scalars(sa.text("select answer from personal.message"))))
        assert "@" not in answers
        connection.exec_driver_sql("update personal.message set due_at = now() where state = 'new'")
    assert send_due(engine, SETTINGS, gateways={"email": way(box)}).dead == 1


def test_i38_a_connection_lost_after_the_data_leaves_unknown_and_only_a_person_sends_again(engine: Engine, box: Mailbox) -> None:
    box.drop_after_data = True
    ids = put(engine, "ana@x.ro")
    assert send_due(engine, SETTINGS, gateways={"email": way(box)}).unknown == 1
    box.drop_after_data = False
    send_due(engine, SETTINGS, gateways={"email": way(box)})
    assert (states(engine), len(box.mails)) == ([("unknown", "no_answer", 1)], 1)
    assert retry(engine, ids) == ids
    assert send_due(engine, SETTINGS, gateways={"email": way(box)}).sent == 1
    first, second = (data.split(b"Message-ID: ")[1].split(b"\r\n")[0] for _, data in box.mails)
    assert first == second


@pytest.mark.timeout(20)
def test_f05_a_server_that_drips_is_left_at_the_deadline(engine: Engine, box: Mailbox) -> None:
    box.drip = 0.05
    put(engine, "ana@x.ro")
    begun = time.monotonic()
    assert send_due(engine, SETTINGS, gateways={"email": way(box, exchange_seconds=0.5)}).unknown == 1
    assert time.monotonic() - begun < 10


def test_a_line_break_in_title_or_address_makes_no_header(engine: Engine, box: Mailbox) -> None:
    put(engine, "ana@x.ro", "ion@x.ro\r\nBcc: all@x.ro", title="a\r\nBcc: evil@x.ro")
    done = send_due(engine, SETTINGS, gateways={"email": way(box)})
    assert (done.sent, done.dead) == (1, 1)
    ((to, data),) = box.mails
    assert to == "ana@x.ro"
    assert b"\r\nBcc:" not in data


def test_no_server_costs_a_message_no_attempt_and_nothing_fails(engine: Engine) -> None:
    put(engine, "ana@x.ro", "ion@x.ro")
    assert send_due(engine, SETTINGS).no_gateway == 2
    gone = MailGateway(server_of(Mailbox(port=9).url, None))
    assert send_due(engine, SETTINGS, gateways={"email": gone}).again == 2
    assert states(engine) == [("new", "unreachable", 0)] * 2


def test_i38_two_senders_at_once_send_each_message_once(engine: Engine, box: Mailbox) -> None:
    put(engine, *(f"p{n}@x.ro" for n in range(60)))
    senders = [threading.Thread(target=send_due, args=(engine, SETTINGS), kwargs={"gateways": {"email": way(box)}}) for _ in "ab"]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    assert Counter(to for to, _ in box.mails) == {f"p{n}@x.ro": 1 for n in range(60)}
    assert {state for state, _, _ in states(engine)} == {"sent"}


class Deadly:
    """Sends through a server, and dies at the n-th message, once it is out."""

    def __init__(self, inner: MailGateway, dies_at: int) -> None:
        self.inner, self.left = inner, dies_at

    def send(self, envelope: Envelope) -> Answer:
        answer = self.inner.send(envelope)
        self.left -= 1
        if self.left == 0 and answer.outcome is Outcome.SENT:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    def close(self) -> None:
        self.inner.close()


def killed(url: URL, box: Mailbox, dies_at: int) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            send_due(create_engine(url), SETTINGS, gateways={"email": Deadly(way(box), dies_at)})
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.timeout(60)
def test_i38_a_storm_with_killed_senders_sends_nothing_twice_and_accounts_for_all(
    engine: Engine, database_url: URL, box: Mailbox
) -> None:
    put(engine, *(f"p{n}@x.ro" for n in range(300)))
    kills = sum(killed(database_url, box, 1 + 7 * n % 40) for n in range(10))
    send_due(engine, SETTINGS, gateways={"email": way(box)})
    time.sleep(0.1)  # a killed sender's session ends a moment later
    send_due(engine, SETTINGS, gateways={"email": way(box)})
    assert kills == 10
    assert max(Counter(to for to, _ in box.mails).values()) == 1
    found = Counter((state, reason) for state, reason, _ in states(engine))
    assert set(found) == {("sent", None), ("unknown", "killed_while_sending")}
    assert found[("unknown", "killed_while_sending")] == kills  # the one that each had begun
    assert found.total() == 300


@pytest.mark.timeout(30)
def test_i38_a_sender_killed_amid_its_claims_leaves_one_unknown_and_gives_the_others_back_untried(
    engine: Engine, database_url: URL, box: Mailbox
) -> None:
    put(engine, *(f"p{n}@x.ro" for n in range(8)))
    assert killed(database_url, box, 3)
    deadline = time.monotonic() + 5
    while send_due(engine, SETTINGS, gateways={}).left_behind == 0 and time.monotonic() < deadline:
        time.sleep(0.02)  # the killed sender's session ends a moment later
    assert Counter(states(engine)) == {
        ("sent", None, 1): 2,
        ("unknown", "killed_while_sending", 1): 1,
        ("new", None, 0): 5,
    }
    assert send_due(engine, SETTINGS, gateways={"email": way(box)}).sent == 5
    assert Counter(to for to, _ in box.mails) == {f"p{n}@x.ro": 1 for n in range(8)}
