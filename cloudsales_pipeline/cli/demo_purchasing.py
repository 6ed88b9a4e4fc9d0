"""The demo's close of the day: what is missing is bought, mails go to a local mail server, a delivery serves who waited.

What belongs here: the steps and what they left behind. What does not: orders coming in (demo_orders), any rule of purchasing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cloudsales_pipeline.cli import demo_stock
from cloudsales_pipeline.cli.demo_stock import WAREHOUSE
from cloudsales_pipeline.cli.output import clean, detail, print_rows, say

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cloudsales_pipeline.purchasing.closing import Closed
    from cloudsales_pipeline.settings import Settings
    from cloudsales_pipeline.simulator.mail import Mailbox

MAILS = "mails"
PACK_SIZES = (4, 5, 6, 1)  # of the suppliers, in their order
CUT_OFF = "23:59:59"
SEND_SECONDS = 20.0
ORDER_SHOWN = ("number", "supplier", "business_date", "state", "lines", "quantity", "received", "outstanding")
CHAIN_SHOWN = (
    *("order_id", "line_quantity", "required", "supplier_order", "ordered", "surplus"),
    *("receipts", "received", "reserved", "issued", "waiting"),
)

CLOSED_ON = "select min(business_date) from cloudsales.supplier_close where outcome = 'ordered'"
# What the first supplier order asked for, as its supplier's delivery note.
DELIVERY = """
    select o.supplier, 'DEMO-AVIZ-' || o.number as reference, l.sku, l.quantity, o.number as "order"
    from cloudsales.supplier_order_line l join cloudsales.supplier_order o using (supplier_order_id)
    where o.number = (select min(number) from cloudsales.supplier_order) order by l.position
"""
DELIVERED = "select sku from analytics.goods_receipt where kind = 'ordered' order by sku limit 1"


def settings_lines() -> str:
    """Lines of the demo's settings: whose goods are bought, by whom, and how mails leave. Nobody lives at `.invalid`."""
    from cloudsales_pipeline.simulator.retailer import SUPPLIERS

    suppliers = "".join(
        f'  {name}: {{email: comenzi@{name.lower()}.example.invalid, cut_off: "{CUT_OFF}", pack_size: {size}}}\n'
        for name, size in zip(SUPPLIERS, PACK_SIZES, strict=True)
    )
    return (
        f"suppliers:\n{suppliers}"
        f"purchasing: {{receiving_warehouse: {WAREHOUSE}, responsible_email: achizitii@magazin.example.invalid}}\n"
    )


def play(engine: Engine, settings: Settings, box: Mailbox, channel: str, folder: Path) -> None:
    """Close the day, send the orders, receive one of them, tell who is responsible."""
    _close(engine, settings)
    say(f"Making the orders' documents, and sending them to a mail server on this machine; {folder / MAILS} keeps the mails")
    _send_orders(engine, settings, box, folder)
    with demo_stock.publisher(engine, settings):
        _receive(engine, settings, folder / "delivery.csv")
        demo_stock.wait_until_sent(engine, channel)
    _send(engine, settings, box, folder)


def show(engine: Engine) -> None:
    """The supplier orders, and the chain of one product that has come."""
    import sqlalchemy as sa

    from cloudsales_pipeline.purchasing.requirement import chain, supplier_orders

    with engine.connect() as connection:
        orders = supplier_orders(connection)
        sku = connection.scalar(sa.text(DELIVERED))
        links = chain(connection, sku) if sku else []
    print_rows(sorted(orders, key=lambda row: str(row["number"])), as_json=False, title="Supplier orders", columns=ORDER_SHOWN)
    if sku:
        title = f"The chain of {sku}: order line, requirement, supplier order, delivery, served"
        print_rows(links, as_json=False, title=title, columns=CHAIN_SHOWN)


def _close(engine: Engine, settings: Settings) -> None:
    """The day on which the demo first ran: run again on another day, it is closed already."""
    from cloudsales_pipeline.purchasing.closing import close_day
    from cloudsales_pipeline.purchasing.cutoff import cut_off_instant

    day = _day(engine, settings)
    end = max(cut_off_instant(day, one.cut_off, settings.timezone) for one in settings.suppliers.values())
    local = end.astimezone(ZoneInfo(settings.timezone))
    say(f"Closing {day} as of {local:%H:%M:%S} local time, the suppliers' cut-off; the demo does not wait for it")
    for one in close_day(engine, settings, day, now=max(end, datetime.now(UTC))):
        detail(_told(one))
    _say_who_has_no_supplier(engine, day)


def _say_who_has_no_supplier(engine: Engine, day: date) -> None:
    from cloudsales_pipeline.purchasing.requirement import without_supplier

    with engine.connect() as connection:
        rows = without_supplier(connection, day)
    if rows:
        pieces = sum(row["quantity"] for row in rows)
        detail(f"without a supplier: {pieces} pieces of {rows[0]['sku']} wait for a person to name one")


def _day(engine: Engine, settings: Settings) -> date:
    import sqlalchemy as sa

    from cloudsales_pipeline.purchasing.cutoff import business_date_of

    with engine.connect() as connection:
        closed: date | None = connection.scalar(sa.text(CLOSED_ON))
    return closed or business_date_of(datetime.now(UTC), next(iter(settings.suppliers.values())), settings.timezone)


def _told(one: Closed) -> str:
    if one.outcome == "closed_before":
        return f"{one.supplier}: closed before ({one.number or 'nothing was missing'}); nothing was ordered"
    if one.number is None:
        return f"{one.supplier}: nothing is missing"
    surplus = f"; {one.surplus} more to fill packs" if one.surplus else ""
    return f"{one.supplier}: order {one.number}, {one.lines} products, {one.quantity} pieces for {one.required} missing{surplus}"


def _send_orders(engine: Engine, settings: Settings, box: Mailbox, folder: Path) -> None:
    from cloudsales_pipeline.purchasing.handing import hand_over

    queued = hand_over(engine, settings).queued
    detail(f"{len(queued)} orders handed over" if queued else "these orders were handed over before: nothing was done")
    _send(engine, settings, box, folder)


def _send(engine: Engine, settings: Settings, box: Mailbox, folder: Path) -> None:
    """Send what is due, and write what the server was given where a person can open it."""
    from cloudsales_pipeline.outbox.sending import send_due

    before = len(box.mails)
    sent = send_due(engine, settings.messages, seconds=SEND_SECONDS)
    arrived = [data for _, data in box.mails[before:]]
    done = f"messages sent: {sent.sent}; mails that arrived: {len(arrived)}"
    detail(done if sent.sent or arrived else "nothing is due to be sent")
    for subject, attached in (_keep(data, folder / MAILS) for data in arrived):
        detail(f"{clean(subject)}{f' ({attached} files attached)' if attached else ''}")


def _keep(data: bytes, folder: Path) -> tuple[str, int]:
    """The mail and its attachments as files; its subject, and how many attachments."""
    folder.mkdir(exist_ok=True)
    mail = message_from_bytes(data, _class=EmailMessage, policy=policy.default)
    subject = str(mail["subject"])
    name = re.sub(r"[^\w-]+", "-", subject).strip("-")[:80]
    taken = len(list(folder.glob("*.eml")))
    (folder / f"{taken + 1:02d}-{name}.eml").write_bytes(data)
    attachments = list(mail.iter_attachments())
    for one in attachments:
        (folder / Path(one.get_filename() or f"{name}.bin").name).write_bytes(one.get_content())
    return subject, len(attachments)


def _receive(engine: Engine, settings: Settings, file: Path) -> None:
    """The first order comes whole, with its supplier's delivery note as a file."""
    import sqlalchemy as sa

    from cloudsales_pipeline.purchasing.receipts import receive_file

    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.text(DELIVERY)).mappings()]
    if not rows:
        return
    _write(rows, file)
    say(f"Receiving a delivery of {rows[0]['supplier']} from {file}: who waits is served, the oldest order first")
    result = receive_file(engine, settings, file)
    if result.loaded:
        detail(f"{result.rows_in} rows: {result.pieces} pieces received, {result.served} of them went to orders that waited")
    else:
        detail(f"{result.rows_in} rows: {result.unchanged} were received before; nothing was done")


def _write(rows: Sequence[dict[str, Any]], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
