"""The demo's documents: invoices and waybills issue themselves, parcels travel, one buyer sends a parcel back.

What belongs here: the steps and what they left behind. What does not: any rule of documents, and the simulated couriers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloudsales_pipeline.cli import demo_stock
from cloudsales_pipeline.cli.output import detail, print_rows, say

if TYPE_CHECKING:
    import dagster as dg
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.simulator.couriers import RunningCouriers

FOLDER = "documents"
E_INVOICES = "e-invoices"
JOB = "issue_documents"
USER_VARIABLE, PASSWORD_VARIABLE = "CLOUDSALES_DEMO_COURIER_USER", "CLOUDSALES_DEMO_COURIER_PASSWORD"
RETURN = "DEMO-RETURN"
PAID_OR_AT_THE_DOOR = "fully_reserved and (paid or payment_method == 'cash_on_delivery')"
RULES = (
    ("fiscal_invoice", PAID_OR_AT_THE_DOOR, "all is there, and paid or paid at the door", ""),
    ("proforma_invoice", "payment_method == 'bank_transfer' and not paid", "to be paid by transfer", ""),
    ("waybill", "has_fiscal_invoice and delivery_method == 'locker'", "invoiced, to a locker", "sameday"),
    ("waybill", "has_fiscal_invoice and delivery_method == 'courier'", "invoiced, to the door", "fan"),
)
KINDS = """
    select kind, series, state, count(*) as documents, sum(total) as total, min(currency) as currency, min(rule) as rule
    from analytics.document group by 1, 2, 3 order by 1, 2, 3
"""
NUMBERS = "select series || ' ' || number from cloudsales.document order by document_id"
MADE = "select number from cloudsales.waybill where number is not null and state = 'created' order by courier, number"
# A buyer whose parcel has come, and who sends its first line back.
SENT_BACK = """
    select o.external_id, l.external_line_id, l.issued from cloudsales.waybill w join cloudsales.sales_order o using (order_id)
    join cloudsales.sales_order_line l using (order_id)
    where w.state = 'delivered' and l.issued > 0 order by o.external_id, l.position limit 1
"""
STORNOS = "select count(*) from cloudsales.document where kind = 'storno'"


@contextmanager
def couriers() -> Iterator[RunningCouriers]:
    """Simulated couriers on a free port of this machine; the settings name the variables that hold their account."""
    from cloudsales_pipeline.simulator.couriers import running_couriers

    with running_couriers() as running:
        os.environ[USER_VARIABLE], os.environ[PASSWORD_VARIABLE] = running.user, running.password
        yield running


def settings_lines(running: RunningCouriers) -> str:
    """Lines of the demo's settings: when what is issued, by whom it is carried, and that goods leave with their waybill."""
    account = f"user_env: {USER_VARIABLE}, password_env: {PASSWORD_VARIABLE}, track_every: PT0S"
    rules = "".join(
        f'    - {{issue: {issue}, when: "{when}", name: "{name}"{f", courier: {courier}" if courier else ""}}}\n'
        for issue, when, name, courier in RULES
    )
    return (
        "company:\n"
        "  {name: Magazin Demo SRL, tax_id: RO99999992, registration_number: J12/0000/2026, email: magazin@example.invalid,\n"
        '   address: {street: Strada Exemplului 1, city: Cluj-Napoca, county: Cluj, postal_code: "400000"}}\n'
        f"documents:\n  goods_leave_on: waybill\n  e_invoice_folder: {E_INVOICES}\n  rules:\n{rules}"
        "couriers:\n"
        f'  fan: {{kind: fan, url: {running.fan_url}, client_id: "{running.fan_client}", {account}}}\n'
        f'  sameday: {{kind: sameday, url: {running.sameday_url}, client_id: "{running.sameday_pickup_point}", service: "7",'
        f' locker_service: "15", {account}}}\n'
    )


def issue(instance: dg.DagsterInstance, engine: Engine, settings: Settings, channel: str) -> None:
    """Issue by the rules."""
    with demo_stock.publisher(engine, settings):
        say(f"Issuing invoices and waybills by the rules (job {JOB}); goods leave stock with their waybill")
        _run(instance)
        demo_stock.wait_until_sent(engine, channel)


def travel(
    instance: dg.DagsterInstance, engine: Engine, settings: Settings, running: RunningCouriers, channel: str, folder: Path
) -> None:
    """Let parcels travel, take one back, keep the papers."""
    with demo_stock.publisher(engine, settings):
        _travel(instance, engine, running)
        _send_back(instance, engine, settings, channel)
        demo_stock.wait_until_sent(engine, channel)
    _keep(engine, folder / FOLDER)


def show(engine: Engine, folder: Path) -> None:
    """The documents by kind and state, and which rule issued them."""
    import sqlalchemy as sa

    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.text(KINDS)).mappings()]
    print_rows(rows, as_json=False, title=f"Documents that issued themselves; their PDFs lie in {folder / FOLDER}")


def _run(instance: dg.DagsterInstance) -> None:
    from cloudsales_pipeline.cli.run import execute

    for line in execute(instance, JOB, None):
        detail(line)


def _travel(instance: dg.DagsterInstance, engine: Engine, running: RunningCouriers) -> None:
    """All parcels leave, and all but each fourth are delivered; the couriers are asked, and FashionUp hears of it."""
    import sqlalchemy as sa

    with engine.connect() as connection:
        parcels = list(connection.scalars(sa.text(MADE)))
    say("Letting the couriers carry the parcels")
    if not parcels:
        detail("all of them are on their way or have come: nothing was done")
        return
    for place, number in enumerate(parcels):
        running.state.advance(number, "shipped")
        if place % 4:
            running.state.advance(number, "delivered")
    detail(f"{len(parcels)} parcels left, {sum(place % 4 > 0 for place in range(len(parcels)))} of them were delivered")
    _run(instance)


def _send_back(instance: dg.DagsterInstance, engine: Engine, settings: Settings, channel: str) -> None:
    import sqlalchemy as sa

    from cloudsales_pipeline.orders.returns import receive_return, restock

    with engine.connect() as connection:
        before = connection.scalar(sa.text(STORNOS))
        sent_back = connection.execute(sa.text(SENT_BACK)).one_or_none()
    say("One buyer sends goods back: in stock again, and the invoice corrected by a storno")
    if before or sent_back is None:
        detail("they came back before: nothing was done" if before else "no parcel was delivered")
        return
    pieces = {sent_back.external_line_id: 1}
    receive_return(engine, channel, sent_back.external_id, pieces, reference=RETURN)
    restock(engine, channel, settings.channel(channel), sent_back.external_id, pieces, reference=f"{RETURN}-STOCK")
    _run(instance)


def _keep(engine: Engine, folder: Path) -> None:
    """Each document's PDF where a person can open it."""
    import sqlalchemy as sa

    from cloudsales_pipeline.documents.explain import file_of

    folder.mkdir(exist_ok=True)
    with engine.connect() as connection:
        numbers = list(connection.scalars(sa.text(NUMBERS)))
    for number in numbers:
        file = file_of(engine, number, "pdf")
        (folder / Path(file.name).name).write_bytes(file.content)
    detail(f"{len(numbers)} PDFs in {folder}, e-invoices beside them in {E_INVOICES}")
