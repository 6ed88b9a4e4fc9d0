"""`cloudsales run JOB`: one Dagster job in this process, on the same instance, so that it shows in the UI like any other."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudsales_pipeline.cli.output import Json, print_rows
from cloudsales_pipeline.errors import CloudSalesError
from cloudsales_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    import dagster as dg

PUBLISHED = ("requests", "pushed", "acknowledged", "stale", "rejected", "held", "due")
COUNTS = ("rows_in", "loaded", "unchanged", "quarantined", "missing", "products_created", "links_made", "stored", "still_due")
READ_BACK = ("read", "agreed", "drifted", "corrected", "suspected", "not_shown", "ghosts", "never_acknowledged", "round")
FILES = ("files_taken", "files_taken_before", "files_refused", "files_waiting", "files_failed")
BOUGHT = (
    "suppliers_closed",
    "orders",
    "order_lines",
    "pieces",
    "surplus",
    "queued",
    "without_address",
    "to_be_bought",
    "proposed",
)
ISSUED = (
    *("judged", "proforma_invoices", "fiscal_invoices", "stornos", "waybills", "refused", "files_made", "e_invoices_sent"),
    *("created", "found", "unknown", "failed", "labels", "events", "handed_over", "states_told"),
)
MAILED = ("sent", "again", "dead", "unknown", "no_gateway")
WAITS = ("urgent", "can_wait", "told_at_once", "messages")
ORDERED = ("new", "amended", "reserved", "waiting", "served", "acknowledged")
TOLD = tuple(dict.fromkeys((*FILES, *COUNTS, *ORDERED, *BOUGHT, *ISSUED, *MAILED, *WAITS, *PUBLISHED, *READ_BACK)))


class JobFailedError(CloudSalesError):
    """A job ran and did not succeed."""


# By name, in the order of the flow: `--help` does not load Dagster. A test holds them against the definitions.
JOBS = (
    *("import_listing", "import_catalog", "fetch_images"),
    *("publish_stock", "load_store_files", "reconcile_channels", "take_stock_snapshot"),
    *("import_orders", "close_day", "review_requirement", "issue_documents", "send_messages", "tell_operators"),
)
LISTING_JOB = "import_listing"
PARTITIONS = {  # of the others: channel
    "publish_stock": "publishing_channel",
    "reconcile_channels": "publishing_channel",
    "load_store_files": "inbox_channel",
}
LACKS = {
    "channel": "no url, so no listing to import",
    "publishing_channel": "no stock.warehouses, so no stock to be told of",
    "inbox_channel": "no inbox, so no files to take in",
}
DAILY_JOBS = ("take_stock_snapshot", "close_day")
WHOLE_JOBS = ("review_requirement", "issue_documents", "send_messages", "tell_operators")  # neither of a channel nor of a date

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def run(
    job: Annotated[str, typer.Argument(help=f"One of {', '.join(JOBS)}.")],
    channel: Annotated[str | None, typer.Option(help="The channel; may be left out where there is one.")] = None,
    date: Annotated[
        str | None, typer.Option(help="The business date (YYYY-MM-DD), for jobs that have one; the last that ended.")
    ] = None,
    whole_listing: Annotated[bool, typer.Option("--whole-listing", help="import_listing: read all, not only changes.")] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="import_listing: take in a listing that lost much, after a look at it.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show Dagster's own log too.")] = False,
    as_json: Json = False,
) -> None:
    """Run one job here and now. Exit 0: it succeeded; 1: it failed, and stderr says why."""
    from cloudsales_pipeline.cli.instance import end_dead_runs, open_instance

    settings = load_settings()
    partition = _partition(settings, channel, job, date)
    with open_instance(settings) as instance:
        end_dead_runs(instance)
        ops = _listing_config(job, whole_listing=whole_listing or allow_shrink, allow_shrink=allow_shrink)
        success, events = _execute(instance, job, partition, verbose=verbose, ops=ops)
    title, told = f"{job}{f' of {partition}' if partition else ''}: {'done' if success else 'FAILED'}", summary(events)
    if told or as_json:
        print_rows(told, as_json=as_json, title=title)
    else:
        typer.echo(title)
    for line in file_notes(events):
        typer.echo(line, err=True)
    if not success:
        for line in failures(events):
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(1)


def _listing_config(job: str, *, whole_listing: bool, allow_shrink: bool) -> dict[str, Any]:
    """What the launchpad would be given: shrinking shows in a whole listing alone, so allowing it reads the whole."""
    if not whole_listing:
        return {}
    if job != LISTING_JOB:
        raise typer.BadParameter(f"these are for {LISTING_JOB} alone", param_hint="--whole-listing, --allow-shrink")
    return {"marketplace_listing": {"config": {"whole_listing": True, "allow_shrink": allow_shrink}}}


def execute(instance: dg.DagsterInstance, job: str, channel: str | None, *, whole_listing: bool = False) -> list[str]:
    """Run a job for another command; a line for each asset that it made, and one for its checks.

    Raises:
        JobFailedError: a step failed; says why, step by step.
    """
    ops = _listing_config(job, whole_listing=whole_listing, allow_shrink=False)
    success, events = _execute(instance, job, channel, verbose=False, ops=ops)
    if not success:
        raise JobFailedError(f"The job {job}{f' of {channel}' if channel else ''} failed: {'; '.join(failures(events))}")
    rows = summary(events)
    checks = [row["result"] for row in rows if row["kind"] == "check"]
    lines = [f"{row['what']}: {row['result']}" for row in rows if row["kind"] == "asset"]
    return [*lines, f"checks: {checks.count('passed')} of {len(checks)} passed"] if checks else lines


def _execute(
    instance: dg.DagsterInstance, job: str, channel: str | None, *, verbose: bool, ops: dict[str, Any]
) -> tuple[bool, Sequence[dg.EventLogEntry]]:
    from cloudsales_pipeline.cli.instance import process_tag

    definition = _job(job)
    if not verbose:
        # Under DAGSTER_REDACT_USER_CODE_ERRORS Dagster prints tracebacks here; our one line says what they mean.
        logging.getLogger("dagster.redacted_errors").setLevel(logging.CRITICAL + 1)
    result = definition.execute_in_process(
        instance=instance,
        partition_key=channel,
        tags=process_tag(),
        run_config={"ops": ops, "loggers": {"console": {"config": {"log_level": "DEBUG" if verbose else "CRITICAL"}}}},
        raise_on_error=False,
    )
    return result.success, instance.all_logs(result.run_id)


def _job(name: str) -> dg.JobDefinition:
    from cloudsales_pipeline.cli.instance import DEFINITIONS

    # By name, as workspace.yaml has it: the definitions stand above the commands, which must not lean on them.
    definitions: dg.Definitions = importlib.import_module(DEFINITIONS).defs
    known = {job.name for job in definitions.jobs or []}
    if name not in known:
        raise typer.BadParameter(f"there is no job {name}; there are: {', '.join(JOBS)}", param_hint="JOB")
    return definitions.resolve_job_def(name)


def _partition(settings: Settings, channel: str | None, job: str, date: str | None) -> str | None:
    """The channel or the business date that the job is for; None where it is for all there is."""
    if job in DAILY_JOBS or job in WHOLE_JOBS:
        if channel is not None:
            raise typer.BadParameter("this job is for all channels at once", param_hint="--channel")
        if job in DAILY_JOBS:
            return _date(settings, job, date)
    if date is not None:
        raise typer.BadParameter(f"the job {job} has no date", param_hint="--date")
    return None if job in WHOLE_JOBS else _channel(settings, channel, job)


def _date(settings: Settings, job: str, asked: str | None) -> str:
    """The business date as its partition's key: the one asked for, else the last that has ended."""
    from cloudsales_pipeline.resources.days import BUSINESS_DATES, CLOSING_DATES
    from cloudsales_pipeline.stock.days import last_days

    dates, which = (CLOSING_DATES, "a date") if job == "close_day" else (BUSINESS_DATES, "a date that has ended")
    if asked is None:
        return last_days(1, datetime.now(UTC), settings.timezone)[0].isoformat()
    if not dates.has_partition_key(asked):
        first, last = dates.get_first_partition_key(), dates.get_last_partition_key()
        raise typer.BadParameter(f"{which}, from {first} to {last}, is expected", param_hint="--date")
    return asked


def _channel(settings: Settings, asked: str | None, job: str) -> str:
    from cloudsales_pipeline.resources.channels import wanted_partitions

    names = wanted_partitions(settings)[PARTITIONS.get(job, "channel")]
    if asked is not None:
        settings.channel(asked)
        return asked if asked in names else _not_for_it(asked, job)
    if len(names) != 1:
        raise typer.BadParameter(f"say which: {', '.join(names) or 'the settings have none'}", param_hint="--channel")
    return names[0]


def _not_for_it(name: str, job: str) -> str:
    why = LACKS[PARTITIONS.get(job, "channel")]
    raise typer.BadParameter(f"the channel {name} has {why}", param_hint="--channel")


def summary(events: Iterable[dg.EventLogEntry]) -> list[dict[str, Any]]:
    """A row for each asset that was materialized, with its counts, and for each check, whether it passed."""
    rows: list[dict[str, Any]] = []
    for entry in events:
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type_value == "ASSET_MATERIALIZATION":
            made = event.step_materialization_data.materialization
            found = {name: made.metadata[name].value for name in TOLD if name in made.metadata}
            told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.items())
            rows.append({"what": made.asset_key.to_user_string(), "kind": "asset", "result": told or "done"})
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            state = "passed" if check.passed else f"{check.severity.value}: {check.description or 'failed'}"
            rows.append({"what": f"{check.asset_key.to_user_string()}: {check.check_name}", "kind": "check", "result": state})
    return rows


def file_notes(events: Iterable[dg.EventLogEntry]) -> list[str]:
    """A line for each file with something to say: why it was refused, or waits."""
    import dagster as dg

    made = [
        entry.dagster_event.step_materialization_data.materialization.metadata.get("files")
        for entry in events
        if entry.dagster_event and entry.dagster_event.event_type_value == "ASSET_MATERIALIZATION"
    ]
    records = [record.data for table in made if isinstance(table, dg.TableMetadataValue) for record in table.records]
    return [f"{row['file']}: {row['outcome']}, {row['note']}" for row in records if row.get("note")]


def failures(events: Iterable[dg.EventLogEntry]) -> list[str]:
    """A line for each check and step that failed: our own sentence where the error was ours, else the class of the error."""
    lines = []
    for event in (entry.dagster_event for entry in events):
        if event is not None and event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            advice = check.metadata.get("what_to_do")
            if not check.passed:
                lines.append(f"{check.check_name}: {check.description}.{f' Next: {advice.value}' if advice else ''}")
        elif event is not None and event.event_type_value == "STEP_FAILURE":
            lines.extend(_step_failure(event))
    return lines


def _step_failure(event: dg.DagsterEvent) -> list[str]:
    data = event.step_failure_data
    told = data.user_failure_data.description if data.user_failure_data else None
    name = data.error.cls_name if data.error else None
    if name == "DagsterAssetCheckFailedError":
        return []  # the checks that failed have said so
    return [f"{event.step_key}: {told or name or 'failed'}"]
