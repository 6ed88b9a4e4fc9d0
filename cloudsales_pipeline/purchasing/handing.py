"""Handing closed orders over to the outbox: documents made and one message queued for each, in one transaction (I-28, F-24).

What belongs here: which orders are still to be handed over, to what address, and with what text. What does not: making the
documents (`order_files`), and sending (the outbox). The address comes from the settings at that moment and goes into the schema
personal alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import lock_supplier_papers
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue
from cloudsales_pipeline.purchasing.order_files import Order, files_of, read_orders
from cloudsales_pipeline.purchasing.wording import WORDS, day, plain, whole

if TYPE_CHECKING:
    from cloudsales_pipeline.settings import Settings

AT_ONCE = 50  # orders of a transaction: about a second of typesetting, and some megabytes
EVENT = "supplier_order"
WITHOUT_ADDRESS = "supplier_without_email"


@dataclass(frozen=True)
class HandedOver:
    """Numbers of orders by what became of them.

    Args:
        queued: a message was queued now.
        without_address: the settings have no e-mail address for the supplier; a person must see to it (quarantine).
        before: named, and handed over before: nothing was done.
        filed: documents were made and no message was queued, as the settings say (`purchasing.send: false`).
    """

    queued: tuple[str, ...] = ()
    without_address: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    filed: tuple[str, ...] = field(default=())


def hand_over(
    engine: Engine,
    settings: Settings,
    *,
    numbers: Collection[str] | None = None,
    again: bool = False,
    by_hand: bool = False,
) -> HandedOver:
    """Make the documents of closed orders and queue one message for each; what was done before is not done again.

    A transaction for each 50 orders: a killed process leaves whole batches, and the next call does the others (F-24).

    Args:
        numbers: these orders alone, on a person's word; None: all that are not handed over yet.
        again: queue another message for each of `numbers`, with the same stored bytes.
        by_hand: a person asks, so that `purchasing.send: false` does not hold; so it is where numbers are named.

    Raises:
        InputError: there is no order of one of these numbers, or `again` without numbers.
        RefusedError: `again`, and a supplier has no e-mail address.
    """
    if again and not numbers:
        raise InputError("Orders are sent again by their numbers alone.", next_step="name them: purchasing send NUMBER --again")
    chosen = _known(engine, numbers) if numbers is not None else None
    queue = settings.purchasing.send or by_hand or numbers is not None
    addressed = sorted(name for name, supplier in settings.suppliers.items() if supplier.email)
    handing = _Handing(settings, queue, again, addressed)
    total, after = HandedOver(), 0
    while True:
        found, after = unit_of_work(engine, lambda connection, after=after: handing.batch(connection, chosen, after))  # type: ignore[misc]
        total = _sum(total, found)
        if after == 0:
            return total


def dates_to_hand_over(connection: Connection, settings: Settings) -> list[date]:
    """Business dates, oldest first, with orders that `hand_over` would queue now: their supplier has an address, and none was.

    Of the last purchasing.catch_up_days; none where orders go out by hand (`purchasing.send: false`).
    """
    addressed = sorted(name for name, supplier in settings.suppliers.items() if supplier.email)
    values = {"addressed": addressed, "days": settings.purchasing.catch_up_days + 1}
    found = connection.scalars(sa.text(steps(__package__, "handing")["dates"]), values).all() if settings.purchasing.send else ()
    return list(found)


def _known(engine: Engine, numbers: Collection[str]) -> list[str]:
    wanted = sorted({number.strip() for number in numbers})
    with engine.connect() as connection:
        found = set(connection.scalars(sa.text(steps(__package__, "handing")["known"]), {"numbers": wanted}))
    if missing := [number for number in wanted if number not in found]:
        raise InputError(
            f"There is no supplier order {plain(missing[0])[:40]}.", next_step="look in analytics.supplier_order for its number"
        )
    return wanted


def _sum(one: HandedOver, other: HandedOver) -> HandedOver:
    return HandedOver(
        one.queued + other.queued,
        one.without_address + other.without_address,
        one.before + other.before,
        one.filed + other.filed,
    )


@dataclass(frozen=True)
class _Handing:
    settings: Settings
    queue: bool
    again: bool
    addressed: list[str]

    def batch(self, connection: Connection, numbers: list[str] | None, after: int) -> tuple[HandedOver, int]:
        """The next orders behind `after`; the last one's id, 0 at the end. Two processes take turns."""
        lock_supplier_papers(connection)
        queries = steps(__package__, "handing")
        values = {"numbers": numbers, "after": after, "limit": AT_ONCE, "kinds": list(self.settings.purchasing.attach)}
        rows = connection.execute(sa.text(queries["next"]), {**values, "queue": self.queue}).all()
        if not rows:
            return HandedOver(), 0
        orders = {
            one.supplier_order_id: one for one in read_orders(connection, self.settings, [r.supplier_order_id for r in rows])
        }
        return self._hand(connection, rows, orders), rows[-1].supplier_order_id

    def _hand(self, connection: Connection, rows: Sequence[sa.Row[Any]], orders: dict[int, Order]) -> HandedOver:
        files = files_of(connection, self.settings, list(orders.values()))
        due = [row for row in rows if self.queue and (self.again or not row.messages)]
        able = [row for row in due if row.supplier in self.addressed]
        unable = tuple(orders[row.supplier_order_id].number for row in due if row.supplier not in self.addressed)
        if unable and self.again:
            raise RefusedError(
                f"The supplier of {unable[0]} has no e-mail address.", next_step="write it: suppliers.….email in cloudsales.yaml"
            )
        enqueue(connection, [self._message(orders[r.supplier_order_id], r, files[r.supplier_order_id]) for r in able])
        queued = tuple(orders[row.supplier_order_id].number for row in able)
        self._ask_person(connection, queued, [orders[r.supplier_order_id] for r in due if r.supplier not in self.addressed])
        before = tuple(orders[row.supplier_order_id].number for row in rows if self.queue and row not in due)
        filed = tuple(one.number for one in orders.values()) if not self.queue else ()
        return HandedOver(queued, unable, before, filed)

    def _ask_person(self, connection: Connection, settled: Sequence[str], unable: Sequence[Order]) -> None:
        queries = steps(__package__, "handing")
        if settled:
            connection.execute(sa.text(queries["settle"]), {"numbers": list(settled), "reason": WITHOUT_ADDRESS})
        if unable:
            rows = [{"reference": one.number, "detail": {"supplier": one.supplier}} for one in unable]
            connection.execute(sa.text(queries["ask"]), {"rows": json.dumps(rows), "reason": WITHOUT_ADDRESS})

    def _message(self, order: Order, row: sa.Row[Any], files: Sequence[int]) -> Outgoing:
        title, text = order_text(order, again=bool(row.messages))
        address = self.settings.suppliers[order.supplier].email
        assert address is not None
        event = EVENT if not row.messages else f"{EVENT}_again_{row.messages}"
        return Outgoing(
            "supplier_order",
            order.number,
            event,
            "email",
            address,
            title,
            text,
            language=order.language,
            urgency=1,
            files=tuple(files),
        )


def order_text(order: Order, *, again: bool) -> tuple[str, str]:
    """Subject and text of an order's message, in the supplier's language; each part on one line, whatever came in. Pure."""
    words, language = WORDS[order.language], order.language
    buyer, delivery = order.facts["buyer"], order.facts["delivery"]
    named = plain(buyer.get("name"))
    facts = {
        "number": order.number,
        "buyer": named,
        "date": day(order.business_date, language),
        "lines": whole(len(order.lines), language),
        "pieces": whole(order.pieces, language),
    }
    place = plain(delivery.get("name")) or plain(delivery.get("warehouse"))
    paragraphs = [words["greeting"], " ".join([words["body_again" if again else "body"].format(**facts), words["attached"]])]
    paragraphs += [words["deliver"].format(place=place)] if place else []
    signed = [words["thanks"], *(one for one in (named, plain(buyer.get("phone")), plain(buyer.get("email"))) if one)]
    subject = words["subject_again" if again else "subject"].format(**facts) if named else f"{words['order']} {order.number}"
    return subject, "\n\n".join([*paragraphs, words["confirm"], "\n".join(signed)]) + "\n"
