"""What should hold of messages: nothing waits too long, little fails, nothing unclear is left lying.

What belongs here: the rules' names and what a fault of each means (checks/*.sql, one query a rule: no addresses, no texts, and a
boolean `fault`). What does not: sending (`outbox`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Engine

from cloudsales_pipeline.catalog.audit import AuditRule, audit
from cloudsales_pipeline.catalog.rules import RuleResult
from cloudsales_pipeline.settings import MessageSettings

MESSAGE_RULES: tuple[AuditRule, ...] = (
    AuditRule(
        "messages_leave_in_time",
        "No message that is due has waited for longer than messages.waits_at_most.",
        "cloudsales messages list --state new says why; is messages.email_url_env or sms_url_env set, and the gateway up?",
    ),
    AuditRule(
        "what_happened_is_told",
        "What somebody is to be told of has not waited to become a message for longer than messages.waits_at_most.",
        "cloudsales messages tell says what is wrong: a template, or a file that is not made (cloudsales quarantine list)",
    ),
    AuditRule(
        "few_messages_fail",
        "Of the last day's messages no larger share than messages.failed_share is dead or unknown.",
        "cloudsales messages list --state dead has the gateway's answers; cloudsales messages retry --dead when it is mended",
    ),
    AuditRule(
        "nothing_unclear_lies",
        "What may have gone out was decided on within messages.unclear_at_most.",
        "ask the gateway or the recipient, then cloudsales messages retry ID, or skip ID",
        warns=True,
    ),
)


def check_messages(
    engine: Engine, settings: MessageSettings, rules: Sequence[AuditRule] = MESSAGE_RULES
) -> tuple[RuleResult, ...]:
    """Check the outbox by these rules."""
    values = {
        "waits": settings.waits_at_most,
        "unclear": settings.unclear_at_most,
        "share": settings.failed_share,
        "files": settings.attach_wait,
    }
    return tuple(audit(engine, "cloudsales_pipeline.messages", rule, values) for rule in rules)
