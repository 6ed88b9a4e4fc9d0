"""The settings' stock rules in the database, and what another rule would have shown.

What belongs here: bringing `channels.*.stock` into cloudsales.stock_rule, and simulating a rule over past days. What does
not: the rule itself, which is one function, cloudsales.published; and sending anything to a channel.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.channels.registry import capabilities
from cloudsales_pipeline.database.engine import steps
from cloudsales_pipeline.database.locks import STOCK_RULES_LOCK
from cloudsales_pipeline.database.migrate import register_channels
from cloudsales_pipeline.database.work import unit_of_work
from cloudsales_pipeline.errors import DatabaseError, InputError
from cloudsales_pipeline.settings import ChannelSettings, Settings, StockRuleOverride, StockRuleSettings
from cloudsales_pipeline.stock.days import day_end, last_days

PACKAGE = "cloudsales_pipeline.stock"
LOCK_WAIT = "10s"

Rule = dict[str, Any]


def sync_rules(engine: Engine, settings: Settings) -> dict[str, int]:
    """Bring the settings' stock rules into the database; one query and no write where they are there already.

    A channel's rules change in one transaction, with the figures of exactly the publications that they touch. A channel that
    has no rule (any more) is left as it is: its figures become unknown, which is never sent as zero (I-22).

    Returns:
        For each channel whose rules changed, how many of its publications have another figure.

    Raises:
        DatabaseError: something held the rules' table for longer than 10 seconds; nothing of that channel is changed.
    """
    wanted = {name: _rules_of(channel) for name, channel in settings.channels.items()}
    with engine.connect() as connection:
        standing = _standing(connection)
    changed = sorted(name for name in wanted.keys() | standing.keys() if _hash(wanted.get(name, [])) != standing.get(name, ""))
    if changed:
        with engine.begin() as connection:
            register_channels(connection, settings)
    return {name: _sync_channel(engine, name, wanted.get(name, [])) for name in changed}


def rule_rows(rule: StockRuleSettings, *, every_product: bool = False) -> list[Rule]:
    """A channel's rule and its overrides as rows of cloudsales.stock_rule; an override inherits what it does not name.

    Without warehouses the channel has no rule, nor has an override that would inherit none. An override that names an empty
    list is a rule: that its products are not shown here.
    """
    rows = [_row("channel", "", rule, StockRuleOverride(), every_product)] if rule.warehouses else []
    for scope, overrides in (("category", rule.by_category), ("sku", rule.by_sku)):
        for value, override in sorted(overrides.items()):
            if rule.warehouses or override.warehouses:
                rows.append(_row(scope, value, rule, override, every_product))
    return rows


def simulate_rule(
    connection: Connection, channel: str, rule: StockRuleSettings, *, days: int, until: datetime, timezone: str
) -> list[dict[str, Any]]:
    """What the rules in force, and `rule` in their place, would have shown at the end of each past business date.

    Computed from the ledger as it is known now and the reservations of the time, for the channel's publications of today; a
    product whose stock was not known yet counts as a listing, and under no rule as stock.

    Args:
        rule: the whole other rule, with its overrides.
        days: how many business dates, the last one that had ended at `until` included.
        timezone: where the days end.

    Returns:
        A row a date, the oldest first: `date`, `listings`, `in_stock` (listings above 0) and `units` under the rules in
        force, `other_in_stock` and `other_units` under `rule`.

    Raises:
        InputError: no such channel, or no days.
    """
    if days < 1:
        raise InputError(f"{days} days can't be simulated; name 1 or more.")
    if not connection.scalar(sa.text("select 1 from cloudsales.channel where channel = :channel"), {"channel": channel}):
        raise InputError(f"There is no channel {channel!r} in the database.", next_step="cloudsales init")
    dates = last_days(days, until, timezone)
    facts = {
        "channel": channel,
        "rules": json.dumps(rule_rows(rule)),
        "dates": dates,
        "ends": [day_end(date, timezone) for date in dates],
    }
    return [dict(row) for row in _run(connection, "simulate", facts).mappings()]


def _rules_of(channel: ChannelSettings) -> list[Rule]:
    return rule_rows(channel.stock, every_product=not capabilities(channel).own_listing)


def _row(scope: str, value: str, rule: StockRuleSettings, override: StockRuleOverride, every_product: bool) -> Rule:
    own = override.model_dump(exclude_none=True)
    merged = {name: own.get(name, getattr(rule, name)) for name in ("warehouses", "buffer", "cap", "share")}
    # normalised, so that another order or another way to write a share is not another rule
    merged["warehouses"] = sorted(set(merged["warehouses"]))
    merged["share"] = f"{merged['share']:.6f}"
    return {"scope": scope, "value": value, "every_product": every_product, **merged}


def _hash(rules: list[Rule]) -> str:
    """Of a channel's rules; empty where it has none, so that a channel without stock is never written."""
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest() if rules else ""


def _run(connection: Connection, step: str, facts: dict[str, Any]) -> sa.CursorResult[Any]:
    return connection.execute(sa.text(steps(PACKAGE, "rules")[step]), facts)


def _standing(connection: Connection) -> dict[str, str]:
    return {row.channel: row.rules_hash for row in _run(connection, "standing", {})}


def _sync_channel(engine: Engine, channel: str, rules: list[Rule]) -> int:
    def work(connection: Connection) -> int:
        connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": STOCK_RULES_LOCK})
        if _standing(connection).get(channel, "") == _hash(rules):
            return 0  # another process did it while we waited
        _lock_rules(connection)
        return _put_rules(connection, channel, rules)

    return unit_of_work(engine, work)


def _lock_rules(connection: Connection) -> None:
    """Let no movement, link or product change pass that has seen the old rules and commits after we have counted.

    Each of them reads the table in its trigger, and so holds it until it ends. Without this, a movement in a warehouse that
    the rule just gained would be counted by neither.
    """
    connection.execute(sa.text("select set_config('lock_timeout', :wait, true)"), {"wait": LOCK_WAIT})
    try:
        connection.execute(sa.text("lock table cloudsales.stock_rule in access exclusive mode"))
    except sa.exc.OperationalError:
        raise DatabaseError(
            f"The stock rules could not be changed: another session held their table for {LOCK_WAIT}.",
            next_step="let long reads of cloudsales.stock_rule end, then try again",
        ) from None
    connection.execute(sa.text("set local lock_timeout = 0"))


def _put_rules(connection: Connection, channel: str, rules: list[Rule]) -> int:
    facts = {"channel": channel, "rules": json.dumps(rules), "hash": _hash(rules)}
    changed = list(_run(connection, "put", facts).scalars())
    _run(connection, "drop", facts)
    figures = int(_run(connection, "publish_links", facts).scalar_one())
    _run(connection, "publish_products", facts)
    touched = list(_run(connection, "resolve", {**facts, "changed": changed}).scalars())
    figures += int(
        connection.execute(
            sa.text("select cloudsales.refresh_publications(cast(:touched as bigint[]))"), {"touched": touched}
        ).scalar_one()
    )
    _run(connection, "remember", facts)
    return figures
