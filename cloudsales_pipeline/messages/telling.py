"""Telling: what happened becomes messages, each once, in the transaction that takes it off the list.

What is not to be sent is written down too, as skipped with its reason: nothing is lost unseen. Nothing is sent here.

What belongs here: that transaction, batch by batch. What does not: who is told of what (`rules`), texts (`templates`), sending
(the outbox).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import lock_telling
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.messages.events import OF_PARCELS, POINTLESS_AFTER, has_no_point, standing
from cloudsales_pipeline.messages.facts import OrderFacts, read_orders
from cloudsales_pipeline.messages.hours import quiet_until
from cloudsales_pipeline.messages.rules import CheckedRules, check_rules, wanted
from cloudsales_pipeline.messages.writing import Happening, Written, name_of, write
from cloudsales_pipeline.outbox.messages import Outgoing, enqueue, recipient_digest
from cloudsales_pipeline.settings import Settings

T = TypeVar("T")

BATCH = 200
TRIED_AGAIN = timedelta(minutes=10)
PAUSES = {"file_missing": timedelta(minutes=1)}


@dataclass
class TellResult:
    """What became of what had happened.

    Args:
        happenings: taken off the list.
        queued: messages that will be sent, now or when quiet hours end.
        skipped: written down and not to be sent, by reason.
        withdrawn: messages from before that had no point any more, or grew too old.
        waiting: left on the list: a file is still to be made, or the template failed.
    """

    happenings: int = 0
    queued: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    waiting: int = 0

    def add(self, other: TellResult) -> None:
        """Count another batch's."""
        self.happenings += other.happenings
        self.queued += other.queued
        self.skipped.update(other.skipped)
        self.withdrawn += other.withdrawn
        self.waiting += other.waiting


def tell(engine: Engine, settings: Settings, *, now: datetime | None = None, limit: int | None = None) -> TellResult:
    """Make messages of what happened, a transaction for each 200; several processes take turns. Done again, it does nothing.

    Args:
        now: the moment that counts for ages, quiet hours and waiting; none: the clock's.
        limit: stop after about so many happenings.

    Raises:
        SettingsError: a rule or a template is not usable; nothing was told.
        DatabaseError: the database can't be reached, or others kept changing the same rows.
    """
    rules = check_rules(settings)
    done = TellResult()
    _work(engine, lambda connection: _sync(connection, settings))
    moment = now or datetime.now(UTC)
    done.withdrawn += _work(engine, lambda connection: _keep_off(connection, settings, moment))
    while limit is None or done.happenings + done.waiting < limit:
        batch = _work(engine, lambda connection: _Teller(connection, settings, rules, moment).batch())
        done.add(batch)
        if not batch.happenings + batch.waiting:
            break
    return done


def sync_rules(engine: Engine, settings: Settings) -> None:
    """Tell the triggers which events of which channels are to be noted; `tell` does so itself.

    Raises:
        SettingsError: a rule or a template is not usable.
    """
    check_rules(settings)
    _work(engine, lambda connection: _sync(connection, settings))


def waits_to_be_told(connection: Connection, settings: Settings) -> bool:
    """Whether `tell` has something to do: something happened, or the rules were changed. Cheap, for a sensor."""
    return bool(_run(connection, "happened").scalar_one() or _run(connection, "differs", **_wanted(settings)).scalar_one())


def _work(engine: Engine, work: Callable[[Connection], T]) -> T:
    """A transaction of its own; begun anew where the connection was lost, for what is told is not told again."""
    return unit_of_work(engine, work, repeatable=True)


def _wanted(settings: Settings) -> dict[str, Any]:
    pairs = [(channel, event) for channel in settings.channels for event in sorted(wanted(settings, channel))]
    return {
        "channels": [channel for channel, _ in pairs],
        "events": [event for _, event in pairs],
        "max_age": settings.messages.max_age,
    }


def _sync(connection: Connection, settings: Settings) -> None:
    values = _wanted(settings)
    if _run(connection, "differs", **values).scalar_one():
        lock_telling(connection)
        _run(connection, "forget_rules", **values)
        _run(connection, "note_rules", **values)


def _keep_off(connection: Connection, settings: Settings, now: datetime) -> int:
    """What waits in the outbox and has grown too old is skipped; what would go out in quiet hours, a second try say, waits."""
    old = _run(connection, "outdated", before=now - settings.messages.max_age).rowcount
    until = quiet_until(now, settings.messages.quiet_hours, settings.timezone)
    if until is not None:
        _run(connection, "keep_quiet", until=until)
    return old


class _Teller:
    """One batch in one transaction."""

    def __init__(self, connection: Connection, settings: Settings, rules: CheckedRules, now: datetime) -> None:
        self.connection = connection
        self.settings = settings
        self.rules = rules
        self.now = now

    def batch(self) -> TellResult:
        """The next happenings that nobody else is at."""
        lock_telling(self.connection)
        rows = _run(self.connection, "take", now=self.now, limit=BATCH).mappings().all()
        if not rows:
            return TellResult()
        happenings = [Happening(**row) for row in rows]
        orders = read_orders(self.connection, {one.order_id for one in happenings}, lock=True)
        withdrawn = self._withdraw(orders.values())
        written, waiting = self._write(happenings, orders)
        messages = self._judged(written)
        enqueue(self.connection, messages)
        taken = [one.happening_id for one in happenings if one.happening_id not in waiting]
        _run(self.connection, "taken", ids=taken)
        self._wait(waiting)
        skipped = Counter(one.skipped for one in messages if one.skipped)
        return TellResult(len(taken), len(messages) - skipped.total(), skipped, withdrawn, len(waiting))

    def _write(self, happenings: Sequence[Happening], orders: Mapping[int, OrderFacts]) -> tuple[list[Written], dict[int, str]]:
        """What the rules make of each, once where it happened twice; and those that must wait: why, by id."""
        written: dict[tuple[object, ...], Written] = {}
        waiting: dict[int, str] = {}
        for one in happenings:
            if one.order_id not in orders:
                continue
            result = write(self.settings, self.rules, orders[one.order_id], one, self.now)
            for found in result.written:
                written.setdefault(_key(found.message), found)
            if result.later:
                waiting[one.happening_id] = result.later
        return list(written.values()), waiting

    def _judged(self, written: Sequence[Written]) -> list[Outgoing]:
        """Those that are not told yet, each with the reason for which it is not sent: consent and the daily cap come last."""
        if not written:
            return []
        rows = [_named(place, one.message) for place, one in enumerate(written)]
        said = {row.place: row for row in _run(self.connection, "judge", rows=json.dumps(rows))}
        today: Counter[tuple[str, bytes]] = Counter()
        messages = []
        for place, one in enumerate(written):
            message, row = one.message, said[place]
            if row.known:
                continue
            who = (message.medium, recipient_digest(message.recipient))
            if not message.skipped and row.opted_out:
                message = replace(message, skipped="opted_out")
            elif not message.skipped and one.to_buyer and row.today + today[who] >= self.settings.messages.per_day:
                message = replace(message, skipped="daily_cap")
            today[who] += not message.skipped
            messages.append(message)
        return messages

    def _withdraw(self, orders: Collection[OrderFacts]) -> int:
        """Skip what waits in the outbox and has no point any more, by how its order stands now; how many that were."""
        people = {(rule.setting.medium, rule.to) for rule in self.rules.rules}
        rows = [
            {
                "channel": order.channel,
                "external_id": order.external_id,
                "medium": medium,
                "digest": recipient_digest(to).hex() if to else None,
                "events": events,
            }
            for order in orders
            for medium, to in people
            if (events := _pointless(order, self.rules.told(order.channel, medium, to)))
        ]
        if not rows:
            return 0
        fixed = [recipient_digest(to) for _, to in people if to]
        return _run(self.connection, "withdraw", rows=json.dumps(rows), fixed=fixed).rowcount

    def _wait(self, waiting: Mapping[int, str]) -> None:
        if waiting:
            rows = [
                {"id": one, "reason": reason, "due_at": (self.now + PAUSES.get(reason, TRIED_AGAIN)).isoformat()}
                for one, reason in waiting.items()
            ]
            _run(self.connection, "wait", rows=json.dumps(rows))


def _pointless(order: OrderFacts, told: Collection[str]) -> list[str]:
    """Names on messages that have no point as the order stands: by what came later, or the parcel got another waybill."""
    happened = standing(order)
    events = [event for event in POINTLESS_AFTER if has_no_point(event, happened, told)]
    live = order.live_parcels()
    newest = max((one.again for one in live or order.parcels), default=0) + (not live)  # without a live one, none is to be told
    again = max(newest, *(one.again for one in order.documents), 0)
    names = {name_of(event, n) for event in events for n in range(again + 1)}
    return sorted(names | {name_of(event, n) for event in OF_PARCELS for n in range(newest)})


def _key(message: Outgoing) -> tuple[object, ...]:
    return message.channel, message.reference, message.event, message.medium, recipient_digest(message.recipient)


def _named(place: int, message: Outgoing) -> dict[str, object]:
    channel, external_id, event, medium, digest = _key(message)
    assert isinstance(digest, bytes)
    return {
        "place": place, "channel": channel, "external_id": external_id, "event": event, "medium": medium, "digest": digest.hex(),
    }  # fmt: skip


def _run(connection: Connection, step: str, **values: Any) -> sa.CursorResult[Any]:
    """A step of telling.sql."""
    return connection.execute(sa.text(steps(__package__, "telling")[step]), values)
