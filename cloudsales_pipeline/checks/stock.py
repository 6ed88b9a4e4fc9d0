"""The checks of stock: the ledger and all that is derived from it, once a night; how publishing goes, minute by minute.

The rules are `stock.quality`'s and `stock.watch`'s; here they get a place and a colour. The two about publishing are judged by
the sensor stock_watch too, so that they turn red while nothing runs.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.audits import check_result, check_specs
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.lag_picture import lag_histogram
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.stock.channels import publishing_channels
from cloudsales_pipeline.stock.quality import STOCK_RULES, check_stock
from cloudsales_pipeline.stock.watch import Lag, Reach, lags, plain, reaches

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from cloudsales_pipeline.catalog.audit import AuditRule
    from cloudsales_pipeline.settings import Settings

PUBLICATION, SNAPSHOT = "stock_publication", "stock_snapshot"
PUSH_LAG, REACHED = "push_lag_objective", "every_channel_reached_lately"
RED = dg.AssetCheckSeverity.ERROR
PUBLISHED_RULES = tuple(rule for rule in STOCK_RULES if rule.name == "published_within_rule")
LEDGER_RULES = tuple(rule for rule in STOCK_RULES if rule not in PUBLISHED_RULES)


@dg.multi_asset_check(
    name="stock_audit",
    specs=check_specs(SNAPSHOT, LEDGER_RULES),
    description="Works the whole of stock out again, apart from the triggers that keep it. Reads the whole ledger: once a night.",
)
def stock_audit(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check ledger, levels, reservations, transfers and references."""
    yield from _audited(project, SNAPSHOT, LEDGER_RULES)


@dg.multi_asset_check(
    name="publication_audit",
    specs=check_specs(PUBLICATION, PUBLISHED_RULES),
    description="Works out again what each listing should show. Reads every publication: with take_stock_snapshot, once a night.",
)
def publication_audit(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check every publication against its rule."""
    yield from _audited(project, PUBLICATION, PUBLISHED_RULES)


@dg.multi_asset_check(
    name="publishing_watch",
    specs=[
        dg.AssetCheckSpec(
            PUSH_LAG,
            asset=PUBLICATION,
            description="99 of 100 changes of the last hour were on each channel within stock.lag_objective, or its own."
            " The sensor stock_watch looks each minute.",
        ),
        dg.AssetCheckSpec(
            REACHED,
            asset=PUBLICATION,
            description="No channel has left changes untaken for longer than stock.unreached_after, or its own. The sensor"
            " stock_watch looks each minute.",
        ),
    ],
    description="How publishing goes, by channel.",
)
def publishing_watch(project: Project) -> Iterator[dg.AssetCheckResult]:
    """Judge the lag of each channel, and whether it is reached."""
    with clear_failures(), project.engine() as engine, engine.connect() as connection:
        told = judge_publishing(connection, project.settings())
    for name, (passed, description, shown) in told.items():
        yield dg.AssetCheckResult(
            passed=passed, asset_key=PUBLICATION, check_name=name, severity=RED, description=description, metadata=shown
        )


Judged = tuple[bool, str, dict[str, Any]]


def judge_publishing(connection: "Connection", settings: "Settings") -> dict[str, Judged]:
    """By check: whether it passed, a sentence, and metadata. Costs what waits, not what there is."""
    channels = publishing_channels(settings)
    return {
        PUSH_LAG: _lag_judged(lags(connection, {name: settings.lag_objective(name) for name in channels})),
        REACHED: _reach_judged(reaches(connection, {name: settings.unreached_after(name) for name in channels})),
    }


def _lag_judged(found: "Sequence[Lag]") -> Judged:
    late = [one for one in found if not one.kept]
    rows = [
        {
            "channel": one.channel,
            "objective": plain(one.objective),
            "changes": one.acknowledged,
            "p50": plain(one.p50),
            "p99": plain(one.p99),
            "longest": plain(one.longest) if one.acknowledged else None,
            "late_and_waiting": one.overdue,
        }
        for one in found
    ]
    shown: dict[str, Any] = {"last_hour": metadata.table(rows)}
    for one in found:
        if one.p99 is not None:
            shown[f"p99_{one.channel}"] = one.p99  # a number, for Dagster draws it over time
            shown[f"lag_{one.channel}"] = dg.MetadataValue.md(lag_histogram(one.counts, one.p50, one.p99, one.objective))
    if late:
        shown["what_to_do"] = dg.MetadataValue.text(
            "minute by minute: analytics.stock_push. A channel's limits.requests_per_minute may be too low for what changes;"
            " cloudsales work sends without the daemon's pauses"
        )
    return not late, _lag_told(found), shown


def _lag_told(found: "Sequence[Lag]") -> str:
    late = [one for one in found if not one.kept]
    if late or not found:
        return "; ".join(map(_lag_sentence, late)) or "no channel is told of stock"
    quiet = [one.channel for one in found if not one.acknowledged]
    return f"kept; nothing was sent in the last hour to {', '.join(quiet)}" if quiet else "kept"


def _lag_sentence(one: "Lag") -> str:
    waiting = f"{one.overdue} changes wait too long" if one.overdue else ""
    p99 = f"p99 {plain(one.p99)}" if one.p99 is not None else ""
    return f"{one.channel}: {', '.join(part for part in (p99, waiting) if part)}"


def _reach_judged(found: "Sequence[Reach]") -> Judged:
    rows = [
        {
            "channel": one.channel,
            "state": _reach_state(one),
            "waiting": one.waiting,
            "unreached_for": plain(one.unreached),
            "at_most": plain(one.bound),
            "last_reached": _when(one.reached_at) or "never",
            "last_error": one.failure,
            "failing_since": _when(one.failing_since),
            "held": one.held,
            "held_since": _when(one.hold_since),
        }
        for one in found
    ]
    late = [one for one in found if one.late]
    held = [f"the brake holds {one.held} zeroes of {one.channel}" for one in found if one.held]
    said = [f"{one.channel} took nothing for {plain(one.unreached)}{f' ({one.failure})' if one.failure else ''}" for one in late]
    shown: dict[str, Any] = {"channels": metadata.table(rows)}
    advice = [f"look whether {', '.join(one.channel for one in late)} is up, then at the ticks of stock_deltas"] if late else []
    advice += [f"after a look: cloudsales stock release-hold {one.channel}" for one in found if one.held]
    if advice:
        shown["what_to_do"] = dg.MetadataValue.text("; ".join(advice))
    calm = ["every channel is reached"] if found else ["no channel is told of stock"]
    return not late, "; ".join([*(said or calm), *held]), shown


def _reach_state(one: "Reach") -> str:
    if one.late:
        return "unreached"
    if one.waiting:
        return "changes wait"
    return "held by the brake" if one.held else "nothing waits"


def _when(moment: datetime | None) -> str | None:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else None


def _audited(project: Project, asset: str, rules: "Sequence[AuditRule]") -> Iterator[dg.AssetCheckResult]:
    with clear_failures(), project.engine() as engine:
        results = check_stock(engine, rules)
    for rule, result in zip(rules, results, strict=True):
        yield check_result(asset, rule, result)
