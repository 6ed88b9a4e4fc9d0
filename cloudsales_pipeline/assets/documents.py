"""Group `documents`: invoices and waybills that issue themselves. How stands in `cloudsales_pipeline.documents`.

What belongs here: calling the stage and telling what came of it, without a word of who bought. What does not: any rule.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg

from cloudsales_pipeline.assets.orders import sales_orders
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.document_links import links as links_to
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

    from cloudsales_pipeline.documents.couriers.port import Courier
    from cloudsales_pipeline.documents.handing import HandedOver
    from cloudsales_pipeline.documents.judging import IssueResult
    from cloudsales_pipeline.documents.waybills import WaybillResult
    from cloudsales_pipeline.settings import Settings

SHOWN = 50
BY_AGE_TAG = "cloudsales/by_age"
SECONDS = 120.0  # of handing over; what is left then is due at the next look


@dg.asset(
    group_name="documents",
    deps=[dg.AssetDep(sales_orders, partition_mapping=dg.AllPartitionMapping())],
    description="Proforma and fiscal invoices by your rules, stornos of what was cancelled or came back: numbered without gaps,"
    " frozen, as PDF and e-invoice, given to the order's channel. The sensor orders_to_judge starts this when an order's facts"
    " changed. `cloudsales documents get NUMBER` opens one.",
    kinds={"python", "postgres"},
    owners=["team:sales", "team:operations"],
    tags={"stage": "documents"},
)
def invoices(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Judge the orders that are due, issue, make the files, hand over."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.documents.issuing import issue_due
        from cloudsales_pipeline.documents.papers import make_missing
        from cloudsales_pipeline.documents.submitting import authority_of, submit_due

        settings = project.settings()
        issued = issue_due(engine, settings, by_age=BY_AGE_TAG in context.run.tags)
        context.log.info("%d orders judged; %d invoices and %d stornos issued", issued.judged, _invoices(issued), issued.stornos)
        made = make_missing(engine, settings)
        submitted = submit_due(engine, authority_of(settings))
        handed = hand_over(context, project, engine, settings)
        with engine.connect() as connection:
            today = datetime.now(UTC).astimezone(ZoneInfo(settings.timezone)).date()
            told = invoices_told(connection, today, issued, handed)
    return dg.MaterializeResult(
        metadata={**told, "files_made": made, "e_invoices_sent": submitted.sent, "e_invoices_rejected": submitted.rejected}
    )


def hand_over(context: dg.AssetExecutionContext, project: Project, engine: "Engine", settings: "Settings") -> "HandedOver":
    """Give channels what is due; a channel that can't be told is a warning, and is told later."""
    from cloudsales_pipeline.documents.handing import hand_over_due

    handed = hand_over_due(engine, settings, lambda name: project.channel(name, engine), seconds=SECONDS)
    for name, error in handed.errors.items():
        context.log.warning("%s can't be given documents now: %s", name, error)
    return handed


def invoices_told(connection: "Connection", today: date, issued: "IssueResult", handed: "HandedOver") -> dict[str, Any]:
    """What this run did, and how documents stand."""
    from cloudsales_pipeline.assets.orders_picture import stacked_bars
    from cloudsales_pipeline.documents import summary

    standing = summary.standing_of(connection)
    days = summary.rows_of(connection, "by_day", today=today)
    last = summary.rows_of(connection, "last", limit=SHOWN)
    colours = {"proforma_invoice": "#8c8c8c", "fiscal_invoice": "#2f6f4f", "storno": "#b5483a"}
    return {
        "dagster/row_count": summary.issued_on(connection, today),
        **metadata.described(connection, "document"),
        **{name: getattr(issued, name) for name in issued.__struct_fields__},
        "handed_over": handed.given + handed.had,
        "hand_over_again": handed.again,
        "states_told": handed.states,
        **standing,
        "issued_today": metadata.table(summary.rows_of(connection, "today", today=today)),
        "today_by_rule": metadata.table(summary.rows_of(connection, "by_rule", today=today)),
        "last_documents": metadata.table(last),
        **({"open": dg.MetadataValue.md(links)} if (links := links_to([str(row["number"]) for row in last])) else {}),
        "thirty_days": dg.MetadataValue.md(stacked_bars(days, "day", colours, what="documents", title="documents by day")),
        "look_next": dg.MetadataValue.text(
            "cloudsales documents get NUMBER; cloudsales documents explain CHANNEL ID;"
            " cloudsales quarantine list --stage documents; analytics.document"
        ),
    }


def _invoices(issued: "IssueResult") -> int:
    return issued.proforma_invoices + issued.fiscal_invoices


@dg.asset(
    group_name="documents",
    deps=[invoices],
    description="Waybills by your rules: ordered from the courier once each under our reference, looked up where an answer was"
    " unclear, labelled, and followed until the parcel is delivered or back. Channels hear of number and way. The sensor"
    " orders_to_judge starts this.",
    kinds={"python", "postgres"},
    owners=["team:operations"],
    tags={"stage": "documents"},
)
def waybills(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Make what is due, fetch labels, ask where parcels are, tell the channels."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.documents.labels import fetch_due
        from cloudsales_pipeline.documents.tracking import track_due
        from cloudsales_pipeline.documents.waybills import make_due

        settings = project.settings()
        with _couriers(context, engine, settings) as couriers:  # one sign-in each for all three
            made = make_due(engine, settings, couriers)
            labels = fetch_due(engine, settings, couriers)
            tracked = track_due(engine, settings, couriers)
        for name, complaint in {**made.complaints, **labels.complaints, **tracked.complaints}.items():
            context.log.warning("The courier %s can't be used: %s", name, complaint)
        for name, why in tracked.away.items():
            context.log.warning("The courier %s does not say where parcels are: %s", name, why)
        handed = hand_over(context, project, engine, settings)
        with engine.connect() as connection:
            told = waybills_told(connection, made, handed)
    return dg.MaterializeResult(metadata={**told, "labels": labels.labelled, "events": tracked.events, "moved": tracked.moved})


@contextmanager
def _couriers(context: dg.AssetExecutionContext, engine: "Engine", settings: "Settings") -> "Iterator[dict[str, Courier]]":
    """The couriers of the settings by name, save those whose account can't be used; closed at the end."""
    from cloudsales_pipeline.documents.couriers.registry import open_courier
    from cloudsales_pipeline.errors import SettingsError

    with ExitStack() as stack:
        found = {}
        for name, account in settings.couriers.items():
            try:
                found[name] = open_courier(name, account, database=engine)
            except SettingsError as error:
                context.log.warning("The courier %s can't be used: %s", name, error)
                continue
            stack.callback(found[name].close)
        yield found


def waybills_told(connection: "Connection", made: "WaybillResult", handed: "HandedOver") -> dict[str, Any]:
    """What this run did, and how waybills stand."""
    from cloudsales_pipeline.documents import summary

    standing = summary.rows_of(connection, "waybills_by_state")
    return {
        "dagster/row_count": sum(row["parcels"] for row in standing),
        **metadata.described(connection, "waybill"),
        **{one.name: getattr(made, one.name) for one in fields(made) if one.name != "complaints"},
        "handed_over": handed.given + handed.had,
        "states_told": handed.states,
        "parcels": metadata.table(standing),
        "nobody_knows": metadata.table(summary.rows_of(connection, "unclear", limit=SHOWN)),
        "last_waybills": metadata.table(summary.rows_of(connection, "last_waybills", limit=SHOWN)),
        "couriers": metadata.table(summary.rows_of(connection, "couriers")),
        "look_next": dg.MetadataValue.text(
            "cloudsales waybills list --state unknown; cloudsales waybills show REFERENCE; analytics.waybill"
        ),
    }
