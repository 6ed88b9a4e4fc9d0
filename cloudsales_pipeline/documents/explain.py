"""Why an order has the documents that it has; and what the rules of today would have issued on past orders.

What belongs here: these two questions, which write nothing. What does not: issuing (`issuing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.facts import Facts, facts_of
from cloudsales_pipeline.documents.issuing import parts_of
from cloudsales_pipeline.documents.judging import BY_RULES
from cloudsales_pipeline.documents.rules import CheckedRule, CheckedRules, check_rules, evaluate, judge
from cloudsales_pipeline.errors import InputError
from cloudsales_pipeline.outbox.files import File, read_file
from cloudsales_pipeline.settings import Settings

REPLAY_BATCH = 1000


class RuleSaid(Struct, frozen=True):
    """A rule over one order: `says` is yes, no, or why it can't be judged; `decides`: the first of its kind that holds."""

    rule: int
    issue: str
    name: str
    when: str
    says: str
    decides: bool
    facts: dict[str, Any]  # those that it looks at


class Explanation(Struct, frozen=True):
    """An order, its rules and its documents. notes: why nothing is issued though a rule holds."""

    facts: Facts
    rules: tuple[RuleSaid, ...]
    documents: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


class Replayed(Struct, frozen=True):
    """A past order for which today's rules say something else than was issued."""

    channel: str
    id: str
    placed_at: datetime
    would: tuple[str, ...]
    issued: tuple[str, ...]
    by: tuple[str, ...]  # the rules, in the order of `would`


class Replay(Struct, frozen=True):
    """All orders looked at, and those with a difference. Facts are as of now: no history of them is kept."""

    orders: int
    same: int
    differences: tuple[Replayed, ...]


def explain(engine: Engine, settings: Settings, channel: str, external_id: str, *, now: datetime | None = None) -> Explanation:
    """Each rule over the order as it is now, and which documents it has.

    Raises:
        InputError: no such order.
        SettingsError: a rule is not usable.
    """
    rules = check_rules(settings.documents)
    with engine.connect() as connection:
        order_id = _run(connection, "find", channel=channel, external_id=external_id).scalar_one_or_none()
        if order_id is None:
            raise InputError(f"There is no order {external_id} of {channel}.", next_step="see cloudsales orders list")
        facts = facts_of(connection, [order_id], now or datetime.now(UTC))[order_id]
        documents = tuple(dict(row) for row in _run(connection, "documents", order_id=order_id).mappings())
        faults = [row.reason for row in _run(connection, "faults", channel=channel, external_id=external_id)]
    kinds = {document["kind"] for document in documents}
    notes = (*_notes(settings, facts, kinds), *(f"in quarantine: {reason}" for reason in faults))
    return Explanation(facts, tuple(_said(rules, facts)), documents, notes)


def _said(rules: CheckedRules, facts: Facts) -> Iterator[RuleSaid]:
    values = {name: getattr(facts, name) for name in Facts.__struct_fields__}
    decided: set[str] = set()
    for rule in rules.rules:
        holds, why = evaluate(rule, values)
        decides = holds and rule.setting.issue not in decided
        if decides:
            decided.add(rule.setting.issue)
        yield _one(rule, values, why or ("yes" if holds else "no"), decides=decides)


def _one(rule: CheckedRule, values: Mapping[str, Any], says: str, *, decides: bool) -> RuleSaid:
    seen = {name: values[name] for name in sorted(rule.names)}
    return RuleSaid(rule.place, rule.setting.issue, rule.title, rule.setting.when, says, decides, seen)


def _notes(settings: Settings, facts: Facts, kinds: set[str]) -> Iterator[str]:
    channel = settings.channels.get(facts.channel)
    if channel is not None and not channel.documents.enabled:
        yield f"channels.{facts.channel}.documents.enabled is false: rules issue nothing for this channel"
    if facts.status not in BY_RULES:
        yield f"the order is {facts.status}: rules issue nothing for it"
    if "fiscal_invoice" in kinds:
        yield "it has had its fiscal invoice: rules issue no other invoice for it (cloudsales documents issue does)"


def replay(
    engine: Engine, settings: Settings, since: datetime, *, now: datetime | None = None, until: datetime | None = None
) -> Replay:
    """What today's rules would have issued on the orders placed since then, against what was issued.

    The facts are those of now, since no history of them is kept: an order that has left is judged as one that has left. Each
    order is judged as if it had no documents yet, and again with those that the first judging gave it, as in life.

    Raises:
        SettingsError: a rule is not usable.
    """
    rules = check_rules(settings.documents)
    moment = now or datetime.now(UTC)
    orders, differences = 0, []
    for rows, facts in _past(engine, since, until or moment, moment):
        orders += len(rows)
        for row in rows:
            would = _would(rules, facts[row.order_id]) if row.status in BY_RULES or row.kinds else {}
            if set(would) != set(row.kinds):
                kinds = tuple(sorted(would))
                names = tuple(would[kind] for kind in kinds)
                differences.append(Replayed(row.channel, row.external_id, row.placed_at, kinds, tuple(row.kinds), names))
    return Replay(orders, orders - len(differences), tuple(differences))


def _past(engine: Engine, since: datetime, until: datetime, now: datetime) -> Iterator[tuple[Sequence[Any], dict[int, Facts]]]:
    """Batches of orders with their facts, a short transaction for each."""
    after = 0
    while True:
        with engine.connect() as connection:
            rows = _run(connection, "past", since=since, until=until, after=after, limit=REPLAY_BATCH).all()
            if not rows:
                return
            facts = facts_of(connection, [row.order_id for row in rows], now)
        after = rows[-1].order_id
        yield rows, facts


def _would(rules: CheckedRules, facts: Facts) -> dict[str, str]:
    """Kind → the rule; a proforma is left out where the fiscal invoice comes at once."""
    bare = replace(facts, has_proforma_invoice=False, has_fiscal_invoice=False, has_waybill=False)
    first = _kinds(rules, bare)
    then = replace(
        bare,
        has_proforma_invoice="proforma_invoice" in first,
        has_fiscal_invoice="fiscal_invoice" in first,
        has_waybill="waybill" in first,
    )
    both = {**_kinds(rules, then), **first} if first else first
    if "fiscal_invoice" in first:
        both.pop("proforma_invoice", None)
    return both


def _kinds(rules: CheckedRules, facts: Facts) -> dict[str, str]:
    found = {str(kind): decision.rule.title for kind, decision in judge(rules, facts).decisions.items()}
    if "fiscal_invoice" in found:
        found.pop("proforma_invoice", None)
    return found


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    """A step of explain.sql."""
    return connection.execute(sa.text(steps(__package__, "explain")[step]), values)


def file_of(engine: Engine, number: str, kind: Literal["pdf", "xml"]) -> File:
    """A document's PDF or e-invoice.

    Raises:
        InputError: no such document, or (yet) no such file of it.
    """
    series, figures = parts_of(number)
    with engine.connect() as connection:
        row = _run(connection, "file", series=series, number=figures, kind=kind).one_or_none()
        if row is None:
            raise InputError(f"There is no document {number}.", next_step="see cloudsales documents list")
        file = read_file(connection, row.file_id) if row.file_id is not None else None
    if file is None:
        what = "e-invoice" if kind == "xml" else "PDF"
        why = "a proforma has none" if kind == "xml" and row.kind == "proforma_invoice" else "files are made after the number"
        raise InputError(f"{number} has no {what} ({why}).", next_step="look again when the documents' next pass has run")
    return file
