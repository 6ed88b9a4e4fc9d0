"""Group `listing`: what a channel shows, taken in as it is. How that is done stands in `cloudsales_pipeline.listing`.

What belongs here: calling the stage and telling what came of it. What does not: any rule of what is taken in.
"""

import time
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from cloudsales_pipeline.resources import metadata
from cloudsales_pipeline.resources.channels import CHANNELS, LISTING_EVERY
from cloudsales_pipeline.resources.failures import clear_failures
from cloudsales_pipeline.resources.project import Project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from cloudsales_pipeline.listing.imports import ListingResult

IMAGES_PER_RUN = 5_000
IMAGES_DEADLINE_SECONDS = 600.0
IMAGE_WORKERS = 8
SAMPLE = 5

fashionup_marketplace = dg.AssetSpec(
    "fashionup_marketplace",
    group_name="channels",
    description="The marketplace FashionUp, outside of this pipeline: its categories, products and images over its API.",
    kinds={"marketplace"},
    owners=["team:operations"],
    tags={"stage": "channels"},
)

LATE = dg.FreshnessPolicy.time_window(fail_window=2 * LISTING_EVERY)


class ListingConfig(dg.Config):
    """What an operator may ask for in the launchpad."""

    whole_listing: bool = Field(default=False, description="Read the whole listing even where the channel can tell what changed.")
    allow_shrink: bool = Field(
        default=False, description="Take the listing in even if it lost more than hold_if_listing_shrinks_by: after a look at it."
    )


@dg.asset(
    partitions_def=CHANNELS,
    group_name="listing",
    deps=[fashionup_marketplace],
    description="The channel's categories, each with its path from the root. Taken in as the channel shows them.",
    kinds={"python", "postgres"},
    owners=["team:operations"],
    tags={"stage": "listing"},
)
def marketplace_categories(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Import the categories of the run's channel."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine, project.channel(name, engine) as channel:
        from cloudsales_pipeline.listing.categories import import_categories

        started = time.monotonic()
        result = import_categories(engine, channel, run_id=context.run.run_id)
        seconds = time.monotonic() - started
        with engine.connect() as connection:
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": _rows(connection, "listing_category", name),
                    **metadata.described(connection, "listing_category"),
                    **metadata.counts(result, seconds),
                    "missing": result.missing,
                    "sample": metadata.table(_sample_categories(connection, name)),
                    "look_next": dg.MetadataValue.text(
                        "cloudsales quarantine list --stage listing; all of them: the table analytics.listing_category"
                    ),
                }
            )


@dg.asset(
    partitions_def=CHANNELS,
    group_name="listing",
    deps=[fashionup_marketplace],
    description="What the channel shows for sale, one row for each sellable variant, with what came kept as it came. An unchanged"
    " listing writes nothing; what vanished is marked as missing, never deleted; a sharply shrunken one is not taken in.",
    kinds={"python", "postgres"},
    owners=["team:operations"],
    tags={"stage": "listing"},
    freshness_policy=LATE,
)
def marketplace_listing(context: dg.AssetExecutionContext, config: ListingConfig, project: Project) -> dg.MaterializeResult[Any]:
    """Import the listing of the run's channel; an interrupted import goes on where it stood."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine, project.channel(name, engine) as channel:
        from cloudsales_pipeline.listing.imports import import_listing

        settings = project.settings().channel(name)
        result = import_listing(
            engine,
            channel,
            settings.limits,
            mode="full" if config.whole_listing else None,
            full_every=settings.full_listing_every,
            run_id=context.run.run_id,
            progress=metadata.progress(context.log.info),
            allow_shrink=config.allow_shrink,
        )
        with engine.connect() as connection:
            return dg.MaterializeResult(metadata=_listing_metadata(connection, name, result))


@dg.asset(
    partitions_def=CHANNELS,
    group_name="listing",
    deps=[marketplace_listing],
    description="The products' images, each stored once by its content with a thumbnail. Addresses that point inside, and what is"
    " not an image, are refused. Runs beside the import, never in its way.",
    kinds={"python", "file"},
    owners=["team:operations"],
    tags={"stage": "listing"},
)
def product_images(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """Fetch the images that are due for the run's channel, a bounded number in bounded time."""
    name = context.partition_key
    with clear_failures(), project.engine() as engine, project.fetcher(name) as fetcher:
        from cloudsales_pipeline.listing.images import fetch_images

        started = time.monotonic()
        result = fetch_images(
            engine,
            fetcher.fetch,
            project.settings().data_dir,
            channel=name,
            limit=IMAGES_PER_RUN,
            deadline_seconds=IMAGES_DEADLINE_SECONDS,
            workers=IMAGE_WORKERS,
            progress=metadata.progress(context.log.info),
        )
        seconds = time.monotonic() - started
        with engine.connect() as connection:
            states = _image_states(connection, name)
        done = result.stored + result.already_had
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(row["images"] for row in states if row["state"] == "stored"),
                "stored": result.stored,
                "already_had": result.already_had,
                "refused": result.refused,
                "failed": result.failed,
                "retry_later": result.retry_later,
                "still_due": result.still_due,
                "seconds": round(seconds, 3),
                "images_per_second": round(done / seconds, 1) if seconds > 0 else 0.0,
                "states": metadata.table(states),
                "look_next": dg.MetadataValue.text(
                    "select sku, position, state from analytics.product_image where state in ('refused', 'failed')"
                ),
            }
        )


def _listing_metadata(connection: "Connection", name: str, result: "ListingResult") -> dict[str, Any]:
    outcomes = [
        {"what": what, "rows": rows}
        for what, rows in (
            ("loaded", result.loaded),
            ("unchanged", result.unchanged),
            ("quarantined", result.quarantined),
            ("no longer shown", result.missing),
        )
    ]
    return {
        "dagster/row_count": _rows(connection, "listing", name),
        **metadata.described(connection, "listing"),
        **metadata.counts(result, result.seconds),
        "missing": result.missing,
        "mode": result.mode,
        "pages": result.pages,
        "products_read": result.products_read,
        "resumed_from_page": result.resumed_from_page or 0,
        "outcomes": metadata.table(outcomes),
        "sample": metadata.table(_sample_listing(connection, name)),
        "look_next": dg.MetadataValue.text(
            f"cloudsales catalog plan {name} shows what an import into the catalogue would do;"
            " cloudsales quarantine list --stage listing shows what could not be read"
        ),
    }


def _rows(connection: "Connection", view: str, channel: str) -> int:
    import sqlalchemy as sa

    counted = sa.select(sa.func.count()).select_from(sa.table(view, sa.column("channel"), schema="analytics"))
    return int(connection.scalar(counted.where(sa.column("channel") == channel)) or 0)


def _sample_categories(connection: "Connection", channel: str) -> list[dict[str, Any]]:
    return metadata.select(
        connection,
        "select category_id, path, missing_since from analytics.listing_category where channel = :channel limit :sample",
        channel=channel,
        sample=SAMPLE,
    )


def _sample_listing(connection: "Connection", channel: str) -> list[dict[str, Any]]:
    """The rows that changed last: those this import brought, if it brought any."""
    return metadata.select(
        connection,
        "select l.variant_id, l.code, l.ean, p.name, l.size, l.colour, l.price, l.currency, l.channel_stock"
        " from (select * from cloudsales.listing where channel = :channel order by listing_id desc limit :sample) l"
        " join cloudsales.listing_product p on p.channel = l.channel and p.external_id = l.product_external_id",
        channel=channel,
        sample=SAMPLE,
    )


def _image_states(connection: "Connection", channel: str) -> list[dict[str, Any]]:
    return metadata.select(
        connection,
        "select state, coalesce(reason, '') as reason, count(*) as images from cloudsales.image"
        " where channel = :channel group by 1, 2 order by 3 desc limit 4 * :sample",
        channel=channel,
        sample=SAMPLE,
    )
