"""The check that a listing is fresh: every channel was imported within twice its interval.

Nothing in Dagster tells when a schedule or sensor fails to do its work; what it should have produced does. The asset's
freshness policy sees the asset as a whole, so one lively channel would hide a dead one: this looks at each.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import LISTING_EVERY, importing_channels
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

CHECK = "every_channel_imported_lately"
ASSET = "marketplace_listing"
LATE_AFTER = 2 * LISTING_EVERY


@dg.asset_check(
    asset=ASSET,
    name=CHECK,
    description="Every channel's listing was taken in within twice its interval. The sensor listing_freshness looks too, so that"
    " it turns red when nothing runs at all.",
)
def every_channel_imported_lately(project: Project) -> dg.AssetCheckResult:
    """Look at when each channel's last import was stored."""
    with clear_failures(), project.engine() as engine, engine.connect() as connection:
        ages = import_ages(connection, importing_channels(project.settings()))
    return dg.AssetCheckResult(passed=not late(ages), severity=dg.AssetCheckSeverity.WARN, metadata=freshness_metadata(ages))


def import_ages(connection: "Connection", channels: Sequence[str]) -> list[dict[str, Any]]:
    """For each channel, when its last import was stored and how many minutes ago; never imported counts from its registration."""
    import sqlalchemy as sa

    rows = connection.execute(
        sa.text(
            "select c.channel, i.stored_at,"
            " round(extract(epoch from now() - coalesce(i.stored_at, c.registered_at)) / 60)::integer as minutes"
            " from cloudsales.channel c left join lateral (select max(finished_at) as stored_at from cloudsales.listing_import"
            " where channel = c.channel and state = 'stored') i on true"
            " where c.channel = any (:channels) order by c.channel"
        ),
        {"channels": list(channels)},
    )
    return [dict(row) for row in rows.mappings()]


def late(ages: Sequence[dict[str, Any]]) -> list[str]:
    """The channels whose last import is older than twice the interval."""
    return [row["channel"] for row in ages if row["minutes"] * 60 > LATE_AFTER.total_seconds()]


def freshness_metadata(ages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the check shows: each channel's last import, and what to do about the late ones."""
    names = late(ages)
    rows = [{"channel": row["channel"], "last_import": _when(row["stored_at"]), "minutes_ago": row["minutes"]} for row in ages]
    advice = f"Look at the last runs of import_listing for {', '.join(names)}; by hand: cloudsales run import_listing --channel …"
    return {"imports": metadata.table(rows), "what_to_do": dg.MetadataValue.text(advice if names else "nothing")}


def _when(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "never"
