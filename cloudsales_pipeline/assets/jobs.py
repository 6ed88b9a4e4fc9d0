"""Jobs: which assets run together. Their checks run with them, for a selection of assets takes its checks along.

A run has a slot by tag, and dagster.yaml allows one run for each slot: an import of a channel's listing, or of its images,
once at a time; into the catalogue one at a time whatever the channel, for they would wait for the catalogue's lock.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from cloudsales_pipeline.resources.channels import CHANNELS, INBOX_CHANNELS, PUBLISHING_CHANNELS
from cloudsales_pipeline.resources.days import BUSINESS_DATES, CLOSING_DATES

SLOT_TAG = "cloudsales/slot"
# It reads every publication: once a night is enough, and a push by hand does not wait for it.
ALL_PUBLISHED = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("stock_publication"), "published_within_rule"))


def _job(
    name: str,
    description: str,
    *assets: str,
    slot_per_channel: bool = True,
    stage: str = "listing",
    partitions: dg.PartitionsDefinition[str] = CHANNELS,
    checks: tuple[dg.AssetSelection, ...] = (),
    without: tuple[dg.AssetSelection, ...] = (),
) -> UnresolvedAssetJobDefinition:
    def tags(channel: str) -> dict[str, str]:
        return {SLOT_TAG: f"{name}:{channel}" if slot_per_channel else name}

    selection: dg.AssetSelection = dg.AssetSelection.assets(*assets)
    for more in checks:
        selection = selection | more
    for less in without:
        selection = selection - less

    return dg.define_asset_job(
        name,
        selection=selection,
        description=description,
        tags={"stage": stage},
        config=dg.PartitionedConfig(
            partitions, run_config_for_partition_key_fn=lambda channel: {}, tags_for_partition_key_fn=tags
        ),
    )


import_listing = _job(
    "import_listing",
    "Take in a channel's categories and listing, as the channel shows them. Nothing of the catalogue is touched.",
    "marketplace_categories",
    "marketplace_listing",
)

import_catalog = _job(
    "import_catalog",
    "Take a channel's listing into the catalogue: plan, checks that must pass, apply, checks of what became of it.",
    "catalog_plan",
    "catalog",
    slot_per_channel=False,
    stage="catalog",
)

fetch_images = _job(
    "fetch_images",
    "Fetch the images of a channel's products that are due. A job of its own, so that it never holds up an import.",
    "product_images",
)

publish_stock = _job(
    "publish_stock",
    "Send a channel the stock figures that differ, until none does. The sensor stock_deltas does so by itself.",
    "stock_publication",
    stage="stock",
    partitions=PUBLISHING_CHANNELS,
    without=(ALL_PUBLISHED,),
)

reconcile_channels = _job(
    "reconcile_channels",
    "Read back what a channel really shows, in rotation: correct what differs, list what nobody looks after.",
    "channel_offers",
    stage="stock",
    partitions=PUBLISHING_CHANNELS,
)

load_store_files = _job(
    "load_store_files",
    "Take in the files of movements that a store dropped into its inbox, each once by its content, and archive them with their"
    " result. The sensor store_files starts it when a file is complete.",
    "store_movements",
    stage="stock",
    partitions=INBOX_CHANNELS,
)

take_stock_snapshot = _job(
    "take_stock_snapshot",
    "Stock at the end of a business date, for analysts, and the checks of all of stock. Each night, by daily_stock_snapshot.",
    "stock_snapshot",
    slot_per_channel=False,
    stage="stock",
    partitions=BUSINESS_DATES,
    checks=(ALL_PUBLISHED,),
)

import_orders = _job(
    "import_orders",
    "Take in what is new or changed of a channel's orders, reserve stock for them, serve who waits, and tell the channel. The"
    " sensor new_orders starts it by itself.",
    "sales_orders",
    stage="orders",
)

close_day = _job(
    "close_day",
    "Close a business date: one order for each supplier whose cut-off has passed, its documents, and its way out. A date that was"
    " closed stays as it is. The schedule daily_replenishment starts it at each supplier's cut-off, and for missed dates.",
    "supplier_orders",
    slot_per_channel=False,
    stage="purchasing",
    partitions=CLOSING_DATES,
)

review_requirement = dg.define_asset_job(
    "review_requirement",
    selection=dg.AssetSelection.assets("purchase_requirement"),
    description="Show what must be bought now, what has no supplier, and what to buy before it is missing. Each hour, by"
    " hourly_requirement; it orders nothing.",
    tags={"stage": "purchasing", SLOT_TAG: "review_requirement"},
)

issue_documents = dg.define_asset_job(
    "issue_documents",
    selection=dg.AssetSelection.assets("invoices", "waybills"),
    description="Judge orders whose facts changed, issue invoices, stornos and waybills by your rules, make their files, and give"
    " them to the channels. The sensor orders_to_judge starts it by itself.",
    tags={"stage": "documents", SLOT_TAG: "issue_documents"},
)

send_messages = dg.define_asset_job(
    "send_messages",
    selection=dg.AssetSelection.assets("messages"),
    description="Send the messages that are due, each once. The sensor messages_due starts it by itself.",
    tags={"stage": "messages", SLOT_TAG: "send_messages"},
)

tell_operators = dg.define_asset_job(
    "tell_operators",
    selection=dg.AssetSelection.assets("what_waits"),
    description="Look what waits for a person, and tell the operators what they were not told yet. The sensor operators_told does"
    " so by itself, each minute.",
    tags={"stage": "operations", SLOT_TAG: "tell_operators"},
)

JOBS = (
    import_listing,
    import_catalog,
    fetch_images,
    publish_stock,
    load_store_files,
    reconcile_channels,
    take_stock_snapshot,
    import_orders,
    close_day,
    review_requirement,
    issue_documents,
    send_messages,
    tell_operators,
)
