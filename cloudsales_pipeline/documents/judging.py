"""One transaction over orders whose facts changed: their rules judged, and all that follows from it written.

What belongs here: what a batch of orders gets. What does not: which orders are due (`issuing`), and what a rule is (`rules`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.engine import Connection

from cloudsales_pipeline.documents.corrections import corrections_due
from cloudsales_pipeline.documents.drafts import Draft, Refused
from cloudsales_pipeline.documents.facts import Facts, as_kept, facts_of
from cloudsales_pipeline.documents.rules import CheckedRules, Judgement, judge
from cloudsales_pipeline.documents.snapshots import snapshots_of
from cloudsales_pipeline.documents.standing import Order, invoice_draft, locked, quarantine, run, write_out
from cloudsales_pipeline.documents.waybill_intents import Intent, intend
from cloudsales_pipeline.settings import Settings

BY_RULES = frozenset({"new", "paid", "issued"})
"""Orders in another status get no document by rules: held, expired, cancelled, returned."""
Invoice = Literal["proforma_invoice", "fiscal_invoice"]
INVOICES: tuple[Invoice, ...] = ("proforma_invoice", "fiscal_invoice")


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


class _Batch(Struct, frozen=True):
    """Orders, locked, with what was read of them."""

    orders: Sequence[Order]
    facts: Mapping[int, Facts]
    had: Mapping[int, set[str]]
    judged: Mapping[int, Judgement]


def judge_orders(
    connection: Connection, settings: Settings, rules: CheckedRules, due: Mapping[int, int], now: datetime
) -> IssueResult:
    """Judge these orders and write what they get, in the caller's transaction.

    Args:
        due: the rows of document_due that they were taken by → order id; they are taken away.

    Raises:
        CloudSalesError, sqlalchemy's errors: one of the orders can't be issued for. The transaction must end without a commit.
    """
    batch = _read(connection, settings, rules, due, now)
    waybills = intend(connection, _intents(batch), settings.documents)
    drafts = [*corrections_due(connection, list(batch.facts)), *_by_rules(connection, settings, batch)]
    issued, refused = write_out(connection, settings, drafts, now)
    _report(connection, batch, refused)
    counts = {kind: sum(one.kind == kind for one in issued) for kind in (*INVOICES, "storno")}
    return IssueResult(
        judged=len(batch.orders),
        proforma_invoices=counts["proforma_invoice"],
        fiscal_invoices=counts["fiscal_invoice"],
        stornos=counts["storno"],
        waybills=waybills,
        failed=sum(len(one.failed) for one in batch.judged.values()),
        refused=len(refused),
    )


def _read(connection: Connection, settings: Settings, rules: CheckedRules, due: Mapping[int, int], now: datetime) -> _Batch:
    orders = locked(connection, sorted(set(due.values())))
    ids = [order.order_id for order in orders]
    # Before the facts are read: a change that is marked later than this is judged again.
    run(connection, "taken", due=list(due))
    facts = facts_of(connection, ids, now)
    had = {row.order_id: set(row.kinds) for row in run(connection, "had", orders=ids)}
    judged = {
        order.order_id: judge(rules, facts[order.order_id])
        if order.status in BY_RULES and settings.channels[order.channel].documents.enabled
        else Judgement({})
        for order in orders
    }
    return _Batch(orders, facts, had, judged)


def _intents(batch: _Batch) -> list[Intent]:
    found = []
    for order in batch.orders:
        decision = batch.judged[order.order_id].decisions.get("waybill")
        if decision and decision.courier and "waybill" not in batch.had.get(order.order_id, ()):
            kept = as_kept(batch.facts[order.order_id])
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


def _by_rules(connection: Connection, settings: Settings, batch: _Batch) -> list[Draft]:
    wanted = [
        (order, kind)
        for order in batch.orders
        if (kind := _kind_wanted(batch.judged[order.order_id], batch.had.get(order.order_id, set())))
    ]
    ids = [order.order_id for order, _ in wanted]
    snapshots = snapshots_of(connection, ids, zone=settings.timezone) if ids else {}
    return [
        replace(
            invoice_draft(settings, snapshots[order.order_id], kind, cause="rule"),
            rule=batch.judged[order.order_id].decisions[kind].rule.title,
            facts=as_kept(batch.facts[order.order_id]),
        )
        for order, kind in wanted
    ]


def _kind_wanted(judgement: Judgement, had: set[str]) -> Invoice | None:
    """The invoice to issue by rules: each kind once in an order's life, and no proforma beside or after a fiscal one.

    What was corrected is issued anew on a person's word alone: the rule would repeat what was wrong.
    """
    if "fiscal_invoice" in had:
        return None
    if "fiscal_invoice" in judgement.decisions:
        return "fiscal_invoice"
    return "proforma_invoice" if "proforma_invoice" in judgement.decisions and "proforma_invoice" not in had else None


def _report(connection: Connection, batch: _Batch, refused: Sequence[Refused]) -> None:
    """What could not be judged or built goes into quarantine; what could, out of it."""
    by_id = {order.order_id: order for order in batch.orders}
    rows: list[tuple[Order, str, dict[str, Any]]] = []
    for order in batch.orders:
        if failed := batch.judged[order.order_id].failed:
            rules = [{"rule": rule.place, "name": rule.title, "what": why} for rule, why in failed]
            rows.append((order, "rule_failed", {"rules": rules}))
    for one in refused:
        rows.append((by_id[one.draft.order_id], "document_refused", {"kind": one.draft.kind, "what": one.why}))
    quarantine(connection, rows)
    still = [f"{order.channel}/{order.external_id}/{reason}" for order, reason, _ in rows]
    run(connection, "settle", orders=list(by_id), still=still)
