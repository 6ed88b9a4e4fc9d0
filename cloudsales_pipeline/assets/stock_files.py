"""Group `stock`: movements that stores drop as files. How they are taken in stands in `cloudsales_pipeline.stock.inbox`.

What belongs here: calling the stage and telling what came of each file. What does not: any rule of files or movements.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.assets.catalog import catalog
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import INBOX_CHANNELS
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from cloudsales_pipeline.stock.inbox import InboxResult

MOST_FILES_SHOWN = 100
OUTCOMES = ("taken", "taken_before", "refused", "waiting", "gone", "failed")


@dg.asset(
    partitions_def=INBOX_CHANNELS,
    group_name="stock",
    deps=[dg.AssetDep(catalog, partition_mapping=dg.AllPartitionMapping())],
    description="Movements (sales, receipts, counts, …) and suppliers' deliveries that a store dropped as CSV or XLSX files into"
    " its inbox, posted to the ledger: each file once by its content, bad rows in quarantine by their number, the file archived"
    " with its result.",
    kinds={"postgres", "file"},
    owners=["team:operations", "team:data"],
    tags={"stage": "stock"},
)
def store_movements(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Take in all complete files of the channel's inbox."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.database.migrate import register_channels
        from cloudsales_pipeline.documents.scans import dropped_scans
        from cloudsales_pipeline.orders.serving import serve
        from cloudsales_pipeline.purchasing.receipts import dropped_receipts
        from cloudsales_pipeline.purchasing.suppliers import sync_suppliers
        from cloudsales_pipeline.stock.inbox import take_inbox

        settings = project.settings()
        with engine.begin() as connection:
            register_channels(connection, settings)  # a warehouse that the settings have only now
        sync_suppliers(engine, settings)
        result = take_inbox(engine, settings, name, then=serve, others=[dropped_receipts(settings), dropped_scans(settings)])
        with engine.connect() as connection:
            told = {**metadata.described(connection, "stock_file"), **taken(result)}
        if result.count("failed"):
            context.log_event(dg.AssetObservation("store_movements", partition=name, metadata=told))
            raise _failure(name, result)
        return dg.MaterializeResult(metadata=told)


def taken(result: "InboxResult") -> dict[str, Any]:
    """Counts of rows and files, and a line for each file."""
    files = [
        {
            "file": one.name,
            "outcome": one.outcome,
            "rows": one.rows_in,
            "loaded": one.loaded,
            "unchanged": one.unchanged,
            "quarantined": one.quarantined,
            "archived_as": one.archived_as,
            "note": one.note,
        }
        for one in result.files[:MOST_FILES_SHOWN]
    ]
    return {
        **{name: getattr(result, name) for name in ("rows_in", "loaded", "unchanged", "quarantined")},
        **{f"files_{outcome}": result.count(outcome) for outcome in OUTCOMES},
        "files_healed": result.healed,
        "by_another_run": result.by_another,
        "files": metadata.table(files),
        "look_next": dg.MetadataValue.text(
            "select * from analytics.stock_file order by file_id desc; held rows: cloudsales quarantine list --stage stock"
        ),
    }


def _failure(name: str, result: "InboxResult") -> RefusedError:
    first = next(one for one in result.files if one.outcome == "failed")
    return RefusedError(
        f"{result.count('failed')} of {len(result.files)} files of {name} could not be taken in; {first.name}: {first.note}.",
        next_step="they are still in the inbox, and the sensor store_files tries again; the others are done",
    )
