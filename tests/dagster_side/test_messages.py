"""Messages in Dagster: the sensor starts sending where there is something and a way out, the job sends once, checks turn red by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Engine

from cloudsales_pipeline.messages.quality import check_messages
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from cloudsales_pipeline.settings import MessageSettings
from cloudsales_pipeline.simulator.mail import Mailbox, mail_server
from tests.orders.market import line, market, order, receive

if TYPE_CHECKING:
    import dagster as dg

WHO = "ana.canar@example.ro"


@pytest.fixture
def box(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    content = yaml.safe_load(config_file.read_text())
    content["messages"] = {"email_url_env": "TEST_SMTP_URL"}
    config_file.write_text(yaml.safe_dump(content))
    with mail_server() as box:
        monkeypatch.setenv("TEST_SMTP_URL", box.url)
        yield box


def put(engine: Engine, how_many: int = 1, event: str = "told") -> None:
    with engine.begin() as connection:
        enqueue(connection, [Outgoing("order", str(n), event, "email", WHO, "Comanda", "Bună") for n in range(how_many)])


def look(instance: dg.DagsterInstance) -> Any:
    import dagster as dg

    from cloudsales_pipeline.resources.project import Project
    from cloudsales_pipeline.sensors.messages import messages_due

    return messages_due(dg.build_sensor_context(instance=instance), project=Project())


def test_the_sensor_starts_sending_only_where_something_is_due_and_there_is_a_way_out(
    box: Mailbox, engine: Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    assert look(instance).skip_message == "nothing is due"
    put(engine)
    assert isinstance(look(instance), dg.RunRequest)
    monkeypatch.delenv("TEST_SMTP_URL")
    assert "nothing is set up for email" in look(instance).skip_message


def test_i38_i46_the_job_sends_once_and_its_page_names_nobody(
    box: Mailbox, engine: Engine, instance: dg.DagsterInstance, defs: dg.Definitions, capfd: pytest.CaptureFixture[str]
) -> None:
    put(engine, 3)
    for sent in (3, 0):
        ran = defs.resolve_job_def("send_messages").execute_in_process(instance=instance)
        assert ran.success
        told = ran.asset_materializations_for_node("messages")[0].metadata
        assert told["sent"].value == sent
    assert len(box.mails) == 3
    events = "\n".join(str(entry) for entry in instance.all_logs(ran.run_id))
    out, err = capfd.readouterr()
    assert WHO not in events + out + err
    assert {evaluation.passed for evaluation in ran.get_asset_check_evaluations()} == {True}


def test_what_waits_too_long_fails_too_often_or_lies_unclear_turns_its_check_red(engine: Engine) -> None:
    put(engine, 12)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update personal.message set state = case when external_id::integer < 1 then 'unknown' when external_id::integer < 2"
                " then 'dead' when external_id::integer < 11 then 'sent' else 'new' end,"
                " sent_at = case when external_id::integer between 2 and 10 then now() end,"
                " claimed_at = now() - interval '5 hours', due_at = now() - interval '16 minutes'"
            )
        )
    faults = {result.rule: result.offending_rows for result in check_messages(engine, MessageSettings())}
    assert faults == {"what_happened_is_told": 0, "messages_leave_in_time": 1, "few_messages_fail": 1, "nothing_unclear_lies": 1}
    patient = MessageSettings(waits_at_most=timedelta(minutes=20), unclear_at_most=timedelta(hours=6), failed_share=0.2)
    assert all(result.passed for result in check_messages(engine, patient))


def test_what_happened_to_an_order_wakes_the_sensor_and_the_job_tells_and_sends_it(
    box: Mailbox, config_file: Path, engine: Engine, instance: dg.DagsterInstance, defs: dg.Definitions
) -> None:
    import dagster as dg

    content = yaml.safe_load(config_file.read_text())
    content["messages"] |= {"rules": [{"on": "order_imported"}], "max_age": 36500 * 86400}
    config_file.write_text(yaml.safe_dump(content))
    assert isinstance(look(instance), dg.RunRequest)  # the triggers don't know the rules yet
    defs.resolve_job_def("send_messages").execute_in_process(instance=instance)
    assert look(instance).skip_message == "nothing is due"
    market(engine, {"R-1": 1})
    receive(engine, order("FO1", line("R-1")))
    assert isinstance(look(instance), dg.RunRequest)
    ran = defs.resolve_job_def("send_messages").execute_in_process(instance=instance)
    found = ran.asset_materializations_for_node("messages")[0].metadata
    assert (found["told"].value, found["not_told"].value, found["sent"].value) == (1, 0, 1)
    assert look(instance).skip_message == "nothing is due"
