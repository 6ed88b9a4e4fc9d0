"""SMS through a gateway that behaves badly: none goes out twice without a person's word (I-38)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from cloudsales_pipeline.outbox.sending import send_due
from cloudsales_pipeline.outbox.sms import HttpGateway
from cloudsales_pipeline.settings.messages import MessageSettings
from cloudsales_pipeline.simulator.sms import Phones, sms_gateway
from tests.stock.shelf import rows

SETTINGS = MessageSettings(attempts=3)
ANA, ION = "+40722000001", "+40722000002"


@pytest.fixture
def phones() -> Iterator[Phones]:
    with sms_gateway() as phones:
        yield phones


def sent(engine: Engine, url: str, seconds: float = 5) -> list[tuple[object, ...]]:
    """Everything is due, and is sent through that address; (recipient, state, reason)."""
    with engine.begin() as connection:
        connection.execute(sa.text("update personal.message set due_at = now() where state = 'new'"))
    send_due(engine, SETTINGS, gateways={"sms": HttpGateway(url, seconds=seconds)})
    return rows(engine, "select recipient, state, reason from personal.message order by message_id")


def put(engine: Engine, *numbers: str) -> None:
    with engine.begin() as connection:
        enqueue(connection, [Outgoing("order", str(n), "e", "sms", to, "", "Comanda a plecat") for n, to in enumerate(numbers)])


def test_i38_a_gateway_that_fails_after_its_work_leaves_unknown_where_it_cannot_tell_messages_apart(
    engine: Engine, phones: Phones
) -> None:
    phones.fails_after = 1
    put(engine, ANA, ION)
    for _ in range(2):
        assert sent(engine, phones.url_without_reference) == [(ANA, "unknown", "no_answer"), (ION, "sent", None)]
    assert phones.messages == [(ANA, "Comanda a plecat"), (ION, "Comanda a plecat")]


def test_i38_a_gateway_that_knows_the_reference_is_asked_again_and_sends_no_second_one(engine: Engine, phones: Phones) -> None:
    phones.fails_after = 1
    put(engine, ANA)
    assert sent(engine, phones.url) == [(ANA, "new", "refused_for_now")]
    assert sent(engine, phones.url) == [(ANA, "dead", "refused")]  # 409: a person sees that it knows it
    assert len(phones.messages) == 1


def test_i38_a_gateway_that_hangs_up_or_is_too_slow_after_its_work_leaves_unknown(engine: Engine, phones: Phones) -> None:
    phones.silent_after = 1
    put(engine, ANA, ION)
    assert sent(engine, phones.url) == [(ANA, "unknown", "no_answer"), (ION, "sent", None)]
    put(engine, "", "", "+40722000003")
    phones.slow = 1.0
    assert sent(engine, phones.url, seconds=0.2)[-1] == ("+40722000003", "unknown", "no_answer")
    assert len(phones.messages) == 3


def test_a_number_that_the_gateway_refuses_holds_up_no_other(engine: Engine, phones: Phones) -> None:
    phones.refuses = {ANA: 422}
    put(engine, ANA, ION)
    assert sent(engine, phones.url) == [(ANA, "dead", "refused"), (ION, "sent", None)]
