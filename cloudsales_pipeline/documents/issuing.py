"""Issuing documents: by the rules as orders change, by what happened to an order, or because a person says so.

Judging an order, numbering its documents and writing them is one transaction with its order locked; no outside call is made in it.
Files are made after it, by whoever finds them missing (`papers`).

What belongs here: these transactions. What does not: the rules (`rules`), what is on a document (`building`), numbers (`drafts`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.building import build_content, flags_of
from cloudsales_pipeline.documents.content import Content, Kind
from cloudsales_pipeline.documents.corrections import corrections_due, whole_storno
from cloudsales_pipeline.documents.drafts import Draft, Issued, Refused, check_series, write
from cloudsales_pipeline.documents.facts import Facts, as_kept, facts_of
from cloudsales_pipeline.documents.parties import seller_of
from cloudsales_pipeline.documents.rules import CheckedRules, Judgement, check_rules, judge
from cloudsales_pipeline.documents.snapshot import OrderSnapshot
from cloudsales_pipeline.documents.snapshots import snapshots_of
from cloudsales_pipeline.documents.waybill_intents import Intent, intend
from cloudsales_pipeline.errors import (
    CloudSalesError,
    DatabaseError,
    InputError,
    RefusedError,
    SettingsError,
    describe_unexpected,
)
from cloudsales_pipeline.orders.life import issue_goods
from cloudsales_pipeline.orders.units import order_work
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.settings.documents import DocumentKind

BATCH = 200
BY_RULES = frozenset({"new", "paid", "issued"})
"""Orders in another status get no document by rules: held, expired, cancelled, returned."""
INVOICES: tuple[Kind, ...] = ("proforma_invoice", "fiscal_invoice")


class IssueResult(Struct, frozen=True, kw_only=True):
    """What a pass did. failed: rules that could not be judged; refused: documents that could not be built; both in quarantine."""

    judged: int = 0
    proforma_invoices: int = 0
    fiscal_invoices: int = 0
    stornos: int = 0
    waybills: int = 0
    failed: int = 0
    refused: int = 0

    def __add__(self, other: IssueResult) -> IssueResult:
        """Both together."""
        return IssueResult(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class _Order(Struct, frozen=True):
    order_id: int
    channel: str
    external_id: str
    status: str


class _Stuck(Exception):
    """A batch that failed as a whole: it is done again one by one, so that one order holds up no other."""


# ------------------------------------------------------------------------------------------------ by rules


def check_settings(settings: Settings) -> CheckedRules:
    """What must be right in the settings before anything is issued.

    Raises:
        SettingsError: a rule, a series or (where rules issue invoices) the company is not usable.
    """
    rules = check_rules(settings.documents)
    check_series(settings)
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
    rules = check_settings(settings)
    sync_channels(engine, settings)
    if by_age and rules.mention("age_hours"):
        _mark_open(engine)
    done, singles = IssueResult(), 0
    while most is None or done.judged < most:
        size = 1 if singles else batch
        try:
            result = _one_batch(engine, settings, rules, now, size)
        except _Stuck:
            singles = batch
            continue
        if not result.judged:
            break
        done, singles = done + result, max(0, singles - 1)
    return done


def sync_channels(engine: Engine, settings: Settings) -> None:
    """Tell the triggers which channels' orders are to be judged; one that is switched on has its open orders judged now."""
    values = {
        "channels": list(settings.channels),
        "enabled": [channel.documents.enabled for channel in settings.channels.values()],
    }

    def work(connection: Connection) -> None:
        if _run(connection, "channels_differ", **values).scalar_one():
            _run(connection, "set_channels", **values)

    order_work(engine, work, doing="note which channels get documents")


def _mark_open(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        _run(connection, "mark_open")

    order_work(engine, work, doing="mark orders to be judged by age")


def _one_batch(engine: Engine, settings: Settings, rules: CheckedRules, now: datetime | None, size: int) -> IssueResult:
    taken: list[Any] = []

    def work(connection: Connection) -> IssueResult:
        taken[:] = _run(connection, "take", most=size).all()
        return _judge(connection, settings, rules, [row.order_id for row in taken], [row.due_id for row in taken], now)

    try:
        return order_work(engine, work, doing="issue documents")
    except (SettingsError, DatabaseError):
        raise
    except (CloudSalesError, sa.exc.IntegrityError, sa.exc.DataError) as error:
        if size > 1:
            raise _Stuck from None
        _set_aside(engine, taken, error)
        return IssueResult(judged=1, refused=1)


def _set_aside(engine: Engine, taken: Sequence[Any], error: Exception) -> None:
    """An order that can't be issued for: quarantined, and not due until its facts change again."""
    what = error.message if isinstance(error, CloudSalesError) else describe_unexpected(error)

    def work(connection: Connection) -> None:
        orders = _locked(connection, [row.order_id for row in taken])
        _quarantine(connection, [(order, "issue_failed", {"what": what}) for order in orders])
        _run(connection, "taken", due=[row.due_id for row in taken])

    order_work(engine, work, doing="set an order aside")


def _judge(
    connection: Connection,
    settings: Settings,
    rules: CheckedRules,
    order_ids: Sequence[int],
    due: Sequence[int],
    now: datetime | None,
) -> IssueResult:
    if not due:
        return IssueResult()
    moment = now or datetime.now(UTC)
    orders = _locked(connection, sorted(set(order_ids)))
    ids = [order.order_id for order in orders]
    _run(connection, "taken", due=list(due))
    facts = facts_of(connection, ids, moment)
    had: dict[int, set[str]] = {row.order_id: set(row.kinds) for row in _run(connection, "had", orders=ids)}
    judged = {
        order.order_id: judge(rules, facts[order.order_id])
        if order.status in BY_RULES and settings.channels[order.channel].documents.enabled
        else Judgement({})
        for order in orders
    }
    waybills = intend(connection, _intents(orders, judged, had, facts), settings.documents)
    drafts = [*corrections_due(connection, ids), *_by_rules(connection, settings, orders, judged, had, facts)]
    issued, refused = _write(connection, settings, drafts, moment)
    _report(connection, orders, judged, refused)
    counts = {kind: sum(one.kind == kind for one in issued) for kind in (*INVOICES, "storno")}
    return IssueResult(
        judged=len(orders),
        proforma_invoices=counts["proforma_invoice"],
        fiscal_invoices=counts["fiscal_invoice"],
        stornos=counts["storno"],
        waybills=waybills,
        failed=sum(len(one.failed) for one in judged.values()),
        refused=len(refused),
    )


def _intents(
    orders: Sequence[_Order], judged: dict[int, Judgement], had: dict[int, set[str]], facts: dict[int, Facts]
) -> list[Intent]:
    found = []
    for order in orders:
        decision = judged[order.order_id].decisions.get("waybill")
        if decision and decision.courier and "waybill" not in had.get(order.order_id, ()):
            kept = as_kept(facts[order.order_id])
            found.append(
                Intent(
                    order_id=order.order_id,
                    courier=decision.courier,
                    service=decision.service or "",
                    rule=decision.rule.title,
                    facts=kept,
                )
            )
    return found


def _by_rules(
    connection: Connection,
    settings: Settings,
    orders: Sequence[_Order],
    judged: dict[int, Judgement],
    had: dict[int, set[str]],
    facts: dict[int, Facts],
) -> list[Draft]:
    wanted = [(order, kind) for order in orders if (kind := _kind_wanted(judged[order.order_id], had.get(order.order_id, set())))]
    ids = [order.order_id for order, _ in wanted]
    snapshots = snapshots_of(connection, ids, zone=settings.timezone) if ids else {}
    return [
        replace(
            _invoice(settings, snapshots[order.order_id], kind, cause="rule"),
            rule=judged[order.order_id].decisions[kind].rule.title,
            facts=as_kept(facts[order.order_id]),
        )
        for order, kind in wanted
    ]


def _kind_wanted(judgement: Judgement, had: set[str]) -> Kind | None:
    """The invoice to issue by rules: each kind once in an order's life, and no proforma beside or after a fiscal one.

    What was corrected is issued anew on a person's word alone: the rule would repeat what was wrong.
    """
    if "fiscal_invoice" in had:
        return None
    if "fiscal_invoice" in judgement.decisions:
        return "fiscal_invoice"
    return "proforma_invoice" if "proforma_invoice" in judgement.decisions and "proforma_invoice" not in had else None


def _report(connection: Connection, orders: Sequence[_Order], judged: dict[int, Judgement], refused: Sequence[Refused]) -> None:
    """What could not be judged or built goes into quarantine; what could, out of it."""
    by_id = {order.order_id: order for order in orders}
    rows: list[tuple[_Order, str, dict[str, Any]]] = []
    for order in orders:
        if failed := judged[order.order_id].failed:
            rules = [{"rule": rule.place, "name": rule.title, "what": why} for rule, why in failed]
            rows.append((order, "rule_failed", {"rules": rules}))
    for one in refused:
        rows.append((by_id[one.draft.order_id], "document_refused", {"kind": one.draft.kind, "what": one.why}))
    _quarantine(connection, rows)
    still = [f"{order.external_id}/{reason}" for order, reason, _ in rows]
    _run(connection, "settle", orders=list(by_id), still=still)


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
    check_series(settings)

    def work(connection: Connection) -> str:
        order = _locked_one(connection, channel, external_id)
        _refuse_closed(connection, order, kind)
        if kind == "waybill":
            return _waybill(connection, settings, order, now or datetime.now(UTC))
        snapshot = snapshots_of(connection, [order.order_id], zone=settings.timezone)[order.order_id]
        draft = _invoice(settings, snapshot, kind, cause="command")
        return _only(_write(connection, settings, [draft], now or datetime.now(UTC)))

    return order_work(engine, work, doing="issue a document")


def storno(engine: Engine, settings: Settings, number: str, *, now: datetime | None = None) -> str:
    """Correct a live fiscal invoice in whole; the storno's number. Rules issue no other for the order: `issue_one` does.

    Args:
        number: as printed, "FU 12".

    Raises:
        InputError: no such document.
        RefusedError: it is no fiscal invoice, or was corrected before.
    """
    check_series(settings)
    series, figures = parts_of(number)

    def work(connection: Connection) -> str:
        found = _run(connection, "by_number", series=series, number=figures).one_or_none()
        if found is None:
            raise InputError(f"There is no document {number}.", next_step="see cloudsales documents list")
        if found.kind != "fiscal_invoice":
            raise RefusedError(f"{number} is a {found.kind.replace('_', ' ')}; only a fiscal invoice is corrected.")
        _locked_one(connection, found.channel, found.external_id)
        found = _run(connection, "by_number", series=series, number=figures).one()
        if not found.live:
            raise RefusedError(f"{number} was corrected before, by {found.storno}.")
        draft = whole_storno(connection, found.order_id, cause="command")
        assert draft is not None  # a live invoice has content, and its order is locked
        return _only(_write(connection, settings, [draft], now or datetime.now(UTC)))

    return order_work(engine, work, doing="correct an invoice")


def check_goods(engine: Engine, channel: str, external_id: str, *, now: datetime | None = None) -> bool:
    """Note that the order's goods are there and right, a fact of rules; whether that is new.

    Raises:
        InputError: no such order.
    """

    def work(connection: Connection) -> bool:
        order = _locked_one(connection, channel, external_id)
        return bool(_run(connection, "check_goods", order_id=order.order_id, now=now or datetime.now(UTC)).rowcount)

    return order_work(engine, work, doing="note that goods were checked")


def parts_of(number: str) -> tuple[str, int]:
    """Series and figures of a printed number, "FU 12".

    Raises:
        InputError: it is none.
    """
    series, _, figures = number.strip().rpartition(" ")
    if not series or not (figures.isascii() and figures.isdigit()) or int(figures[:12]) > 2**31 - 1:
        raise InputError(f"{number!r} is no document's number.", next_step='write series and number, such as "FU 12"')
    return series.strip(), int(figures)


def _refuse_closed(connection: Connection, order: _Order, kind: DocumentKind) -> None:
    what = f"order {order.external_id} of {order.channel}"
    if order.status in ("cancelled", "expired", "returned"):
        raise RefusedError(f"No document can be issued: {what} is {order.status}.")
    live = {row.kind: f"{row.series} {row.number}" for row in _run(connection, "live", orders=[order.order_id])}
    other = live.get(kind) or (live.get("fiscal_invoice") if kind == "proforma_invoice" else None)
    if other:
        raise RefusedError(
            f"{what[0].upper()}{what[1:]} has {other}.", next_step="correct that first: cloudsales documents storno"
        )


def _waybill(connection: Connection, settings: Settings, order: _Order, now: datetime) -> str:
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


# ------------------------------------------------------------------------------------------------ shared


def _invoice(settings: Settings, order: OrderSnapshot, kind: Kind, *, cause: str) -> Draft:
    own = settings.channels[order.channel].documents.language if order.channel in settings.channels else None

    def build(number: str, issued_on: date) -> Content:
        return build_content(
            order,
            kind=kind,
            number=number,
            seller=settings.company,
            issued_on=issued_on,
            due_on=issued_on + timedelta(days=settings.documents.payment_days),
            language=own or settings.documents.language,
        )

    return Draft(
        order_id=order.order_id,
        channel=order.channel,
        external_id=order.external_id,
        kind=kind,
        cause=cause,
        build=build,
        flags=lambda content: flags_of(order, content),
        lines=tuple(line.line_id for line in order.lines if line.quantity > 0),
    )


def _write(
    connection: Connection, settings: Settings, drafts: Sequence[Draft], now: datetime
) -> tuple[list[Issued], list[Refused]]:
    """Number and write; goods leave with their fiscal invoice where the settings say so."""
    issued, refused = write(connection, settings, drafts, today=now.astimezone(ZoneInfo(settings.timezone)).date())
    if settings.documents.goods_leave_on == "fiscal_invoice":
        leaving = {one.order_id: f"invoice:{one.number}" for one in issued if one.kind == "fiscal_invoice"}
        if leaving:
            issue_goods(connection, leaving, now=now)
    return issued, refused


def _locked(connection: Connection, order_ids: Sequence[int]) -> list[_Order]:
    return [_Order(*row) for row in _run(connection, "lock", orders=list(order_ids))]


def _locked_one(connection: Connection, channel: str, external_id: str) -> _Order:
    row = _run(connection, "lock_one", channel=channel, external_id=external_id).one_or_none()
    if row is None:
        raise InputError(f"There is no order {external_id} of {channel}.", next_step="see cloudsales orders list")
    return _Order(*row)


def _quarantine(connection: Connection, rows: Sequence[tuple[_Order, str, dict[str, Any]]]) -> None:
    if rows:
        named = [
            {"channel": order.channel, "reference": order.external_id, "reason": reason, "detail": detail}
            for order, reason, detail in rows
        ]
        _run(connection, "quarantine", rows=json.dumps(named))


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    """A step of issuing.sql."""
    return connection.execute(sa.text(steps(__package__, "issuing")[step]), values)
