"""Group `messages`: what leaves by e-mail and SMS. How it is sent stands in `cloudsales_pipeline.outbox`.

What belongs here: calling the stage and telling what came of it, without an address or a text. What does not: any rule.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.documents import invoices, waybills
from cloudsales_pipeline.assets.orders import sales_orders
from cloudsales_pipeline.assets.purchasing import supplier_orders
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from cloudsales_pipeline.messages.telling import TellResult
    from cloudsales_pipeline.outbox.sending import Sent

SECONDS = 240.0
OUTCOMES = ("sent", "again", "dead", "unknown", "skipped", "left_behind", "no_gateway")


@dg.asset(
    group_name="messages",
    deps=[
        invoices,
        waybills,
        *(dg.AssetDep(upstream, partition_mapping=dg.AllPartitionMapping()) for upstream in (sales_orders, supplier_orders)),
    ],
    description="Messages to suppliers, customers and operators: what happened to orders is told by messages.rules, and what is"
    " due goes out by e-mail and SMS, each once. What may have gone out and was not confirmed is left to a person. The sensor"
    " messages_due starts this by itself.",
    kinds={"python", "postgres"},
    owners=["team:operations"],
    tags={"stage": "messages"},
)
def messages(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Make messages of what happened, send what is due, and tell how the outbox stands."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.messages.rounds import tell_and_send

        done = tell_and_send(engine, project.settings(), seconds=SECONDS)
        for medium, complaint in done.sent.complaints.items():
            context.log.warning("The %s gateway can't be used: %s", medium, complaint)
        if done.fault:
            raise done.fault
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata={**told(connection, done.sent), **happened(done.told)})


def told(connection: "Connection", sent: "Sent") -> dict[str, Any]:
    """What this round did, and what is in the outbox now."""
    from cloudsales_pipeline.outbox import summary

    standing = summary.standing_of(connection)
    return {
        "dagster/row_count": sum(standing[name] for name in ("waiting", "sending", "unknown", "dead")),
        **metadata.described(connection, "message"),
        **{name: getattr(sent, name) for name in OUTCOMES},
        "waiting": standing["waiting"],
        "due": standing["due"],
        "oldest_due_seconds": standing["oldest_due_seconds"],
        "for_a_person": standing["unknown"] + standing["dead"],
        "by_event": metadata.table(summary.by_event(connection)),
        "unknown_and_dead": metadata.table(summary.for_a_person(connection)),
        "look_next": dg.MetadataValue.text(
            "cloudsales messages list --state unknown; cloudsales messages retry ID; analytics.message"
        ),
    }


def happened(told: "TellResult") -> dict[str, Any]:
    """What became of what had happened to orders."""
    reasons = [{"reason": reason, "messages": many} for reason, many in sorted(told.skipped.items())]
    return {
        "told": told.queued,
        "not_told": told.skipped.total(),
        "not_told_because": metadata.table(reasons),
        "withdrawn": told.withdrawn,
        "waits_to_be_told": told.waiting,
    }
