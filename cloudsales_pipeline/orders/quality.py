"""What must always hold of orders, worked out again from the tables, apart from the constraints and triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and running them (checks/*.sql, one query a rule: channel, ids,
codes and figures of the rows that it looks at, and a boolean `fault`; no personal data). What does not: correcting anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cloudsales_pipeline.catalog.plan import tune_for_bulk
from cloudsales_pipeline.catalog.rules import SAMPLE_ROWS, RuleResult, without_comments
from cloudsales_pipeline.database.engine import statement
from cloudsales_pipeline.settings import ChannelSettings


@dataclass(frozen=True)
class OrderRule:
    """One thing that must hold of orders; `name` is also the name of its SQL file. `warns`: for a person, and no defect."""

    name: str
    description: str
    what_to_do: str
    warns: bool = False


_BY_HAND = "somebody wrote to the database past the constraints, or a backup was put back in part: restore these rows"

ORDER_RULES: tuple[OrderRule, ...] = (
    OrderRule(
        "lines_accounted_for",
        "Of every line: ordered = reserved + waiting + issued + cancelled; what is closed neither holds nor waits (I-15, I-17).",
        _BY_HAND,
    ),
    OrderRule(
        "reserved_equals_open_reservations",
        "What a line says it holds is the sum of its open reservations, and no reservation is without its line (I-14).",
        _BY_HAND,
    ),
    OrderRule(
        "acknowledged_in_time",
        "No order is kept from its channel for longer than orders.acknowledge_within.",
        "look at analytics.order_intake for the channel's last error; the next import_orders tells the channel again. An order"
        " that the channel does not know was taken back there: cancel it here, or ask its support",
    ),
    OrderRule(
        "totals_add_up",
        "Every order's total is lines + delivery − discounts, to the cent (I-20). Nothing is corrected: a person looks.",
        "compare these orders with what the channel shows; a difference is the channel's, or a kind of discount that is new",
        warns=True,
    ),
    OrderRule(
        "no_duplicate_orders",
        "An order is there once by channel and id, and a line of it once (I-13).",
        _BY_HAND,
    ),
    OrderRule(
        "nothing_waits_while_stock_is_free",
        "No line waits for pieces that lie free where its order may take them.",
        "the next import_orders serves them; if the same lines come back, report them as a defect",
    ),
)


def check_orders(
    engine: Engine, channels: Mapping[str, ChannelSettings], rules: Sequence[OrderRule] = ORDER_RULES
) -> tuple[RuleResult, ...]:
    """Check the orders of these channels by these rules.

    Each rule sees one moment of the database, so that changes under way are no faults. It reads every order of the channels.
    """
    within = {name: _seconds(one.orders.acknowledge_within) for name, one in channels.items()}
    return tuple(_check(engine, rule, within) for rule in rules)


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


def _check(engine: Engine, rule: OrderRule, within: Mapping[str, float]) -> RuleResult:
    """One rule in a transaction of its own: one that is broken neither passes nor hides the others."""
    try:
        with engine.begin() as connection:
            checked, offending, sample = _run(connection, rule, within)
    except sa.exc.SQLAlchemyError as error:
        cause = type(getattr(error, "orig", None) or error).__name__  # never its text, which may hold values
        advice = f"the rule could not be evaluated ({cause}): run `cloudsales init`, see that the database is up, and try again"
        return RuleResult(rule.name, rule.description, False, False, 0, 0, (), advice)
    advice = rule.what_to_do if offending else ""
    return RuleResult(rule.name, rule.description, not offending, True, checked, offending, sample, advice)


def _run(connection: Connection, rule: OrderRule, within: Mapping[str, float]) -> tuple[int, int, tuple[dict[str, object], ...]]:
    """How many rows the rule looked at, how many are at fault, and some of these; a fault that is null counts as one."""
    tune_for_bulk(connection)
    query = without_comments(statement("cloudsales_pipeline.orders", f"checks/{rule.name}"))
    row = connection.execute(
        sa.text(
            "with channels as (select * from unnest(cast(:channels as text[]), cast(:within as float8[])) c (channel, within)),"  # noqa: S608 - our own file
            f" looked as materialized ({query})"
            " select count(*), count(*) filter (where fault is not false),"
            " (select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(f) - 'fault')), '[]')"
            f" from (select * from looked where fault is not false limit {SAMPLE_ROWS}) f)"
            " from looked"
        ),
        {"channels": list(within), "within": list(within.values())},
    ).one()
    return row[0], row[1], tuple(row[2])
