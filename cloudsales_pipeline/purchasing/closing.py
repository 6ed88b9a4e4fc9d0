"""Closing a business date: each supplier's order, frozen in one transaction with its cut-off instant (I-27, I-28, I-29).

What belongs here: who is closed and what is written. What does not: when that is due (`due`), the rule of packs (`rounding`),
what a cut-off is (`cutoff`), and handing orders over (`handing`).

Nothing here counts what happened before: what is open is derived (cloudsales.open_requirement), a date that is in
supplier_close is done, and every close holds the purchasing lock. So a rerun, a backfill in any order, a second daemon or a
killed process neither orders a piece twice nor forgets one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import copy_rows, steps
from cloudsales_pipeline.database.locks import lock_purchasing
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import InputError, RefusedError
from cloudsales_pipeline.outbox.numbering import take_numbers
from cloudsales_pipeline.purchasing.covering import cover
from cloudsales_pipeline.purchasing.cutoff import cut_off_instant, is_order_day
from cloudsales_pipeline.purchasing.order_facts import receiving_warehouse
from cloudsales_pipeline.purchasing.rounding import Choice, Need, choose_order
from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
from cloudsales_pipeline.settings import Settings

Outcome = Literal["ordered", "nothing", "below_minimum", "closed_before"]
NOT_AN_ORDER_DAY = "not one of its order_days"


@dataclass(frozen=True)
class Closed:
    """What became of one supplier's date. Figures are pieces; `from_surplus`: given to lines out of what was on order already.

    outcome: as in cloudsales.supplier_close, or closed_before: it was done already, and is as it was.
    """

    supplier: str
    business_date: date
    cut_off_at: datetime
    outcome: Outcome
    number: str | None = None
    lines: int = 0
    quantity: int = 0
    required: int = 0
    surplus: int = 0
    from_surplus: int = 0
    note: str = ""
    order_lines: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """What is ordered of one supplier; `lead_time_days` the longest of its lines."""

    supplier: str
    outcome: Outcome
    choices: tuple[Choice, ...]
    lead_time_days: int

    @property
    def quantity(self) -> int:
        return sum(choice.quantity for choice in self.choices)


def close_day(
    engine: Engine,
    settings: Settings,
    business_date: date,
    *,
    suppliers: Collection[str] | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
) -> list[Closed]:
    """Close this date for these suppliers, all in one transaction, each as of its own cut-off; one row for each, by name.

    Without `suppliers`: all of the settings whose cut-off on that date has passed. What came in after a supplier's cut-off
    waits for its next date; a date that was closed before stays as it is.

    Args:
        now: aware; by default the clock.
        dry_run: show it, and leave everything as it was.

    Raises:
        RefusedError: the cut-off has not passed yet (of a supplier that was named; else of all).
        InputError: a supplier that is not in the settings, or none is.
        DatabaseError: the database can't be reached, or others kept changing the same rows; nothing was written.
    """
    at = now or datetime.now(UTC)
    cut_offs = _cut_offs(settings, business_date, suppliers, at)
    sync_suppliers(engine, settings)

    def work(connection: Connection) -> list[Closed]:
        lock_purchasing(connection)
        done = _closed_before(connection, business_date, cut_offs)
        due = {name: cut_off for name, cut_off in cut_offs.items() if name not in done}
        closed = _close(connection, settings, business_date, due, at, dry_run) if due else []
        return sorted([*done.values(), *closed], key=lambda one: one.supplier)

    if not dry_run:
        return unit_of_work(engine, work, also=frozenset({"23505"}), repeatable=True)
    with engine.connect() as connection, connection.begin() as transaction:
        shown = work(connection)
        transaction.rollback()
    return shown


def _cut_offs(settings: Settings, day: date, suppliers: Collection[str] | None, at: datetime) -> dict[str, datetime]:
    """Of each supplier that can be closed, the instant as of which it is."""
    unknown = sorted(set(suppliers or ()) - settings.suppliers.keys())
    known = ", ".join(settings.suppliers) or "none"
    if unknown or not settings.suppliers:
        what = f"There is no supplier {unknown[0]!r}" if unknown else "There is no supplier at all"
        raise InputError(f"{what} in the settings; there are: {known}.", next_step="add it under `suppliers:` in cloudsales.yaml")
    every = {
        name: cut_off_instant(day, settings.suppliers[name].cut_off, settings.timezone)
        for name in sorted(settings.suppliers if suppliers is None else set(suppliers))
    }
    future = [name for name, cut_off in every.items() if cut_off > at]
    if future and (suppliers is not None or len(future) == len(every)):
        local = every[future[0]].astimezone(ZoneInfo(settings.timezone))
        raise RefusedError(
            f"{day} can't be closed for {future[0]} yet: its cut-off is {local:%Y-%m-%d %H:%M} local time.",
            next_step="wait until then, or set suppliers.*.cut_off",
        )
    return {name: cut_off for name, cut_off in every.items() if cut_off <= at}


def _closed_before(connection: Connection, day: date, suppliers: Collection[str]) -> dict[str, Closed]:
    rows = _run(connection, "done", business_date=day, suppliers=list(suppliers))
    return {
        row.supplier: Closed(row.supplier, day, row.cut_off_at, "closed_before", row.number, row.lines, row.quantity)
        for row in rows
    }


def _close(
    connection: Connection, settings: Settings, day: date, cut_offs: Mapping[str, datetime], at: datetime, dry_run: bool
) -> list[Closed]:
    newest = connection.scalar(sa.text("select coalesce(max(requirement_id), 0) from cloudsales.requirement"))
    cover(connection, None)
    from_surplus = {row.supplier: row.quantity for row in _run(connection, "from_surplus", newest=newest)}
    _stage(connection, day, cut_offs)
    _put_transfers(connection, settings, day, at)
    plans = _plan(connection, settings, day, list(cut_offs))
    numbers = {} if dry_run else _write(connection, settings, day, plans, at)
    return [
        _told(plan, day, cut_offs[plan.supplier], numbers.get(plan.supplier), from_surplus.get(plan.supplier, 0), settings)
        for plan in plans
    ]


def _stage(connection: Connection, day: date, cut_offs: Mapping[str, datetime]) -> None:
    """The lines that these closes buy for, and of whom, as temporary tables of this transaction."""
    _do(connection, "make_term")
    _do(connection, "fill_term", suppliers=list(cut_offs), cut_offs=list(cut_offs.values()))
    _do(connection, "make_line")
    _do(connection, "fill_line")
    _do(connection, "make_source")
    _do(connection, "fill_source", business_date=day)
    _do(connection, "keep_due")
    connection.exec_driver_sql("analyze closing_line, closing_source")
    _do(connection, "leave_free")


def _put_transfers(connection: Connection, settings: Settings, day: date, at: datetime) -> None:
    """What is asked of another warehouse is set aside; with the setting on, what could be is asked first."""
    texts = steps(__package__, "transfers")
    connection.execute(sa.text(texts["expire"]), {"now": at, "overdue": at - settings.purchasing.transfers_wait})
    if settings.purchasing.propose_transfers:
        connection.execute(sa.text(texts["propose"]), {"now": at, "business_date": day})
    _do(connection, "set_aside")


def _plan(connection: Connection, settings: Settings, day: date, suppliers: Sequence[str]) -> list[_Plan]:
    needs: dict[str, list[Need]] = defaultdict(list)
    lead: dict[int, int | None] = {}
    for row in _run(connection, "needs"):
        need = Need(row.product_id, row.sku, row.required, row.pack_size, row.minimum, row.price, row.currency)
        needs[row.supplier].append(need)
        lead[row.product_id] = row.lead_time_days
    plans = []
    for name in suppliers:
        terms = settings.suppliers[name]
        choices = tuple(choose_order(needs[name], terms)) if is_order_day(day, terms) else ()
        waits: Outcome = "below_minimum" if needs[name] and is_order_day(day, terms) else "nothing"
        days = [lead[choice.product_id] for choice in choices]
        longest = max((terms.lead_time_days if one is None else one for one in days), default=terms.lead_time_days)
        plans.append(_Plan(name, "ordered" if choices else waits, choices, longest))
    return plans


def _write(connection: Connection, settings: Settings, day: date, plans: Sequence[_Plan], at: datetime) -> dict[str, str]:
    """Freeze what was planned; the numbers of the orders by supplier."""
    ordered = [plan for plan in plans if plan.choices]
    numbers: dict[str, str] = {}
    if ordered:
        numbers = _numbers(connection, settings, ordered, at)
        _do(connection, "make_choice")
        choices = (
            (plan.supplier, position, one.product_id, one.pack, one.required, one.quantity)
            for plan in ordered
            for position, one in enumerate(plan.choices, start=1)
        )
        copy_rows(connection, steps(__package__, "closing")["copy_choice"], choices)
        connection.exec_driver_sql("analyze closing_choice")
        orders = [_order_row(settings, day, plan, numbers[plan.supplier]) for plan in ordered]
        _do(connection, "orders", business_date=day, orders=json.dumps(orders))
        _do(connection, "lines", business_date=day)
        _do(connection, "ties", business_date=day)
    closes = [
        {"supplier": plan.supplier, "outcome": plan.outcome, "lines": len(plan.choices), "quantity": plan.quantity}
        for plan in plans
    ]
    _do(connection, "closes", business_date=day, closes=json.dumps(closes))
    return numbers


def _numbers(connection: Connection, settings: Settings, ordered: Sequence[_Plan], at: datetime) -> dict[str, str]:
    """CF-2026-000001 and on: of the year in which they are given, so that a series grows with the date (I-32, F-36)."""
    series, on = settings.purchasing.series, at.astimezone(ZoneInfo(settings.timezone)).date()
    taken = take_numbers(connection, "supplier_order", series, on, len(ordered), yearly=True)
    return {plan.supplier: f"{series}-{on.year}-{taken.first + place:06d}" for place, plan in enumerate(ordered)}


def _order_row(settings: Settings, day: date, plan: _Plan, number: str) -> dict[str, Any]:
    """An order's head. Its documents are made of `facts`; no address of the supplier is among them."""
    terms, company = settings.suppliers[plan.supplier], settings.company
    currencies = {choice.currency for choice in plan.choices}
    warehouse = receiving_warehouse(settings)
    facts = {
        "buyer": company.model_dump(mode="json", exclude={"logo"}),
        "supplier": {"name": terms.name or plan.supplier, "tax_id": terms.tax_id},
        "delivery": {
            "warehouse": warehouse,
            "name": settings.warehouses[warehouse].name if warehouse else "",
            "lead_time_days": plan.lead_time_days,
            "expected_on": (day + timedelta(days=plan.lead_time_days)).isoformat(),
        },
    }
    currency = currencies.pop() if len(currencies) == 1 else None
    return {"supplier": plan.supplier, "number": number, "currency": currency, "language": terms.language, "facts": facts}


def _told(plan: _Plan, day: date, cut_off: datetime, number: str | None, from_surplus: int, settings: Settings) -> Closed:
    required = sum(choice.required for choice in plan.choices)
    return Closed(
        plan.supplier,
        day,
        cut_off,
        plan.outcome,
        number,
        len(plan.choices),
        plan.quantity,
        required,
        plan.quantity - required,
        from_surplus,
        "" if is_order_day(day, settings.suppliers[plan.supplier]) else NOT_AN_ORDER_DAY,
        plan.choices,
    )


def _run(connection: Connection, step: str, **values: object) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.text(steps(__package__, "closing")[step]), values).all()


def _do(connection: Connection, step: str, **values: object) -> None:
    connection.execute(sa.text(steps(__package__, "closing")[step]), values)
