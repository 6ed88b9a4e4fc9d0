"""The demo's messages to buyers: each step of their orders, by e-mail and SMS, to servers on this machine.

What belongs here: the rules of the demo, and keeping what arrived. What does not: any rule of messages; suppliers' mails are
demo_purchasing's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cloudsales_pipeline.cli.output import detail, print_rows, say

if TYPE_CHECKING:
    import dagster as dg
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.simulator.mail import Mailbox
    from cloudsales_pipeline.simulator.sms import Phones

JOB = "send_messages"
MAIL_VARIABLE, SMS_VARIABLE = "CLOUDSALES_DEMO_MAIL", "CLOUDSALES_DEMO_SMS"
FOLDER = Path("mails") / "buyers"
TEXTS = "sms.txt"
SETTINGS = f"""messages:
  email_url_env: {MAIL_VARIABLE}
  sms_url_env: {SMS_VARIABLE}
  quiet_hours: null # at night the demo's SMS would wait for the morning
  rules:
    - {{on: order_imported, medium: email}}
    - {{on: waiting_for_stock, medium: email}}
    - {{on: invoice_issued, medium: email, attach: [fiscal_invoice]}}
    - {{on: storno_issued, medium: email, attach: [storno]}}
    - {{on: waybill_shipped, medium: email}}
    - {{on: waybill_delivered, medium: sms}}
"""
BY_EVENT = """
    select event, medium, state, coalesce(reason, '') as why, count(*) as messages
    from personal.message where subject_kind = 'order' group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


class Post(NamedTuple):
    """Where mails and SMS arrive."""

    box: Mailbox
    phones: Phones


@contextmanager
def post() -> Iterator[Post]:
    """A mail server and an SMS gateway on free ports of this machine; the settings name the variables with their addresses."""
    from cloudsales_pipeline.simulator.mail import mail_server
    from cloudsales_pipeline.simulator.sms import sms_gateway

    with mail_server() as box, sms_gateway() as phones:
        os.environ[MAIL_VARIABLE], os.environ[SMS_VARIABLE] = box.url, phones.url
        yield Post(box, phones)


def listen(engine: Engine, settings: Settings) -> None:
    """Have what happens to orders noted from now on."""
    from cloudsales_pipeline.messages.telling import sync_rules

    sync_rules(engine, settings)


def tell(instance: dg.DagsterInstance, arrived: Post, folder: Path) -> None:
    """Tell buyers what happened since, and keep what arrived where a person can open it."""
    from cloudsales_pipeline.cli.run import execute

    say(f"Telling buyers what happened to their orders (job {JOB}); {folder / FOLDER} keeps what arrived")
    mails, texts = len(arrived.box.mails), len(arrived.phones.messages)
    for line in execute(instance, JOB, None):
        detail(line)
    _keep(arrived, mails, texts, folder / FOLDER)
    detail(f"{len(arrived.box.mails) - mails} mails and {len(arrived.phones.messages) - texts} SMS arrived")


def show(engine: Engine) -> None:
    """What buyers were told, by event."""
    import sqlalchemy as sa

    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.text(BY_EVENT)).mappings()]
    print_rows(rows, as_json=False, title="What buyers were told of their orders")


def _keep(arrived: Post, mails: int, texts: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    taken = len(list(folder.glob("*.eml")))
    for place, (_, data) in enumerate(arrived.box.mails[mails:], start=taken + 1):
        (folder / f"{place:03d}.eml").write_bytes(data)
    with (folder / TEXTS).open("a", encoding="utf-8") as file:
        file.writelines(f"{number}\t{text}\n" for number, text in arrived.phones.messages[texts:])
