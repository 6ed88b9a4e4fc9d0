"""Documents about to be issued: their series, their numbers, and the rows that they become.

A number is taken last, when the document is known to be whole, and in the transaction that writes it: what fails leaves no gap
(I-32), and the series' row is held for a few statements only.

What belongs here: numbers and writing. What does not: which documents are wanted (`issuing`, `corrections`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.documents.content import Content, Kind
from cloudsales_pipeline.documents.submission import submit_by
from cloudsales_pipeline.errors import CloudSalesError, SettingsError
from cloudsales_pipeline.outbox.numbering import take_numbers
from cloudsales_pipeline.settings import Settings
from cloudsales_pipeline.settings.documents import SeriesSettings

Build = Callable[[str, date], Content]
"""The document's content, given its number as printed and its day."""


class Draft(Struct, frozen=True, kw_only=True):
    """A document without a number.

    Args:
        build: raises CloudSalesError where there is nothing to issue.
        flags: what a person should know of the content.
        lines: of an invoice, the order's lines that it lists; a storno has none.
        corrects: of a storno, the invoice; `whole`: nothing is left of that.
    """

    order_id: int
    channel: str
    external_id: str
    kind: Kind
    cause: str
    build: Build
    flags: Callable[[Content], tuple[str, ...]]
    lines: tuple[str, ...] = ()
    rule: str = ""
    facts: dict[str, Any] = {}
    corrects: int | None = None
    whole: bool = False


class Issued(Struct, frozen=True):
    """A document that has its number."""

    document_id: int
    kind: str
    number: str  # as printed: "FU 12"
    order_id: int


class Refused(Struct, frozen=True):
    """A document that could not be built, and why; no number was taken for it."""

    draft: Draft
    why: str


def series_of(settings: Settings, channel: str, kind: Kind) -> tuple[str, str]:
    """(counter, series) of a kind on a channel: a storno without a series of its own takes the invoices' next number."""
    found = series_settings(settings, channel)
    if kind != "storno":
        return kind, getattr(found, kind)
    own = found.storno
    return ("storno", own) if own and own != found.fiscal_invoice else ("fiscal_invoice", found.fiscal_invoice)


def series_settings(settings: Settings, channel: str) -> SeriesSettings:
    """The channel's own series, else everybody's."""
    own = settings.channels[channel].documents.series if channel in settings.channels else None
    return own or settings.documents.series


KINDS: tuple[Kind, ...] = ("proforma_invoice", "fiscal_invoice", "storno")
SERIES_ADVICE = "give each kind a series of its own, under documents.series or channels.NAME.documents.series"


def series_faults(settings: Settings) -> dict[str, str]:
    """Channels whose own series is another kind's elsewhere, and what is wrong: a series is of one kind only (I-33).

    Raises:
        SettingsError: the series of all channels, `documents.series`, are so among themselves.
    """
    users: dict[str, str] = {}
    fault = _clash(settings, "", users)
    if fault:
        raise SettingsError(f"{fault}.", next_step=SERIES_ADVICE)
    own = [name for name, channel in settings.channels.items() if channel.documents.series]
    found = {name: _clash(settings, name, users) for name in own}
    return {name: f"{fault}; one of them is channel {name}'s." for name, fault in found.items() if fault}


def _clash(settings: Settings, channel: str, users: dict[str, str]) -> str:
    """What is wrong with a channel's series beside those in `users`, which they join where nothing is."""
    mine: dict[str, str] = {}
    for counter, series in (series_of(settings, channel, kind) for kind in KINDS):
        other = users.get(series) or mine.setdefault(series, counter)
        if other != counter:
            return f"The series {series} is used for {other} and for {counter}"
    users.update(mine)
    return ""


def check_series(settings: Settings, channel: str | None = None) -> None:
    """Refuse series that are used twice.

    Args:
        channel: look at this channel's alone; None: at all.

    Raises:
        SettingsError: one is used twice.
    """
    faults = series_faults(settings)
    for name, fault in faults.items():
        if channel in (None, name):
            raise SettingsError(fault, next_step=SERIES_ADVICE)


def write(
    connection: Connection, settings: Settings, drafts: Sequence[Draft], *, today: date
) -> tuple[list[Issued], list[Refused]]:
    """Number and write these documents, in the caller's transaction, which has locked their orders.

    A day is never before the series' last one, whatever the clock says (F-34).
    """
    whole, refused = _built(drafts, today)
    groups: dict[tuple[str, str], list[tuple[Draft, Content]]] = {}
    for draft, content in whole:
        groups.setdefault(series_of(settings, draft.channel, draft.kind), []).append((draft, content))
    rows = [row for key in sorted(groups) for row in _numbered(connection, *key, groups[key], today)]
    if not rows:
        return [], refused
    made = connection.execute(
        sa.text(steps(__package__, "issuing")["write"]),
        {"rows": _json([{**row, "place": place} for place, row in enumerate(rows)]), "hand_over": settings.documents.hand_over},
    )
    return [Issued(row.document_id, row.kind, f"{row.series} {row.number}", row.order_id) for row in made], refused


def _built(drafts: Sequence[Draft], today: date) -> tuple[list[tuple[Draft, Content]], list[Refused]]:
    built, refused = [], []
    for draft in drafts:
        try:
            built.append((draft, draft.build("?", today)))
        except SettingsError:
            raise
        except CloudSalesError as error:
            refused.append(Refused(draft, error.message))
    return built, refused


def _numbered(
    connection: Connection, counter: str, series: str, built: Sequence[tuple[Draft, Content]], today: date
) -> list[dict[str, Any]]:
    numbers = take_numbers(connection, counter, series, today, len(built), yearly=False)
    if numbers.first == 1:
        _refuse_series_of_others(connection, counter, series)
    rows = []
    for number, (draft, content) in enumerate(built, start=numbers.first):
        printed = f"{series} {number}"
        same_day = numbers.dated == today
        done = msgspec.structs.replace(content, number=printed) if same_day else draft.build(printed, numbers.dated)
        rows.append(_row(draft, done, series, number))
    return rows


def _refuse_series_of_others(connection: Connection, counter: str, series: str) -> None:
    """A new series that another kind of document had under earlier settings: its numbers would be given twice."""
    query = sa.text(steps(__package__, "issuing")["series_of_others"])
    other = connection.execute(query, {"series": series, "counter": counter}).scalar_one_or_none()
    if other is not None:
        raise SettingsError(
            f"The series {series} can't be used for {counter}: {other} has numbers of it already.",
            next_step="choose a series that no document has had, under documents.series or channels.NAME.documents.series",
        )


def _row(draft: Draft, content: Content, series: str, number: int) -> dict[str, Any]:
    fiscal = draft.kind != "proforma_invoice"
    return {
        "kind": draft.kind,
        "series": series,
        "number": number,
        "order_id": draft.order_id,
        "issued_on": content.issued_on,
        "supplied_on": content.supplied_on,
        "due_on": content.due_on,
        "currency": content.currency,
        "net": content.net,
        "vat": content.vat,
        "rounding": content.rounding,
        "total": content.payable,
        "language": content.language,
        "corrects": draft.corrects,
        "cause": draft.cause,
        "rule": draft.rule,
        "facts": draft.facts,
        "flags": draft.flags(content),
        "lines": draft.lines,
        "submit_by": submit_by(content.issued_on) if fiscal else None,
        "whole": draft.whole,
        "content": content,
    }


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps(msgspec.to_builtins(rows), ensure_ascii=False)
