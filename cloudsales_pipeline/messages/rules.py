"""The rules as they are used: each with its templates read, guarded and tried, and its fixed address read.

What belongs here: that check. What does not: telling (`telling`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.messages import templates
from cloudsales_pipeline.messages.context import sample
from cloudsales_pipeline.messages.events import ENDS, OF_PARCELS, POINTLESS_AFTER, WAYBILL_CANCELLED
from cloudsales_pipeline.messages.html import page_of
from cloudsales_pipeline.messages.recipients import NoRecipientError, recipient_of
from cloudsales_pipeline.messages.sms import folded
from cloudsales_pipeline.settings import MessageRule, Settings

if TYPE_CHECKING:
    from jinja2 import Template

BUYER = "buyer"


@dataclass(frozen=True)
class Words:
    """A rendered message: title is empty, and html None, where the medium has none."""

    title: str
    text: str
    html: str | None = None


@dataclass(frozen=True)
class Texts:
    """The templates of one rule in one language."""

    medium: str
    language: str
    fold: bool
    text: Template
    html: Template | None = None

    def render(self, context: dict[str, Any]) -> Words:
        """The message.

        Raises:
            TemplateFailedError: it can't be made.
        """
        text = templates.render(self.text, context)
        if self.medium == "sms":
            one = " ".join(text.split())
            return Words("", folded(one) if self.fold else one)
        title, _, body = text.partition("\n")
        html = templates.render(self.html, context) if self.html else page_of(body, title.strip(), self.language)
        return Words(title.strip(), body.strip(), html)


@dataclass(frozen=True)
class CheckedRule:
    """A rule; `place` from 1. to: the fixed address, None for the buyer. texts: by language."""

    place: int
    setting: MessageRule
    to: str | None
    texts: Mapping[str, Texts]


@dataclass(frozen=True)
class CheckedRules:
    """All rules, in the settings' order."""

    rules: tuple[CheckedRule, ...]

    def of(self, event: str, channel: str) -> list[CheckedRule]:
        """Those for an event of a channel's order."""
        return [one for one in self.rules if one.setting.on == event and _is_for(one.setting, channel)]

    def told(self, channel: str, medium: str, to: str | None) -> set[str]:
        """The events that the same person is told of by the same medium."""
        return {
            one.setting.on
            for one in self.rules
            if _is_for(one.setting, channel) and one.setting.medium == medium and one.to == to
        }


def wanted(settings: Settings, channel: str) -> set[str]:
    """The events of a channel's orders that must be noted: what rules tell of, and what makes that pointless."""
    told = {rule.on for rule in settings.messages.rules if _is_for(rule, channel)}
    ends = {later for event in told for later in POINTLESS_AFTER[event] & ENDS}
    return told | ends | ({WAYBILL_CANCELLED} if told & set(OF_PARCELS) else set())


def check_rules(settings: Settings) -> CheckedRules:
    """Every rule with its templates.

    Raises:
        SettingsError: the first rule or template with a fault: which one, its line, what is wrong, and what is near.
    """
    return CheckedRules(tuple(_checked(settings, place, rule) for place, rule in enumerate(settings.messages.rules, start=1)))


def language_of(settings: Settings, rule: MessageRule, channel: str) -> str:
    """In which language a rule tells a channel's buyers."""
    own = settings.channels[channel].documents.language if channel in settings.channels else None
    return rule.language or own or settings.messages.language


def texts_of(settings: Settings, medium: str, name: str, language: str) -> Texts:
    """The templates of a name, tried on a sample.

    Raises:
        SettingsError: there is none of that name, or one has a fault.
    """
    kind = "sms" if medium == "sms" else "txt"
    folder, context = settings.messages.templates, sample(settings, language)
    source = templates.find(folder, language, name, kind)
    if source is None:
        near = difflib.get_close_matches(name, templates.names(folder, language), n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(
            f"there is no template {language}/{name}.{kind}.j2{hint}", next_step="write it, in the folder messages.templates"
        )
    html = templates.find(folder, language, name, "html") if medium == "email" else None
    made = Texts(
        medium,
        language,
        settings.messages.sms_fold,
        templates.check(source, context),
        templates.check(html, context) if html else None,
    )
    if medium == "email" and not made.render(context).text:
        raise SettingsError(f"{source.place} has no text behind its first line, which is the subject")
    return made


def _checked(settings: Settings, place: int, rule: MessageRule) -> CheckedRule:
    to = None if rule.to == BUYER else _fixed(settings, place, rule)
    channels = rule.channels or tuple(settings.channels)
    languages = {language_of(settings, rule, channel) for channel in channels} or {rule.language or settings.messages.language}
    try:
        made = {one: texts_of(settings, rule.medium, rule.template or rule.on, one) for one in sorted(languages)}
    except SettingsError as error:
        raise _fault(place, rule, error.message, error.next_step or "correct it") from None
    return CheckedRule(place, rule, to, made)


def _fixed(settings: Settings, place: int, rule: MessageRule) -> str:
    try:
        return recipient_of(rule.medium, rule.to, settings.company.address.country)
    except NoRecipientError as error:
        what = f"`to` is neither buyer nor one that an {rule.medium} can go to ({error.reason})"
        raise _fault(place, rule, what, "correct its `to`") from None


def _is_for(rule: MessageRule, channel: str) -> bool:
    return not rule.channels or channel in rule.channels


def _fault(place: int, rule: MessageRule, what: str, next_step: str) -> SettingsError:
    from cloudsales_pipeline.settings.reading import place_in_file

    where = place_in_file(["messages", "rules", place - 1, "on"], rule.on)
    return SettingsError(f"{where}messages.rules: rule {place} ({rule.on}): {what.rstrip('.')}.", next_step=next_step)
