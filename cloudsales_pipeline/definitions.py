"""All that Dagster loads, on one page."""

import dagster as dg

from cloudsales_pipeline.assets.catalog import catalog, catalog_plan
from cloudsales_pipeline.assets.documents import invoices, waybills
from cloudsales_pipeline.assets.jobs import JOBS
from cloudsales_pipeline.assets.listing import (
    fashionup_marketplace,
    marketplace_categories,
    marketplace_listing,
    product_images,
)
from cloudsales_pipeline.assets.messages import messages
from cloudsales_pipeline.assets.operators import what_waits
from cloudsales_pipeline.assets.orders import sales_orders
from cloudsales_pipeline.assets.purchasing import purchase_requirement, supplier_orders
from cloudsales_pipeline.assets.stock import stock_publication
from cloudsales_pipeline.assets.stock_files import store_movements
from cloudsales_pipeline.assets.stock_reconciliation import channel_offers
from cloudsales_pipeline.assets.stock_snapshot import stock_snapshot
from cloudsales_pipeline.checks.catalog import catalogue_audit, plan_audit
from cloudsales_pipeline.checks.documents import invoices_audit, waybills_audit
from cloudsales_pipeline.checks.listing import every_channel_imported_lately
from cloudsales_pipeline.checks.messages import messages_audit
from cloudsales_pipeline.checks.orders import orders_audit
from cloudsales_pipeline.checks.purchasing import purchasing_audit
from cloudsales_pipeline.checks.stock import publication_audit, publishing_watch, stock_audit
from cloudsales_pipeline.checks.stock_reconciliation import channels_show_what_they_should
from cloudsales_pipeline.resources.project import Project
from cloudsales_pipeline.schedules.listing import listing_refresh
from cloudsales_pipeline.schedules.purchasing import daily_replenishment, hourly_requirement
from cloudsales_pipeline.schedules.stock import daily_stock_snapshot, nightly_reconciliation
from cloudsales_pipeline.sensors.documents import orders_to_judge
from cloudsales_pipeline.sensors.failures import run_failures
from cloudsales_pipeline.sensors.listing import channel_partitions, images_due, listing_changed, listing_freshness
from cloudsales_pipeline.sensors.messages import messages_due
from cloudsales_pipeline.sensors.operators import operators_told
from cloudsales_pipeline.sensors.orders import new_orders
from cloudsales_pipeline.sensors.stock import stock_deltas, stock_watch
from cloudsales_pipeline.sensors.stock_files import store_files

defs = dg.Definitions(
    assets=[
        # channels
        fashionup_marketplace,
        # listing
        marketplace_categories,
        marketplace_listing,
        product_images,
        # catalog
        catalog_plan,
        catalog,
        # stock
        store_movements,
        stock_publication,
        channel_offers,
        stock_snapshot,
        # orders
        sales_orders,
        # purchasing
        purchase_requirement,
        supplier_orders,
        # documents
        invoices,
        waybills,
        # messages
        messages,
        # operations
        what_waits,
    ],
    asset_checks=[
        every_channel_imported_lately,
        plan_audit,
        catalogue_audit,
        stock_audit,
        publication_audit,
        publishing_watch,
        channels_show_what_they_should,
        orders_audit,
        purchasing_audit,
        invoices_audit,
        waybills_audit,
        messages_audit,
    ],
    jobs=JOBS,
    schedules=[listing_refresh, nightly_reconciliation, daily_stock_snapshot, daily_replenishment, hourly_requirement],
    sensors=[
        channel_partitions,
        listing_changed,
        images_due,
        listing_freshness,
        store_files,
        stock_deltas,
        stock_watch,
        new_orders,
        orders_to_judge,
        messages_due,
        run_failures,
        operators_told,
    ],
    resources={"project": Project()},
    # A run is one process: three assets in a chain take 2.5 s, against 6 to 10 with a process for each step.
    executor=dg.in_process_executor,
)
