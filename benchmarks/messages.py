"""Messages: what happened becomes mails, and they leave through a mail server on this machine, each once.

Sending is measured against the bare loop of the same mails: one connection of smtplib's to the same server, each mail made and
handed over, nothing written down. It would send all of them again after a crash.
"""

from __future__ import annotations

import smtplib
from collections import Counter
from datetime import timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.mail_server import Served, serving
from benchmarks.measure import Cost, Report, measured, median_cost
from benchmarks.server import Server, analyse
from cloudsales_pipeline.database.engine import run_script
from cloudsales_pipeline.messages.telling import TellResult, sync_rules, tell
from cloudsales_pipeline.outbox.gateways import Envelope
from cloudsales_pipeline.outbox.letters import compose
from cloudsales_pipeline.outbox.mail import MailGateway, mail_server
from cloudsales_pipeline.outbox.sending import Sent, send_due
from cloudsales_pipeline.settings import ChannelSettings, CompanySettings, MessageSettings, Settings
from cloudsales_pipeline.simulator.mail import Mailbox

ORDERS = {"quick": 40, "usual": 500, "full": 5_000}
ROUNDS = {"quick": 1, "usual": 3, "full": 5}


def run(server: Server, report: Report, size: str) -> None:
    """Sending costs at most twice the bare loop of the same mails; a first import of old orders writes nothing."""
    orders = ORDERS[size]
    report.begin("messages", f"{orders:,} orders come in, and each buyer gets a mail")
    settings = settings_of()
    costs: dict[str, list[Cost]] = {"bare loop": [], "tell": [], "send": []}
    mail_server(Mailbox(port=9).url, None)  # apprise is loaded once, when a process opens its first gateway
    with serving() as box:
        for number in range(ROUNDS[size]):
            with server.database(f"bench_messages_{number}") as engine:
                sync_rules(engine, settings)
                fill(engine, orders)
                cost, told = measured(server, partial(tell, engine, settings))
                costs["tell"].append(cost)
                mails = envelopes(engine)
                costs["bare loop"].append(measured(server, partial(bare, box, mails))[0])
                box.taken()
                cost, sent = measured(server, partial(send, engine, settings, box))
                costs["send"].append(cost)
                check(report, told, sent, box.taken(), orders)
    found = {name: median_cost(some) for name, some in costs.items()}
    for name, cost in found.items():
        report.cost(name, cost)
    report.figure("happenings told a second", orders / found["tell"].wall)
    report.figure("mails sent a second", orders / found["send"].wall)
    report.at_least("mails a second / bare loop of the same mails", 0.5, found["bare loop"].wall / found["send"].wall)


def settings_of() -> Settings:
    """A shop that tells buyers of their orders, whenever these were placed."""
    rules = {"rules": [{"on": "order_imported"}], "max_age": timedelta(days=3), "quiet_hours": None}
    return Settings(
        company=CompanySettings(name="Atelier Fictiv SRL", email="comenzi@example.ro"),
        channels={"fashionup": ChannelSettings(kind="fashionup", url="http://127.0.0.1:9/v1")},
        messages=MessageSettings.model_validate(rules),
    )


def fill(engine: Engine, orders: int) -> None:
    """Orders with two lines each and a buyer of their own; ten times as many old ones, of which nothing is told."""
    with engine.begin() as connection:
        run_script(connection, _FILL.replace("{orders}", str(orders)))
    analyse(engine)


def envelopes(engine: Engine) -> list[Envelope]:
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "select message_id, created_at, recipient, title, body_text, body_html from personal.message order by message_id"
            )
        )
        return [Envelope(*row) for row in rows]


def bare(box: Served, mails: list[Envelope]) -> None:
    """Make each mail and hand it over."""
    with smtplib.SMTP("127.0.0.1", box.port) as smtp:
        for mail in mails:
            letter = compose(mail, "magazin@example.ro")
            smtp.sendmail(letter.sender, [letter.recipient], letter.data)


def send(engine: Engine, settings: Settings, box: Served) -> Sent:
    gateway = MailGateway(mail_server(box.url, None), per_connection=settings.messages.batch)
    try:
        return send_due(engine, settings.messages, seconds=600, gateways={"email": gateway})
    finally:
        gateway.close()


def check(report: Report, told: TellResult, sent: Sent, taken: Counter[str], orders: int) -> None:
    report.correct(
        f"{orders:,} happenings became {orders:,} messages, {10 * orders:,} old orders none; each mail was taken once",
        (told.queued, sent.sent, len(taken), set(taken.values())) == (orders, orders, orders, {1}),
    )


_FILL = """
insert into cloudsales.sales_order (channel, external_id, revision, status, channel_status, placed_at, changed_at, payment_method,
    payment_status, delivery_method, currency, delivery_price, discount, total, expected_total, warehouses)
select 'fashionup', 'O' || n, 1, 'new', 'new', now() - case when n <= {orders} then interval '1 hour' else interval '30 days' end, now(),
       'cash_on_delivery', 'pending', 'courier', 'RON', 0, 0, 100, 100, array['CENTRAL']
from generate_series(1, 11 * {orders}) n;
insert into cloudsales.sales_order_line (order_id, external_line_id, position, owner, variant_id, name, quantity, unit_price, placed_at)
select order_id, l::text, l, 'fashionup/' || external_id || '/' || l, 'v', 'Rochie midi din in', 1, 50, placed_at
from cloudsales.sales_order cross join generate_series(1, 2) l;
insert into personal.buyer (order_id, name, email, delivery)
select order_id, 'Ana Exemplu', 'ana' || order_id || '@example.ro', '{}' from cloudsales.sales_order;
"""
