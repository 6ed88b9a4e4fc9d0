"""A message as it would be, for one order: nothing is written, nobody is told.

What belongs here: that look. What does not: telling (`telling`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from cloudsales_pipeline.errors import InputError, SettingsError
from cloudsales_pipeline.messages.facts import Document, OrderFacts, find_order, read_orders
from cloudsales_pipeline.messages.recipients import NoRecipientError, masked, recipient_of
from cloudsales_pipeline.messages.rules import language_of, texts_of
from cloudsales_pipeline.messages.sms import segments
from cloudsales_pipeline.messages.templates import TemplateFailedError
from cloudsales_pipeline.messages.writing import KINDS, words_of
from cloudsales_pipeline.settings import MessageRule, Settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


class Preview(Struct, frozen=True):
    """A rendered message. to: masked; empty, and `why_not` says so, where it could go to nobody."""

    medium: str
    language: str
    to: str
    title: str
    text: str
    html: str | None
    segments: int
    why_not: str
    made_at: datetime


def preview(
    engine: Engine,
    settings: Settings,
    event: str,
    channel: str,
    external_id: str,
    *,
    medium: str = "email",
    language: str | None = None,
) -> Preview:
    """The message of an event for an order, by the first rule for it, or by the event's template where no rule tells of it.

    Raises:
        InputError: no such event or order, or it has no such document.
        SettingsError: the template has a fault.
    """
    rule = _rule(settings, event, channel, medium)
    spoken = language or language_of(settings, rule, channel)
    with engine.connect() as connection:
        order_id = find_order(connection, channel, external_id)
        if order_id is None:
            raise InputError(f"There is no order {external_id} of {channel}.", next_step="see cloudsales orders list")
        order = read_orders(connection, [order_id], lock=False)[order_id]
    texts = texts_of(settings, medium, rule.template or event, spoken)
    try:
        words = words_of(settings, texts, order, _document(order, event), order.live_parcels())
    except TemplateFailedError as error:
        raise SettingsError(f"The template can't be rendered for this order ({error.reason}).") from None
    to, why_not = _to(rule, order)
    count = segments(words.text) if medium == "sms" else 0
    return Preview(medium, spoken, to, words.title, words.text, words.html, count, why_not, datetime.now(UTC))


def _rule(settings: Settings, event: str, channel: str, medium: str) -> MessageRule:
    for rule in settings.messages.rules:
        if rule.on == event and rule.medium == medium and (not rule.channels or channel in rule.channels):
            return rule
    try:
        return MessageRule.model_validate({"on": event, "medium": medium})
    except ValueError as error:
        first = error.errors()[0]["msg"] if hasattr(error, "errors") else str(error)
        raise InputError(str(first).removeprefix("Value error, ")[:300] + ".") from None


def _document(order: OrderFacts, event: str) -> Document | None:
    papers = [one for one in order.documents if one.kind == KINDS.get(event)]
    if event in KINDS and not papers:
        raise InputError(f"Order {order.external_id} has no {KINDS[event].replace('_', ' ')} yet.")
    return papers[-1] if papers else None


def _to(rule: MessageRule, order: OrderFacts) -> tuple[str, str]:
    given = rule.to if rule.to != "buyer" else order.phone if rule.medium == "sms" else order.email
    if order.erased and rule.to == "buyer":
        return "", "erased"
    try:
        return masked(recipient_of(rule.medium, given, order.country)), ""
    except NoRecipientError as error:
        return "", error.reason
