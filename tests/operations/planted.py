"""Things that wait for a person, planted as rows and mended again: one of each kind, told apart from all others."""

from __future__ import annotations

from typing import NamedTuple

BASE = """
insert into cloudsales.warehouse (warehouse) values ('CENTRAL');
insert into cloudsales.product (sku, name, created_at, changed_at) values ('R-1', 'Rochie', now(), now());
insert into cloudsales.supplier (supplier, name, cut_off, lead_time_days) values ('nord', 'Nord', '18:00', 3);
insert into cloudsales.sales_order (channel, external_id, revision, status, channel_status, placed_at, changed_at, payment_method,
    payment_status, delivery_method, currency, delivery_price, discount, total, expected_total, warehouses, acknowledgement, imported_at)
values ('fashionup', 'FO-1', 1, 'paid', 'paid', now() - interval '3 hours', now(), 'card', 'paid', 'courier', 'RON', 0, 0, 119, 119, '{CENTRAL}', 'done',
    now() - interval '3 hours');
insert into personal.buyer (order_id, name, email, phone, delivery)
select order_id, 'Ana Canar', 'ana.canar@example.ro', '+40721000111', '{"street": "Strada Canarului 7"}' from cloudsales.sales_order;
insert into cloudsales.document (kind, series, number, order_id, issued_at, issued_on, supplied_on, due_on, currency, net, vat, total, language, cause, submit_by)
select 'fiscal_invoice', 'FU', 1, order_id, now() - interval '3 hours', current_date, current_date, current_date, 'RON', 100, 19, 119, 'ro', 'rule', current_date + 30
from cloudsales.sales_order;
delete from cloudsales.document_paper_due;
delete from cloudsales.document_due;
"""


class Case(NamedTuple):
    """A thing that waits: how it comes about, what is said of it, and how it is mended."""

    kind: str
    plant: str
    subject: str
    severity: str
    count: int
    says: str
    command: str
    mend: str


ORDER = "(select order_id from cloudsales.sales_order)"
DOCUMENT = "(select document_id from cloudsales.document)"
MESSAGE = (
    "insert into personal.message (subject_kind, external_id, event, medium, recipient_digest, recipient, title, body_text, state, due_at, claimed_by)"
    " values ('order', 'FO-1', 'shipped', 'email', '\\x01', 'ana.canar@example.ro', 'Comanda Anei Canar', 'x', '{}', now() - interval '1 hour', 'p')"
)
QUARANTINE = "insert into cloudsales.quarantine (stage, channel, reference, reason, first_seen_at)"
WAYBILL = (
    "insert into cloudsales.waybill (order_id, courier, reference, state, weight_grams, intended_at)"
    f" values ({ORDER}, 'fan', '{{}}', '{{}}', 500, now() - interval '2 hours')"
)
PUBLICATION = (
    "insert into cloudsales.publication (channel, variant_id, product_id, quantity, version, state, changed_at, waiting_since)"
    " select 'fashionup', 'V' || n, product_id, 0, 1, '{}', now() - interval '2 hours', now() - interval '2 hours'"
    " from cloudsales.product, generate_series(1, 3) n"
)
LINE = (
    "insert into cloudsales.sales_order_line (order_id, external_line_id, position, owner, variant_id, name, product_id, quantity, unit_price, placed_at)"
    " select order_id, '1', 1, 'fashionup/FO-1/1', 'V1', 'Rochie', product_id, 2, 59.5, now() from cloudsales.sales_order, cloudsales.product"
)

CASES = (
    Case(
        "run_failed",
        "insert into cloudsales.failed_job values ('import_orders', 'fashionup', 'r1', 'ChannelError', now() - interval '1 hour', now(), 4)",
        "import_orders/fashionup", "now", 4, "Runs of import_orders/fashionup that failed since it last succeeded: 4",
        "cloudsales run import_orders --channel fashionup", "delete from cloudsales.failed_job",
    ),
    Case(
        "run_failed",
        "insert into cloudsales.failed_job values ('close_day', '2026-11-23', 'r1', 'DatabaseError', now() - interval '1 hour', now(), 1)",
        "close_day/2026-11-23", "now", 1, "Runs of close_day/2026-11-23 that failed since it last succeeded: 1",
        "cloudsales run close_day --date 2026-11-23", "delete from cloudsales.failed_job",
    ),
    Case(
        "check_red",
        "insert into cloudsales.red_check values ('invoices', 'series_without_gaps', false, 2, now(), now()),"
        " ('messages', 'messages_leave_in_time', false, 9, now(), now())",
        "invoices.series_without_gaps", "now", 2, "Rows that break the check invoices.series_without_gaps: 2",
        "cloudsales verify", "delete from cloudsales.red_check",
    ),
    Case(
        "check_red",
        "insert into cloudsales.red_check values ('catalog', 'detail_drift', true, null, now(), now())",
        "catalog.detail_drift", "digest", 1, "Rows that break the check catalog.detail_drift: 1",
        "cloudsales verify", "delete from cloudsales.red_check",
    ),
    Case(
        "daemon_silent",
        "insert into cloudsales.process_seen values ('daemon', now() - interval '31 minutes')",
        "", "now", 1, "Dagster's daemon shows no sign of life, so nothing starts by itself",
        "cloudsales up", "update cloudsales.process_seen set seen_at = now()",
    ),
    Case(
        "listing_silent",
        "update cloudsales.channel set registered_at = now() - interval '1 day';"
        " insert into cloudsales.listing_import (channel, mode, state, finished_at) values ('fashionup', 'full', 'stored', now() - interval '4 hours')",
        "fashionup", "now", 1, "The listing of fashionup was not read for too long",
        "cloudsales run import_listing --channel fashionup",
        "insert into cloudsales.listing_import (channel, mode, state, finished_at) values ('fashionup', 'delta', 'stored', now())",
    ),
    Case(
        "plan_rejected",
        "insert into cloudsales.plan (channel, state, revision, rules_version, rows) values ('fashionup', 'rejected', 1, 1, 40);"
        " insert into cloudsales.listing_pending values (1, 'fashionup', 1, null, null, 'empty')",
        "fashionup", "now", 40, "Rows of the import of fashionup that the checks stopped: 40",
        "cloudsales catalog plan fashionup", "insert into cloudsales.plan (channel, state, revision, rules_version) values ('fashionup', 'applied', 2, 1)",
    ),
    Case(
        "suggestions_open",
        "insert into cloudsales.listing (channel, variant_id, product_external_id, position, ean_state, row_hash, first_seen_at, changed_at)"
        " values ('fashionup', 'V1', 'P', 0, 'empty', '', now(), now());"
        " insert into cloudsales.suggestion (listing_id) select listing_id from cloudsales.listing",
        "", "digest", 1, "Probable duplicates that wait for a decision: 1",
        "cloudsales suggestions list", "update cloudsales.suggestion set state = 'rejected'",
    ),
    Case(
        "quarantine",
        f"{QUARANTINE} select 'match', 'fashionup', n::text, 'conflict', now() - interval '2 hours' from generate_series(1, 150) n",
        "match", "digest", 150, "Rows of the stage match that were set aside: 150",
        "cloudsales quarantine list --stage match", "update cloudsales.quarantine set resolved_at = now()",
    ),
    Case(
        "push_held",
        "insert into cloudsales.stock_channel (channel, hold_since) values ('fashionup', now() - interval '2 hours');" + PUBLICATION.format("held"),
        "fashionup", "now", 3, "Listings of fashionup that would go to zero, held until somebody says so: 3",
        "cloudsales stock release-hold fashionup", "update cloudsales.publication set state = 'unknown'",
    ),
    Case(
        "channel_unreached",
        PUBLICATION.format("due"),
        "fashionup", "now", 3, "Stock figures that fashionup does not take: 3",
        "cloudsales run publish_stock --channel fashionup", "insert into cloudsales.stock_channel (channel, reached_at) values ('fashionup', now())",
    ),
    Case(
        "push_refused",
        PUBLICATION.format("rejected"),
        "fashionup", "digest", 3, "Listings of which fashionup refuses the stock: 3",
        "cloudsales stock offers fashionup", "update cloudsales.publication set state = 'unknown'",
    ),
    Case(
        "channel_paused",
        "insert into cloudsales.channel_pause values ('fashionup', '2099-01-02 03:04Z', 'Retry-After')",
        "fashionup", "digest", 1, "fashionup told us to wait until 2099-01-02 03:04 UTC",
        "cloudsales status", "update cloudsales.channel_pause set paused_until = now()",
    ),
    Case(
        "store_file_refused",
        "insert into cloudsales.stock_file (channel, name, content_hash, bytes, state, refusal, taken_at)"
        " values ('till', 'sales.csv', '\\x01', 9, 'refused', 'not_readable', now() - interval '1 hour')",
        "till", "now", 1, "Files of till that could not be read: 1",
        "cloudsales run load_store_files --channel till",
        "insert into cloudsales.stock_file (channel, name, content_hash, bytes, state, taken_at) values ('till', 'sales.csv', '\\x02', 9, 'taken', now())",
    ),
    Case(
        "offers_open",
        "insert into cloudsales.channel_offer (channel, variant_id, kind) values ('fashionup', 'V8', 'ghost'), ('fashionup', 'V9', 'drift')",
        "fashionup", "digest", 1, "Listings of fashionup that it shows and should not, or should and does not: 1",
        "cloudsales stock offers fashionup", "update cloudsales.channel_offer set resolved_at = now()",
    ),
    Case(
        "orders_silent",
        "insert into cloudsales.order_intake (channel, polled_at, failing_since, failure)"
        " values ('fashionup', now(), now() - interval '40 minutes', 'ChannelAwayError')",
        "fashionup", "now", 1, "Orders of fashionup could not be read for too long",
        "cloudsales run import_orders --channel fashionup", "update cloudsales.order_intake set failing_since = null",
    ),
    Case(
        "order_unacknowledged",
        "update cloudsales.sales_order set acknowledgement = 'locked'",
        "fashionup", "now", 1, "Orders that fashionup was not told we hold: 1",
        "cloudsales orders list --unacknowledged", "update cloudsales.sales_order set acknowledgement = 'done'",
    ),
    Case(
        "order_unknown_to_channel",
        "update cloudsales.sales_order set acknowledgement = 'unknown_order'",
        "fashionup", "now", 1, "Open orders that fashionup says it does not know: 1",
        "cloudsales orders list --unacknowledged", "update cloudsales.sales_order set status = 'cancelled'",
    ),
    Case(
        "order_review",
        "update cloudsales.sales_order set review = '{total_differs}'",
        "", "digest", 1, "Orders that a person should look at: 1",
        "cloudsales orders list --review", "update cloudsales.sales_order set review = '{}'",
    ),
    Case(
        "requirement_without_supplier",
        "insert into cloudsales.purchase_channel values ('fashionup', true);" + LINE,
        "", "digest", 1, "Products that must be bought and have no supplier: 1",
        "cloudsales purchasing requirement",
        "insert into cloudsales.supplier_price (supplier, product_id, valid_from) select 'nord', product_id, current_date - 1 from cloudsales.product",
    ),
    Case(
        "supplier_order_unsent",
        "insert into cloudsales.supplier_order (supplier, business_date, number, cut_off_at, closed_at, language)"
        " values ('nord', current_date - 1, 'CF-2026-000001', now(), now() - interval '2 hours', 'ro');"
        " insert into cloudsales.supplier_order_line (supplier_order_id, position, product_id, sku, name, pack_size, required, quantity)"
        " select supplier_order_id, 1, product_id, 'R-1', 'Rochie', 1, 2, 2 from cloudsales.supplier_order, cloudsales.product",
        "", "now", 1, "Orders that their suppliers were not sent: 1",
        "cloudsales purchasing orders",
        "insert into personal.message (subject_kind, external_id, event, medium, recipient_digest, state, sent_at)"
        " values ('supplier_order', 'CF-2026-000001', 'ordered', 'email', '\\x02', 'sent', now())",
    ),
    Case(
        "transfers_open",
        "insert into cloudsales.warehouse (warehouse) values ('CLUJ'); insert into cloudsales.transfer_proposal"
        " (product_id, from_warehouse, to_warehouse, quantity, business_date) select product_id, 'CLUJ', 'CENTRAL', 1, current_date from cloudsales.product",
        "", "digest", 1, "Transfers between warehouses that wait for a decision: 1",
        "cloudsales purchasing transfers list", "update cloudsales.transfer_proposal set state = 'dismissed', ended_at = now()",
    ),
    Case(
        "judging_late",
        "insert into cloudsales.document_due (order_id, marked_at) select 7, now() - interval '1 hour' from generate_series(1, 3)",
        "", "now", 1, "Orders whose documents were not decided on in time: 1",
        "cloudsales run issue_documents", "delete from cloudsales.document_due",
    ),
    Case(
        "papers_late",
        f"insert into cloudsales.document_paper_due values ({DOCUMENT})",
        "", "now", 1, "Issued documents whose files were not made in time: 1",
        "cloudsales run issue_documents", "delete from cloudsales.document_paper_due",
    ),
    Case(
        "handover_late",
        f"insert into cloudsales.document_handover (order_id, document_id) values ({ORDER}, {DOCUMENT})",
        "fashionup", "now", 1, "Documents that fashionup was not given in time: 1",
        "cloudsales documents hand-over", "update cloudsales.document_handover set state = 'done', done_at = now()",
    ),
    Case(
        "handover_refused",
        f"{QUARANTINE} values ('documents', 'fashionup', 'FU 1', 'handover_refused', now())",
        "fashionup", "now", 1, "Documents that fashionup refused: 1",
        "cloudsales documents hand-over --refused", "update cloudsales.quarantine set resolved_at = now(), resolution = 'dismissed'",
    ),
    Case(
        "submission_unclear",
        f"insert into cloudsales.document_submission (document_id, state, changed_at) values ({DOCUMENT}, 'unknown', now() - interval '2 hours')",
        "", "now", 1, "E-invoices that the tax authority rejected, or that may have reached it: 1",
        "cloudsales documents e-invoices --open", "update cloudsales.document_submission set state = 'accepted'",
    ),
    Case(
        "courier_silent",
        "insert into cloudsales.courier_standing (courier, failing_since, failure) values ('fan', now() - interval '31 minutes', 'CourierAwayError')",
        "fan", "now", 1, "The courier fan does not answer",
        "cloudsales waybills make", "update cloudsales.courier_standing set failing_since = null",
    ),
    Case(
        "waybill_late",
        WAYBILL.format("fashionup/FO-1/1", "intended"),
        "fan", "now", 1, "Waybills that fan has not made in time: 1",
        "cloudsales waybills make", "update cloudsales.waybill set state = 'created', number = '2000'",
    ),
    Case(
        "waybill_unclear",
        WAYBILL.format("fashionup/FO-1/1", "unknown"),
        "fan", "now", 1, "Waybills of fan of which nobody knows whether they exist: 1",
        "cloudsales waybills list --state unknown", "update cloudsales.waybill set state = 'created', number = '2000'",
    ),
    Case(
        "waybill_failed",
        "insert into cloudsales.quarantine (stage, channel, reference, reason, detail)"
        " values ('documents', 'fashionup', 'FO-1', 'waybill_given_up', '{\"courier\": \"fan\"}')",
        "fan", "now", 1, "Orders whose waybill fan refused, or that was given up: 1",
        "cloudsales waybills list --state failed", "update cloudsales.quarantine set resolved_at = now(), resolution = 'dismissed'",
    ),
    Case(
        "telling_late",
        f"insert into cloudsales.happening (order_id, event, noted_at, reason) select {ORDER}, 'paid', now() - interval '20 minutes', r"
        " from unnest(array['template_failed', 'file_missing']) r",
        "", "now", 1, "Things that customers should have been told and were not: 1",
        "cloudsales messages tell", "delete from cloudsales.happening",
    ),
    Case(
        "message_unknown", MESSAGE.format("unknown"),
        "", "now", 1, "Messages that may have gone out: 1",
        "cloudsales messages list --state unknown", "update personal.message set state = 'skipped'",
    ),
    Case(
        "message_dead", MESSAGE.format("dead"),
        "", "now", 1, "Messages that were given up: 1",
        "cloudsales messages list --state dead", "update personal.message set state = 'skipped'",
    ),
    Case(
        "message_late", MESSAGE.format("new"),
        "email", "now", 1, "Messages that should have gone out (email): 1",
        "cloudsales messages list --state new", "update personal.message set state = 'skipped'",
    ),
)  # fmt: skip
"""Every kind of finding but two, which come with another: quarantine_burst and submission_due."""
