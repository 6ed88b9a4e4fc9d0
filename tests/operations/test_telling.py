"""Operators are told at once of what can't wait, once a day of the rest, and nothing twice."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cloudsales_pipeline.database.engine import run_script
from cloudsales_pipeline.operations.telling import Told, tell_operators
from cloudsales_pipeline.outbox.sending import send_due
from cloudsales_pipeline.settings import MessageSettings, OperatorSettings, Settings
from cloudsales_pipeline.simulator.mail import mail_server
from tests.operations.planted import BASE, CASES

ZONE = ZoneInfo("Europe/Bucharest")
MORNING = datetime(2026, 11, 24, 7, 0, tzinfo=ZONE)
DEAD = CASES[-2]
REVIEW = "update cloudsales.sales_order set review = '{total_differs}'; delete from cloudsales.document_due"
LOOKED = "update cloudsales.sales_order set review = '{}'; delete from cloudsales.document_due"
FAILED = "insert into cloudsales.failed_job values ('close_day', '', 'r', 'DatabaseError', '2026-11-20 00:00Z', '2026-11-24 00:00Z', 1)"


@pytest.fixture
def watched(watched: Settings) -> Settings:
    """What is told here does not hang on the clock of the database: these days are not its days."""
    return settings_with(watched, severity={"listing_silent": "never", "message_late": "never"})


def sql(engine: Engine, text: str) -> None:
    with engine.begin() as connection:
        run_script(connection, text)


def settings_with(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"operators": settings.operators.model_copy(update=changes)})


def mails(engine: Engine) -> list[tuple[str, str]]:
    """(event, title) of what was queued for operators, in order."""
    with engine.connect() as connection:
        query = "select event, title from personal.message where subject_kind = 'operations' order by message_id"
        return [tuple(row) for row in connection.execute(sa.text(query))]


def body(engine: Engine) -> str:
    """The text of the last one."""
    with engine.connect() as connection:
        query = "select body_text from personal.message where subject_kind = 'operations' order by message_id desc limit 1"
        return str(connection.scalar(sa.text(query)))


def at(hours: float) -> datetime:
    """Hours after the morning of 24 November, 07:00 in Bucharest."""
    return (MORNING.astimezone(UTC) + timedelta(hours=hours)).astimezone(UTC)


def test_what_can_t_wait_is_told_at_once_in_one_mail_and_not_again_while_it_stays_as_it_is(
    engine: Engine, owner_engine: Engine, watched: Settings
) -> None:
    sql(owner_engine, BASE + DEAD.plant + ";" + FAILED)
    told = tell_operators(engine, watched, now=at(0))
    assert (told.alerted, told.digest, told.messages) == (2, False, 1)
    assert mails(engine) == [("alert", "CloudSales: Runs of close_day that failed since it last succeeded: 1 (+1)")]
    assert body(engine) == (
        "Needs a person now\n"
        "- Runs of close_day that failed since it last succeeded: 1\n"
        "  since 2026-11-20 02:00: cloudsales run close_day\n"
        f"- Messages that were given up: 1\n  since {_local(owner_engine)}: cloudsales messages list --state dead\n"
        "\nAll of it: cloudsales status\n"
    )
    for minutes in (1, 2, 30, 59):
        assert tell_operators(engine, watched, now=at(minutes / 60)).messages == 0


def test_what_still_stands_is_told_again_after_a_day_and_what_grew_tenfold_at_once(
    engine: Engine, owner_engine: Engine, watched: Settings
) -> None:
    sql(owner_engine, BASE + FAILED)
    night = settings_with(watched, digest_at=time(23, 59))
    assert tell_operators(engine, night, now=at(-20)).alerted == 1
    sql(engine, "update cloudsales.failed_job set failures = 9")
    assert tell_operators(engine, night, now=at(-19)).alerted == 0
    sql(engine, "update cloudsales.failed_job set failures = 10")
    assert tell_operators(engine, night, now=at(-18)).alerted == 1
    assert tell_operators(engine, night, now=at(5.9)).alerted == 0
    assert tell_operators(engine, night, now=at(6)).alerted == 1


def test_what_came_is_alerted_is_over_in_the_next_digest_and_then_forgotten(
    engine: Engine, owner_engine: Engine, watched: Settings
) -> None:
    sql(owner_engine, BASE + FAILED)
    assert tell_operators(engine, watched, now=at(0)).messages == 1
    sql(engine, "delete from cloudsales.failed_job")
    assert tell_operators(engine, watched, now=at(0.5)).messages == 0
    assert tell_operators(engine, watched, now=at(1)).digest
    assert mails(engine)[1:] == [("digest", "CloudSales, 2026-11-24: 0 open, 0 of them urgent; 1 over")]
    assert "Nothing waits for a person." in body(engine)
    assert "Over since the last digest\n- Runs of close_day that failed since it last succeeded: 1\n" in body(engine)
    for hours in (2, 25, 49):
        assert tell_operators(engine, watched, now=at(hours)).messages == 0
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from cloudsales.operator_notice")) == 0


def test_a_job_that_fails_again_after_it_succeeded_is_told_again_but_not_within_the_hour(
    engine: Engine, owner_engine: Engine, watched: Settings
) -> None:
    sql(owner_engine, BASE + FAILED)
    assert tell_operators(engine, watched, now=at(-6)).alerted == 1
    for minutes in range(5, 60, 10):  # fails, succeeds, fails …
        sql(engine, "delete from cloudsales.failed_job")
        tell_operators(engine, watched, now=at(-6 + minutes / 60))
        sql(engine, FAILED)
        assert tell_operators(engine, watched, now=at(-6 + (minutes + 4) / 60)).alerted == 0
    assert tell_operators(engine, watched, now=at(-5)).alerted == 1
    assert len(mails(engine)) == 2


def test_what_can_wait_is_told_in_the_day_s_digest_and_an_unchanged_digest_is_left_out_for_a_week(
    engine: Engine, owner_engine: Engine, watched: Settings
) -> None:
    sql(owner_engine, BASE + REVIEW)
    days = [tell_operators(engine, watched, now=at(1 + 24 * day)).digest for day in range(9)]
    assert days == [True, False, False, False, False, False, False, True, False]
    sql(engine, REVIEW.replace("total_differs", "revived"))
    assert not tell_operators(engine, watched, now=at(1 + 24 * 9)).digest  # the same count: the same to a reader
    sql(engine, LOOKED)
    assert tell_operators(engine, watched, now=at(1 + 24 * 10)).digest
    assert mails(engine)[-1][1].endswith("0 open, 0 of them urgent; 1 over")


def test_a_digest_goes_out_once_a_day_also_on_the_days_on_which_the_clock_is_changed(
    engine: Engine, owner_engine: Engine, watched: Settings
) -> None:
    sql(owner_engine, BASE + REVIEW)
    early = watched.operators.model_copy(update={"digest_at": time(3, 30), "unchanged_after": timedelta(0)})
    early_settings = watched.model_copy(update={"operators": early})
    sent: list[str] = []
    for first in (datetime(2027, 3, 27, 20, tzinfo=UTC), datetime(2027, 10, 30, 20, tzinfo=UTC)):
        for step in range(0, 36 * 60, 30):  # every half hour, over the night of 28 March, and of 31 October
            now = first + timedelta(minutes=step)
            if now.astimezone(ZONE).hour in (2, 3, 4):
                sent += [f"{now.astimezone(ZONE):%d %H:%M}"] if tell_operators(engine, early_settings, now=now).digest else []
    assert sent == ["28 04:00", "29 03:30", "31 03:30", "01 03:30"]  # on 28 March there is no 03:30


def test_two_who_tell_at_once_tell_once(engine: Engine, owner_engine: Engine, watched: Settings) -> None:
    sql(owner_engine, BASE + FAILED + ";" + REVIEW)
    both, told = threading.Barrier(2), list[Told]()

    def tell() -> None:
        both.wait(5)
        told.append(tell_operators(engine, watched, now=at(1)))

    threads = [threading.Thread(target=tell) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(one.messages for one in told) == [0, 2]
    assert [event for event, _ in mails(engine)] == ["alert", "digest"]


def test_each_operator_gets_a_mail_and_each_telephone_a_short_message(
    engine: Engine, owner_engine: Engine, watched: Settings
) -> None:
    sql(owner_engine, BASE + FAILED + ";" + REVIEW)
    more = {"emails": ("a@magazin.ro", "b@magazin.ro"), "phones": ("+40721000222",), "language": "ro"}
    assert tell_operators(engine, settings_with(watched, **more), now=at(1)).messages == 5
    assert sorted({event for event, _ in mails(engine)}) == ["alert", "digest"]
    with engine.connect() as connection:
        texts = connection.scalars(sa.text("select body_text from personal.message where medium = 'sms'")).all()
        html = connection.scalar(sa.text("select body_html from personal.message where event = 'digest' limit 1"))
    assert texts == ["CloudSales: Rulări eșuate ale close_day de la ultima reușită: 1 - cloudsales status"]
    assert "<h3>În așteptare: Comenzi</h3><ul><li>Comenzi la care trebuie să se uite cineva: 1<br><code>din " in html


def test_an_alert_leaves_by_the_outbox_as_a_mail_of_one_subject_line_with_text_and_html(
    engine: Engine, owner_engine: Engine, watched: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(owner_engine, BASE + FAILED)
    assert tell_operators(engine, watched, now=at(0)).alerted == 1
    with mail_server() as box:
        monkeypatch.setenv("TEST_SMTP_URL", box.url)
        ways = MessageSettings(email_url_env="TEST_SMTP_URL")
        assert [send_due(engine, ways, seconds=10).sent for _ in range(2)] == [1, 0]
        mail = message_from_bytes(box.mails[0][1], policy=default)
    assert mail["To"] == "operator@magazin.ro"
    assert mail["Subject"] == "CloudSales: Runs of close_day that failed since it last succeeded: 1"
    assert "cloudsales run close_day" in mail.get_body(("plain",)).get_content()
    assert "<code>since 2026-11-20 02:00: cloudsales run close_day</code>" in mail.get_body(("html",)).get_content()


def test_where_nobody_is_named_nothing_is_written(engine: Engine, owner_engine: Engine, watched: Settings) -> None:
    sql(owner_engine, BASE + FAILED)
    told = tell_operators(engine, watched.model_copy(update={"operators": OperatorSettings()}), now=at(1))
    assert (len(told.reading.findings), told.messages, mails(engine)) == (1, 0, [])
    assert tell_operators(engine, watched, now=at(1)).messages == 2  # named later: told then


def test_i46_nothing_that_operators_read_names_a_buyer(engine: Engine, owner_engine: Engine, watched: Settings) -> None:
    sql(owner_engine, BASE + DEAD.plant + ";" + REVIEW)
    sql(owner_engine, "insert into cloudsales.quarantine (stage, channel, reference, reason, detail)"
        " values ('orders', 'fashionup', 'FO-9', 'missing_buyer', '{\"name\": \"Ana Canar\"}')")  # fmt: skip
    assert tell_operators(engine, watched, now=at(1)).messages == 2
    with engine.connect() as connection:
        written = [
            str(row)
            for table in ("personal.message where subject_kind = 'operations'", "cloudsales.operator_notice")
            for row in connection.execute(sa.text(f"select * from {table}"))
        ]
    assert len(written) == 5
    assert not [row for row in written for canary in ("Canar", "canar", "0721000111") if canary in row]


def _local(engine: Engine) -> str:
    with engine.connect() as connection:
        since: datetime = connection.execute(
            sa.text("select min(created_at) from personal.message where state = 'dead'")
        ).scalar_one()
    return f"{since.astimezone(ZONE):%Y-%m-%d %H:%M}"


def test_a_source_that_can_t_be_read_is_not_said_to_be_over(engine: Engine, owner_engine: Engine, watched: Settings) -> None:
    sql(owner_engine, BASE + FAILED)
    assert tell_operators(engine, watched, now=at(0)).alerted == 1
    sql(owner_engine, "alter table cloudsales.failed_job rename to failed_job_away")
    told = tell_operators(engine, watched, now=at(1))
    assert (told.reading.unread, told.digest) == ({"run_failed": "UndefinedTable"}, False)
    sql(owner_engine, REVIEW)
    assert tell_operators(engine, watched, now=at(25)).digest
    assert body(engine).endswith("Could not be read\n- run_failed\n\nAll of it: cloudsales status\n")
    assert "Over since" not in body(engine)
