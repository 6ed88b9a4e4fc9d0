"""What must always hold of orders, worked out again from the tables, apart from the constraints and triggers that keep it.

What belongs here: the rules' names, what a fault of each means, and each one (checks/*.sql, one query a rule: channel, ids, codes
and figures of the rows that it looks at, and a boolean `fault`; no personal data). What does not: correcting anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.audit import AuditRule, audit
from cloudsales_pipeline.catalog.rules import RuleResult
from cloudsales_pipeline.settings import ChannelSettings

_CHANNELS = "channels as (select * from unnest(cast(:channels as text[]), cast(:within as float8[])) c (channel, within)),"
_BY_HAND = "somebody wrote to the database past the constraints, or a backup was put back in part: restore these rows"

ORDER_RULES: tuple[AuditRule, ...] = (
    AuditRule(
        "lines_accounted_for",
        "Of every line: ordered = reserved + waiting + issued + cancelled; what is closed neither holds nor waits (I-15, I-17).",
        _BY_HAND,
    ),
    AuditRule(
        "reserved_equals_open_reservations",
        "What a line says it holds is the sum of its open reservations, and no reservation is without its line (I-14).",
        _BY_HAND,
    ),
    AuditRule(
        "acknowledged_in_time",
        "No order is kept from its channel for longer than orders.acknowledge_within.",
        "look at analytics.order_intake for the channel's last error; the next import_orders tells the channel again. An order"
        " that the channel does not know was taken back there: cancel it here, or ask its support",
    ),
    AuditRule(
        "totals_add_up",
        "Every order's total is lines + delivery − discounts, to the cent (I-20). Nothing is corrected: a person looks.",
        "compare these orders with what the channel shows; a difference is the channel's, or a kind of discount that is new",
        warns=True,
    ),
    AuditRule(
        "no_duplicate_orders",
        "An order is there once by channel and id, and a line of it once (I-13).",
        _BY_HAND,
    ),
    AuditRule(
        "nothing_waits_while_stock_is_free",
        "No line waits for pieces that lie free where its order may take them.",
        "the next import_orders serves them; if the same lines come back, report them as a defect",
    ),
)


def check_orders(
    engine: Engine, channels: Mapping[str, ChannelSettings], rules: Sequence[AuditRule] = ORDER_RULES
) -> tuple[RuleResult, ...]:
    """Check the orders of these channels by these rules.

    Each rule sees one moment of the database, so that changes under way are no faults. It reads every order of the channels.
    """
    within = {name: one.orders.acknowledge_within.total_seconds() for name, one in channels.items()}
    values = {"channels": list(within), "within": list(within.values())}
    return tuple(audit(engine, "cloudsales_pipeline.orders", rule, values, before=_CHANNELS) for rule in rules)


def _seconds(span: timedelta) -> float:
    return span.total_seconds()
