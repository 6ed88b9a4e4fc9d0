"""The checks that guard the matching: on the plan before it may be applied, and on the catalogue afterwards.

The rules are `catalog.rules`'s. A blocking check stops its own run alone; that a later run can't apply a plan which was
not audited is `catalog.apply`'s guard. Checks have no partitions of their own (a preview feature in this version of Dagster):
they judge the channel of their run, and say which it was; run alone without a channel, they judge every channel.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.catalog.rules import CATALOGUE_RULES, PLAN_RULES, Rule, RuleResult
from cloudsales_pipeline.errors import RefusedError
from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import importing_channels
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.plans import plan_made_by, plan_of_run
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

SAMPLE = 20
# What a rule that blocks nothing means when it is broken: of a plan, look at it; of the catalogue, something is wrong already.
ELSE = {"catalog_plan": dg.AssetCheckSeverity.WARN, "catalog": dg.AssetCheckSeverity.ERROR}
NOTHING_HEARD = "Run the checks again, and read the run's log."


def _specs(asset: str, rules: Sequence[Rule]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(rule.name, asset=asset, description=rule.description, blocking=rule.blocking) for rule in rules]


@dg.multi_asset_check(
    name="plan_audit",
    specs=_specs("catalog_plan", PLAN_RULES),
    description="Judges a plan before anything of the catalogue is touched, and marks it as audited or rejected.",
)
def plan_audit(context: dg.AssetCheckExecutionContext, project: Project) -> Iterator[dg.AssetCheckResult]:
    """Audit the plan that this run made; run alone, the newest open plan of the channel, or of each channel."""
    with clear_failures():
        judged = _audit(context, project)
    yield from _results("catalog_plan", PLAN_RULES, judged)


@dg.multi_asset_check(
    name="catalogue_audit",
    specs=_specs("catalog", CATALOGUE_RULES),
    description="Judges the catalogue and its links after an import.",
)
def catalogue_audit(context: dg.AssetCheckExecutionContext, project: Project) -> Iterator[dg.AssetCheckResult]:
    """Check what the run's own plan touched, so that the cost is the change's; run alone, everything of every channel."""
    with clear_failures(), project.engine() as engine:
        from cloudsales_pipeline.catalog.quality import check_catalogue

        with engine.connect() as connection:
            plans = {channel: plan_made_by(connection, channel, context.run.run_id) for channel in _channels(context, project)}
        judged = {channel: check_catalogue(engine, channel, plan_id) for channel, plan_id in plans.items()}
    yield from _results("catalog", CATALOGUE_RULES, judged)


def _audit(context: dg.AssetCheckExecutionContext, project: Project) -> dict[str, tuple[RuleResult, ...]]:
    from cloudsales_pipeline.catalog.quality import audit_plan

    bounds = project.settings().quality
    with project.engine() as engine:
        plans = _plans(engine, _channels(context, project), context.run.run_id)
        if not plans:
            raise RefusedError("No plan waits for its audit.", next_step="materialize catalog_plan, which runs these checks")
        return {channel: audit_plan(engine, plan_id, bounds).results for channel, plan_id in plans.items()}


def _channels(context: dg.AssetCheckExecutionContext, project: Project) -> list[str]:
    return [context.partition_key] if context.has_partition_key else importing_channels(project.settings())


def _plans(engine: "Engine", channels: Sequence[str], run_id: str) -> dict[str, int]:
    with engine.connect() as connection:
        found = {channel: plan_of_run(connection, channel, run_id) for channel in channels}
    return {channel: plan_id for channel, plan_id in found.items() if plan_id is not None}


def _results(asset: str, rules: Sequence[Rule], judged: Mapping[str, Sequence[RuleResult]]) -> Iterator[dg.AssetCheckResult]:
    """One result for each rule; a rule of which nothing was heard for a channel has not passed."""
    for rule in rules:
        heard = {channel: _find(rule, results) for channel, results in judged.items()}
        yield _result(asset, rule, heard)


def _find(rule: Rule, results: Sequence[RuleResult]) -> RuleResult | None:
    return next((result for result in results if result.rule == rule.name), None)


def _result(asset: str, rule: Rule, heard: dict[str, RuleResult | None]) -> dg.AssetCheckResult:
    ran = {channel: result for channel, result in heard.items() if result is not None and result.ran}
    not_run = [channel for channel in heard if channel not in ran]
    offending = sum(result.offending_rows for result in ran.values())
    passed = not not_run and all(result.passed for result in ran.values())
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=asset,
        check_name=rule.name,
        severity=dg.AssetCheckSeverity.ERROR if rule.blocking else ELSE[asset],
        description=_sentence(passed, offending, not_run),
        metadata={
            "channels": dg.MetadataValue.text(", ".join(heard)),
            "rows_checked": sum(result.checked_rows for result in ran.values()),
            "rows_offending": offending,
            **(_figures(heard) if passed else _what_failed(heard)),
        },
    )


def _sentence(passed: bool, offending: int, not_run: Sequence[str]) -> str:
    if not_run:
        return f"could not run for {', '.join(not_run)}"
    return "holds" if passed else f"{offending} rows break it" if offending else "does not hold"


def _figures(heard: dict[str, RuleResult | None]) -> dict[str, Any]:
    """What a green result has to show: the figures that were judged, and what a reader should know."""
    results = {channel: result for channel, result in heard.items() if result is not None}
    rows = [{"channel": channel, **row} for channel, result in results.items() for row in result.sample]
    notes = [result.what_to_do for result in results.values() if result.what_to_do]
    shown: dict[str, Any] = {"figures": metadata.table(rows[:SAMPLE])} if rows else {}
    return {**shown, "note": dg.MetadataValue.text(" ".join(notes))} if notes else shown


def _what_failed(heard: dict[str, RuleResult | None]) -> dict[str, Any]:
    failed = {channel: result for channel, result in heard.items() if result is not None and not (result.ran and result.passed)}
    rows = [{"channel": channel, **row} for channel, result in failed.items() for row in result.sample]
    advice = list(dict.fromkeys(result.what_to_do for result in failed.values()))
    return {"sample": metadata.table(rows[:SAMPLE]), "what_to_do": dg.MetadataValue.text(" ".join(advice) or NOTHING_HEARD)}
