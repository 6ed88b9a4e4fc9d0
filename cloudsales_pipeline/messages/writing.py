"""One happening as messages: for each rule the text, the recipient, the files, and why it would not be sent.

What belongs here: one order's messages, of facts that were read. What does not: what only the database knows of others
(consent, caps, what was told before: `telling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cloudsales_pipeline.messages.context import context_of
from cloudsales_pipeline.messages.events import OF_PARCELS, all_reached, has_no_point, standing
from cloudsales_pipeline.messages.facts import Document, OrderFacts, Parcel
from cloudsales_pipeline.messages.hours import quiet_until
from cloudsales_pipeline.messages.recipients import NoRecipientError, recipient_of
from cloudsales_pipeline.messages.rules import CheckedRule, CheckedRules, Texts, Words, language_of
from cloudsales_pipeline.messages.sms import segments
from cloudsales_pipeline.messages.templates import TemplateFailedError
from cloudsales_pipeline.outbox.messages import Outgoing
from cloudsales_pipeline.settings import Settings

KINDS = {"proforma_issued": "proforma_invoice", "invoice_issued": "fiscal_invoice", "storno_issued": "storno"}
LONGEST_ADDRESS = 254


@dataclass(frozen=True)
class Happening:
    """What happened to an order, as it was noted."""

    happening_id: int
    order_id: int
    event: str
    occurred_at: datetime
    document_id: int | None = None
    waybill_id: int | None = None


@dataclass(frozen=True)
class Written:
    """A message, and whether it goes to the buyer."""

    message: Outgoing
    to_buyer: bool


@dataclass(frozen=True)
class Result:
    """The messages of a happening; later: why some of them must wait."""

    written: Sequence[Written]
    later: str | None = None


@dataclass(frozen=True)
class _Subject:
    """What a happening is about. again: how often the like of it happened to the order before."""

    document: Document | None
    parcels: Sequence[Parcel]
    again: int


@dataclass(frozen=True)
class Attached:
    """Files that go with a message. missing: one is still to be made."""

    ids: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    size: int = 0
    missing: bool = False


def write(settings: Settings, rules: CheckedRules, order: OrderFacts, what: Happening, now: datetime) -> Result:
    """What each rule makes of it; nothing where it is not so any more, or some parcels are still to come so far."""
    subject = _subject(order, what)
    if subject is None:
        return Result(())
    written, later = [], None
    for rule in rules.of(what.event, order.channel):
        attached = attached_to(rule, order, subject.document)
        if attached.missing and now < what.occurred_at + settings.messages.attach_wait and not order.erased:
            later = "file_missing"
            continue
        reason = _reason(settings, rules, rule, order, what, now)
        try:
            written.append(Written(_message(settings, rule, order, what, subject, attached, reason, now), rule.to is None))
        except TemplateFailedError as error:
            later = error.reason
    return Result(written, later)


def name_of(event: str, again: int) -> str:
    """An event's name on a message: what happens to an order again is another event."""
    return f"{event}_again_{again}" if again else event


def attached_to(rule: CheckedRule, order: OrderFacts, document: Document | None) -> Attached:
    """The files that a rule asks for, as far as the order has the documents."""
    found: list[tuple[int | None, str, int]] = []
    for kind in rule.setting.attach:
        if kind == "waybill":
            found += [(one.label_file_id, one.file_name or "", one.file_bytes or 0) for one in order.live_parcels()]
            continue
        papers = [one for one in order.documents if one.kind == kind]
        chosen = document if document and document.kind == kind else papers[-1] if papers else None
        if chosen is not None:
            found.append((chosen.file_id, chosen.file_name or "", chosen.file_bytes or 0))
    made = [(one, name, size) for one, name, size in found if one is not None]
    return Attached(
        tuple(one for one, _, _ in made),
        tuple(name for _, name, _ in made),
        sum(size for _, _, size in made),
        len(made) < len(found),
    )


def _subject(order: OrderFacts, what: Happening) -> _Subject | None:
    if what.event in KINDS:
        document = next((one for one in order.documents if one.document_id == what.document_id), None)
        return _Subject(document, order.live_parcels(), document.again) if document else None
    parcels = order.live_parcels()
    if what.event not in OF_PARCELS:
        return _Subject(None, parcels, 0)
    if all(one.waybill_id != what.waybill_id for one in parcels) or not all_reached(order, OF_PARCELS[what.event]):
        return None
    return _Subject(None, parcels, max(one.again for one in parcels))


def _reason(
    settings: Settings, rules: CheckedRules, rule: CheckedRule, order: OrderFacts, what: Happening, now: datetime
) -> str | None:
    """Why it is not sent, as far as the order says."""
    if order.erased and rule.to is None:
        return "erased"
    if what.occurred_at < now - settings.messages.max_age:
        return "too_old"
    told = rules.told(order.channel, rule.setting.medium, rule.to)
    if has_no_point(what.event, standing(order), told) or (what.event == "stock_arrived" and order.waiting):
        return "superseded"
    return None


def _message(
    settings: Settings,
    rule: CheckedRule,
    order: OrderFacts,
    what: Happening,
    subject: _Subject,
    attached: Attached,
    reason: str | None,
    now: datetime,
) -> Outgoing:
    medium, language = rule.setting.medium, language_of(settings, rule.setting, order.channel)
    message = Outgoing(
        "order", order.external_id, name_of(what.event, subject.again), medium, "", "", "",
        channel=order.channel, language=language, skipped=reason,
    )  # fmt: skip
    if order.erased and rule.to is None:
        return message
    recipient, unfit = _recipient(rule, order)
    words = words_of(settings, rule.texts[language], order, subject.document, subject.parcels, attached.names)
    reason = reason or unfit or _too_much(settings, medium, words, attached)
    return replace(
        message,
        recipient=recipient,
        title=words.title,
        text=words.text,
        html=words.html,
        files=attached.ids if reason != "attachments_too_large" else (),
        due_at=quiet_until(now, settings.messages.quiet_hours, settings.timezone) if medium == "sms" else None,
        skipped=reason,
    )


def words_of(
    settings: Settings,
    texts: Texts,
    order: OrderFacts,
    document: Document | None,
    parcels: Sequence[Parcel],
    attachments: Sequence[str] = (),
) -> Words:
    """The rendered message.

    Raises:
        TemplateFailedError: the template can't be rendered for this order.
    """
    context = context_of(settings, order, texts.language, document=document, parcels=parcels, attachments=attachments)
    return texts.render(context)


def _recipient(rule: CheckedRule, order: OrderFacts) -> tuple[str, str | None]:
    """The address, and why it can't be used."""
    if rule.to is not None:
        return rule.to, None
    given = order.phone if rule.setting.medium == "sms" else order.email
    try:
        return recipient_of(rule.setting.medium, given, order.country), None
    except NoRecipientError as error:
        return (given or "").strip()[:LONGEST_ADDRESS], error.reason


def _too_much(settings: Settings, medium: str, words: Words, attached: Attached) -> str | None:
    if medium == "sms" and segments(words.text) > settings.messages.sms_segments:
        return "sms_too_long"
    return "attachments_too_large" if attached.size > settings.messages.attach_bytes else None
