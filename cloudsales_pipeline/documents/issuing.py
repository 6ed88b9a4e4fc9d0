"""Issuing documents: by the rules as orders change, by what happened to an order, or because a person says so.

Numbering a document and writing it is one transaction with its order locked; no outside call is made in it. Files are made after
it, by whoever finds them missing (`papers`).

What belongs here: these transactions. What does not: what the rules give a batch (`judging`), what is on a document (`building`),
and numbers (`drafts`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.documents.corrections import whole_storno
from cloudsales_pipeline.documents.drafts import KINDS, SERIES_ADVICE, Issued, Refused, check_series, series_faults, series_of
from cloudsales_pipeline.documents.facts import as_kept, facts_of
from cloudsales_pipeline.documents.judging import IssueResult, judge_orders
from cloudsales_pipeline.documents.parties import seller_of
from cloudsales_pipeline.documents.rules import CheckedRules, check_rules, judge
from cloudsales_pipeline.documents.snapshots import snapshots_of
from cloudsales_pipeline.documents.standing import Order, invoice_draft, locked, locked_one, quarantine, run, write_out
from cloudsales_pipeline.documents.waybill_intents import Intent, intend
from cloudsales_pipeline.errors import (
    CloudSalesError,
    DatabaseError,
    InputError,
    RefusedError,
    SettingsError,
    describe_unexpected,
)
from cloudsales_pipeline.orders.standing import run as run_order
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.settings.documents import DocumentKind

BATCH = 200


class _StuckError(Exception):
    """A batch that failed as a whole: it is done again one by one, so that one order holds up no other."""


# ------------------------------------------------------------------------------------------------ by rules


def check_settings(settings: Settings, *, every_channel: bool = True) -> CheckedRules:
    """What must be right in the settings before anything is issued.

    Args:
        every_channel: False: a channel whose own series can't be used is no reason to stop; nothing is issued for it alone.

    Raises:
        SettingsError: a rule, a series or (where rules issue invoices) the company is not usable.
    """
    rules = check_rules(settings.documents)
    faults = series_faults(settings)
    if faults and every_channel:
        raise SettingsError(next(iter(faults.values())), next_step=SERIES_ADVICE)
    if any(rule.setting.issue != "waybill" for rule in rules.rules):
        seller_of(settings.company)
    return rules


def issue_due(
    engine: Engine,
    settings: Settings,
    *,
    now: datetime | None = None,
    batch: int = BATCH,
    most: int | None = None,
    by_age: bool = False,
) -> IssueResult:
    """Judge the orders whose facts changed, batch by batch, and issue what the rules want; corrections too.

    Several may run at once: each takes what no other holds. Done again, it does nothing.

    Args:
        now: the moment that counts for days and ages; none: the clock's, for each batch.
        most: stop after about so many orders.
        by_age: judge also all open orders, where a rule mentions their age; for once an hour.

    Raises:
        SettingsError: a rule, a series or the company is not usable; nothing was issued.
        DatabaseError: the database can't be reached.
    """
    rules = check_settings(settings, every_channel=False)
    sync_channels(engine, settings)
    if by_age and rules.mention("age_hours"):
        _mark_open(engine)
    done, singles = IssueResult(), 0
    while most is None or done.judged < most:
        size = 1 if singles else batch
        try:
            result = _one_batch(engine, settings, rules, now, size)
        except _StuckError:
            singles = batch
            continue
        if not result.judged:
            break
        done, singles = done + result, max(0, singles - 1)
    return done


def sync_channels(engine: Engine, settings: Settings) -> None:
    """Tell the triggers which channels' orders are to be judged; one that is switched on has its open orders judged now, and all
    have when the rules are others than before.
    """

    def work(connection: Connection) -> None:
        faults = _faults(connection, settings)
        said = _said_of_channels(settings, faults)
        if run(connection, "channels_differ", **said).scalar_one():
            run(connection, "set_channels", **said)
        told = [{"channel": name, "what": what} for name, what in faults.items()]
        run(connection, "quarantine_series", rows=json.dumps(told))

    order_work(engine, work, doing="note which channels get documents")


def channels_differ(connection: Connection, settings: Settings) -> bool:
    """Whether the triggers know other channels, or orders were judged by other rules, than the settings have now."""
    said = _said_of_channels(settings, _faults(connection, settings))
    return bool(run(connection, "channels_differ", **said).scalar_one())


def _faults(connection: Connection, settings: Settings) -> dict[str, str]:
    """Channels that nothing can be issued for, and why: their series is another kind's by the settings, or by the tables."""
    faults = series_faults(settings)
    wanted = [(name, *series_of(settings, name, kind)) for name in settings.channels if name not in faults for kind in KINDS]
    values = dict(zip(("channels", "counters", "series"), map(list, zip(*wanted, strict=True)), strict=True)) if wanted else {}
    for row in run(connection, "series_taken", **values) if values else ():
        faults[row.channel] = f"The series {row.series} can't be used for {row.counter}: {row.other} has numbers of it already."
    return faults


def _said_of_channels(settings: Settings, faults: Mapping[str, str]) -> dict[str, Any]:
    rules = json.dumps([rule.model_dump() for rule in settings.documents.rules])
    return {
        "channels": list(settings.channels),
        "enabled": [channel.documents.enabled and name not in faults for name, channel in settings.channels.items()],
        "hand_over": settings.documents.hand_over,
        "rules": blake2b(rules.encode(), digest_size=16).hexdigest(),
    }


def _mark_open(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        run(connection, "mark_open")

    order_work(engine, work, doing="mark orders to be judged by age")


def _one_batch(engine: Engine, settings: Settings, rules: CheckedRules, now: datetime | None, size: int) -> IssueResult:
    due: dict[int, int] = {}

    def work(connection: Connection) -> IssueResult:
        due.clear()
        due.update({row.due_id: row.order_id for row in run(connection, "take", most=size)})
        return judge_orders(connection, settings, rules, due, now or datetime.now(UTC)) if due else IssueResult()

    try:
        return order_work(engine, work, doing="issue documents")
    except (SettingsError, DatabaseError):
        raise
    except (CloudSalesError, sa.exc.IntegrityError, sa.exc.DataError) as error:
        if size > 1:
            raise _StuckError from None
        _set_aside(engine, due, error)
        return IssueResult(judged=1, refused=1)


def _set_aside(engine: Engine, due: Mapping[int, int], error: Exception) -> None:
    """An order that can't be issued for: quarantined, and not due until its facts change again."""
    what = error.message if isinstance(error, CloudSalesError) else describe_unexpected(error)

    def work(connection: Connection) -> None:
        orders = locked(connection, list(due.values()))
        quarantine(connection, [(order, "issue_failed", {"what": what}) for order in orders])
        run(connection, "taken", due=list(due))

    order_work(engine, work, doing="set an order aside")


# ------------------------------------------------------------------------------------------------ by a person


def issue_one(
    engine: Engine, settings: Settings, channel: str, external_id: str, kind: DocumentKind, *, now: datetime | None = None
) -> str:
    """Issue a document because a person says so, whatever the rules say; its number, or of a waybill what was written down.

    Raises:
        InputError: no such order.
        RefusedError: it has a live one of that kind, or is cancelled, or there is nothing to list.
        SettingsError: the company or a series is not usable, or no rule names a courier.
    """
    check_rules(settings.documents)
    check_series(settings, channel)

    def work(connection: Connection) -> str:
        order = locked_one(connection, channel, external_id)
        _refuse_closed(connection, order, kind)
        if kind == "waybill":
            return _waybill(connection, settings, order, now or datetime.now(UTC))
        snapshot = snapshots_of(connection, [order.order_id], zone=settings.timezone)[order.order_id]
        draft = invoice_draft(settings, snapshot, kind, cause="command")
        return _only(write_out(connection, settings, [draft], now or datetime.now(UTC)))

    return _once(engine, work, doing="issue a document")


def storno(engine: Engine, settings: Settings, number: str, *, now: datetime | None = None) -> str:
    """Correct a live fiscal invoice in whole; the storno's number. Rules issue no other for the order: `issue_one` does.

    Args:
        number: as printed, "FU 12".

    Raises:
        InputError: no such document.
        RefusedError: it is no fiscal invoice, or was corrected before.
    """
    series, figures = parts_of(number)

    def work(connection: Connection) -> str:
        found = run(connection, "by_number", series=series, number=figures).one_or_none()
        if found is None:
            raise InputError(f"There is no document {number}.", next_step="see cloudsales documents list")
        if found.kind != "fiscal_invoice":
            raise RefusedError(f"{number} is a {found.kind.replace('_', ' ')}; only a fiscal invoice is corrected.")
        check_series(settings, found.channel)
        locked_one(connection, found.channel, found.external_id)
        found = run(connection, "by_number", series=series, number=figures).one()
        if not found.live:
            raise RefusedError(f"{number} was corrected before, by {found.storno}.")
        draft = whole_storno(connection, found.order_id, cause="command")
        assert draft is not None  # a live invoice has content, and its order is locked
        return _only(write_out(connection, settings, [draft], now or datetime.now(UTC)))

    return _once(engine, work, doing="correct an invoice")


def _once(engine: Engine, work: Callable[[Connection], str], *, doing: str) -> str:
    """What `work` gives; where a COMMIT's answer was lost and it had been done, what that try gave (F-22)."""
    tried: dict[str, str] = {}

    def attempt(connection: Connection) -> str:
        for number, given in tried.items():
            if run_order(connection, "transaction_ended_as", number=number).scalar() == "committed":
                return given
        given = work(connection)
        tried[str(run_order(connection, "transaction").scalar_one())] = given
        return given

    return order_work(engine, attempt, doing=doing)


def parts_of(number: str) -> tuple[str, int]:
    """Series and figures of a printed number, "FU 12".

    Raises:
        InputError: it is none.
    """
    series, _, figures = number.strip().rpartition(" ")
    if not series or not (figures.isascii() and figures.isdigit()) or int(figures[:12]) > 2**31 - 1:
        raise InputError(f"{number!r} is no document's number.", next_step='write series and number, such as "FU 12"')
    return series.strip(), int(figures)


def _refuse_closed(connection: Connection, order: Order, kind: DocumentKind) -> None:
    what = f"order {order.external_id} of {order.channel}"
    if order.status in ("cancelled", "expired", "returned"):
        raise RefusedError(f"No document can be issued: {what} is {order.status}.")
    live = {row.kind: f"{row.series} {row.number}" for row in run(connection, "live", orders=[order.order_id])}
    other = live.get(kind) or (live.get("fiscal_invoice") if kind == "proforma_invoice" else None)
    if other:
        raise RefusedError(
            f"{what[0].upper()}{what[1:]} has {other}.", next_step="correct that first: cloudsales documents storno"
        )


def _waybill(connection: Connection, settings: Settings, order: Order, now: datetime) -> str:
    """By the rule that holds, else the first that names a courier."""
    rules = check_rules(settings.documents)
    facts = facts_of(connection, [order.order_id], now)[order.order_id]
    holds = judge(rules, facts).decisions.get("waybill")
    named = holds.rule.setting if holds else next((one.setting for one in rules.rules if one.setting.courier), None)
    if named is None or named.courier is None:
        raise SettingsError("No rule says who carries parcels.", next_step="add a rule for waybills under documents.rules")
    intent = Intent(order_id=order.order_id, courier=named.courier, service=named.service or "", facts=as_kept(facts))
    parcels = intend(connection, [intent], settings.documents)
    if not parcels:
        raise RefusedError(f"Order {order.external_id} of {order.channel} has a waybill.", next_step="cancel that first")
    return f"{parcels} with {named.courier}"


def _only(done: tuple[list[Issued], list[Refused]]) -> str:
    issued, refused = done
    if refused:
        raise RefusedError(refused[0].why)
    return issued[0].number
