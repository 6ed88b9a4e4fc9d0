"""`cloudsales status`: at a glance what is healthy, what waits for a person and since when, and the command for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudsales_pipeline.cli.output import Json, detail, print_rows
from cloudsales_pipeline.cli.stages import project

if TYPE_CHECKING:
    from cloudsales_pipeline.operations.findings import Finding, Reading

FAST_SECONDS = 1.0
SECONDS = 10.0

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def status(
    fast: Annotated[bool, typer.Option("--fast", help="Leave out what may take longer; at most about a second.")] = False,
    as_json: Json = False,
) -> None:
    """What waits for a person, by stage. Exit 0: nothing that can't wait; 1: something, or it could not be read."""
    from cloudsales_pipeline.operations.findings import LEFT_OUT, SLOW, findings

    now = datetime.now(UTC)
    with project() as (settings, engine):
        without, seconds = (SLOW, FAST_SECONDS) if fast else ((), SECONDS)
        reading = findings(engine, settings, now=now, seconds=seconds, without=without)
    failed = {kind: reason for kind, reason in reading.unread.items() if reason != LEFT_OUT}
    rows = [_row(one, now) for one in reading.findings]
    if as_json:
        rows += [{"severity": "unread", "kind": kind, "what": reason} for kind, reason in reading.unread.items()]
        print_rows(rows, as_json=True, columns=COLUMNS_JSON)
    else:
        _show(reading, rows, failed)
    if reading.of("now") or failed:
        raise typer.Exit(1)


COLUMNS = ("stage", "when", "what", "waits", "command")
COLUMNS_JSON = ("severity", "stage", "kind", "subject", "count", "since", "seconds", "what", "command")


def _row(one: Finding, now: datetime) -> dict[str, Any]:
    seconds = max(0, int((now - one.since).total_seconds()))
    return {
        "severity": one.severity,
        "stage": one.stage,
        "kind": one.kind,
        "subject": one.subject,
        "count": one.count,
        "since": one.since,
        "seconds": seconds,
        "what": one.sentence(),
        "command": one.command,
        "when": "now" if one.severity == "now" else "soon",
        "waits": span(seconds),
    }


def _show(reading: Reading, rows: Sequence[dict[str, Any]], failed: dict[str, str]) -> None:
    from cloudsales_pipeline.operations.kinds import STAGES

    if rows:
        ordered = sorted(rows, key=lambda row: STAGES.index(row["stage"]))  # stable: the most urgent of a stage first
        print_rows(ordered, as_json=False, title="Waits for a person", columns=COLUMNS)
    busy = {row["stage"] for row in rows}
    detail(f"Healthy: {', '.join(stage for stage in STAGES if stage not in busy) or 'no stage'}.")
    if left := [kind for kind in reading.unread if kind not in failed]:
        detail(f"Not looked at (--fast): {', '.join(left)}.")
    for kind, reason in failed.items():
        detail(f"Could not be read: {kind} ({reason}).")
    detail(f"{len(reading.of('now'))} can't wait, {len(reading.of('digest'))} can.")


def span(seconds: int) -> str:
    """A duration for people: `40 s`, `12 min`, `5 h`, `3 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
