"""The check that what the channels show is what they should: nothing is sold there that nobody manages.

What belongs here: judging what reconciliation found. What does not: finding or correcting it (stock.reconcile).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.stock.channels import publishing_channels

if TYPE_CHECKING:
    from cloudsales_pipeline.settings import Settings

CHECK = "channels_show_what_they_should"
TO_DO = ("ghost", "never_acknowledged", "not_shown", "drift")
"""Drift that is corrected is no longer anybody's work."""


@dg.asset_check(
    asset="channel_offers",
    name=CHECK,
    description="No channel sells what is unknown here, misses a listing, never took a figure, or shows a wrong one that is"
    " not corrected yet (else a warning). An error: so much of a channel suddenly shows too little, or nothing, that a person"
    " should look there first.",
)
def channels_show_what_they_should(project: Project) -> dg.AssetCheckResult:
    """Look at what is open on each channel that is told of stock."""
    with clear_failures(), project.engine() as engine, engine.connect() as connection:
        from cloudsales_pipeline.stock.offers import standing

        settings = project.settings()
        return judged(standing(connection, publishing_channels(settings)), settings)


def judged(rows: "Sequence[dict[str, Any]]", settings: "Settings") -> dg.AssetCheckResult:
    """The result from `offers.standing`: a warning where anything is to be done, an error where a channel is doubted."""
    doubted = [row["channel"] for row in rows if _doubted(row, settings)]
    counts = {kind: sum(row[kind] for row in rows) for kind in TO_DO}
    advice = [f"see what happened to {name} before anything else: the next reconciliation believes it" for name in doubted]
    advice += ["cloudsales stock offers lists each with what to do"] if any(counts.values()) else []
    return dg.AssetCheckResult(
        passed=not advice,
        severity=dg.AssetCheckSeverity.ERROR if doubted else dg.AssetCheckSeverity.WARN,
        description=", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in counts.items()),
        metadata={
            **counts,
            "channels": metadata.table(rows),
            "what_to_do": dg.MetadataValue.text("; ".join(advice) or "nothing"),
        },
    )


def _doubted(row: "dict[str, Any]", settings: "Settings") -> bool:
    from cloudsales_pipeline.stock.reconcile import FEW

    most = settings.channel(row["channel"]).limits.hold_if_share_to_zero
    return bool(row["listings"] >= FEW and row["suspected"] > most * row["listings"])
