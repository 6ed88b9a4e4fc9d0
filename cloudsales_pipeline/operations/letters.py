"""What operators read: an alert, the day's digest, a short SMS. Counts, stages and commands; nobody's name (I-46).

What belongs here: wording and form. What does not: whether it is told (`deciding`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from html import escape
from zoneinfo import ZoneInfo

from msgspec import Struct

from cloudsales_pipeline.operations.findings import Finding
from cloudsales_pipeline.operations.kinds import STAGE_NAMES_RO, STAGES

SMS_LENGTH = 160
TITLE_LENGTH = 150
WORDS = {
    "ro": {
        "alert": "Cer atenție acum",
        "open": "În așteptare",
        "over": "Încheiate de la ultimul rezumat",
        "since": "din",
        "unread": "Nu s-au putut citi",
        "digest": "CloudSales, {day}: în așteptare {open}, din care urgente {now}; încheiate {over}",
        "all": "Toate: cloudsales status",
        "nothing": "Nimic nu așteaptă pe cineva.",
    },
    "en": {
        "alert": "Needs a person now",
        "open": "Waits for a person",
        "over": "Over since the last digest",
        "since": "since",
        "unread": "Could not be read",
        "digest": "CloudSales, {day}: {open} open, {now} of them urgent; {over} over",
        "all": "All of it: cloudsales status",
        "nothing": "Nothing waits for a person.",
    },
}


class Letter(Struct, frozen=True):
    """A mail: its subject in one line, its text, and the same as simple HTML."""

    title: str
    text: str
    html: str


def alert(findings: Sequence[Finding], language: str, zone: ZoneInfo) -> Letter:
    """What can't wait, in one mail; the subject is the first of it."""
    words = WORDS[language]
    return _letter(_first(findings, language), [(words["alert"], _lines(findings, language, zone))], words["all"])


def short(findings: Sequence[Finding], language: str) -> str:
    """The same in one SMS."""
    ending = " - cloudsales status"
    return _first(findings, language)[: SMS_LENGTH - len(ending)] + ending


def digest(
    findings: Sequence[Finding], over: Sequence[Finding], unread: Sequence[str], *, day: date, language: str, zone: ZoneInfo
) -> Letter:
    """All that waits, by stage, and what is over since the last digest."""
    words = WORDS[language]
    urgent = sum(one.severity == "now" for one in findings)
    title = words["digest"].format(day=day.isoformat(), open=len(findings), now=urgent, over=len(over))
    parts = [(f"{words['open']}: {_stage(stage, language)}", _lines(some, language, zone)) for stage, some in _by_stage(findings)]
    parts += [(words["nothing"], [])] if not findings else []
    parts += [(words["over"], [(one.sentence(language), "") for one in over])] if over else []
    parts += [(words["unread"], [(kind, "") for kind in unread])] if unread else []
    return _letter(title, parts, words["all"])


def _first(findings: Sequence[Finding], language: str) -> str:
    more = f" (+{len(findings) - 1})" if len(findings) > 1 else ""
    return f"CloudSales: {findings[0].sentence(language)}"[:TITLE_LENGTH] + more


def _by_stage(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    for stage in STAGES:
        if some := [one for one in findings if one.stage == stage]:
            yield stage, some


def _stage(stage: str, language: str) -> str:
    return STAGE_NAMES_RO[stage] if language == "ro" else stage


def _lines(findings: Sequence[Finding], language: str, zone: ZoneInfo) -> list[tuple[str, str]]:
    return [(one.sentence(language), f"{WORDS[language]['since']} {_when(one.since, zone)}: {one.command}") for one in findings]


def _when(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _letter(title: str, parts: Sequence[tuple[str, list[tuple[str, str]]]], ending: str) -> Letter:
    text, html = [], []
    for head, lines in parts:
        text += [head, *(f"- {sentence}\n  {more}".rstrip() for sentence, more in lines), ""]
        items = "".join(f"<li>{escape(sentence)}<br><code>{escape(more)}</code></li>" for sentence, more in lines)
        html.append(f"<h3>{escape(head)}</h3><ul>{items}</ul>")
    body = f"<html><body>{''.join(html)}<p>{escape(ending)}</p></body></html>"
    return Letter(title, "\n".join([*text, ending, ""]), body)
