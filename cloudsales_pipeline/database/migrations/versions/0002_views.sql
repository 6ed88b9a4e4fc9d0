-- The analysts' contract for stock.

create view analytics.warehouse as select warehouse, name, registered_at from cloudsales.warehouse;
comment on view analytics.warehouse is 'A place that holds stock.';

create view analytics.stock_level as
select l.warehouse, p.sku, l.on_hand, l.reserved, l.on_hand - l.reserved as available, l.version, l.changed_at
from cloudsales.stock_level l join cloudsales.product p using (product_id)
where l.version > 0;
comment on view analytics.stock_level is 'What is there now. A pair without a row was never moved: its stock is unknown.';
comment on column analytics.stock_level.available is 'On hand less reserved: what may still be sold.';

create view analytics.stock_movement as
select m.movement_id, m.warehouse, p.sku, m.quantity, m.reason, m.reference, m.occurred_at, m.recorded_at, m.line, m.counted, f.name as file
from cloudsales.stock_movement m
join cloudsales.product p using (product_id)
left join cloudsales.stock_file f using (file_id);
comment on view analytics.stock_movement is 'The stock ledger. reason: receipt, sale, return, adjustment, count, transfer_in, transfer_out.';
comment on column analytics.stock_movement.quantity is 'Pieces that came (positive) or went (negative).';

create view analytics.reservation as
select r.owner, p.sku, r.warehouse, r.quantity, r.state, r.placed_at, r.created_at, r.ended_at
from cloudsales.reservation r join cloudsales.product p using (product_id);
comment on view analytics.reservation is 'Pieces held for orders. state: open, issued, released, displaced, split.';

create view analytics.publication as
select b.channel, b.variant_id, p.sku, b.quantity, b.version, b.acknowledged_quantity, b.acknowledged_version, b.changed_at,
       b.acknowledged_at, b.lag_seconds, b.state, b.shown_quantity, b.waiting_since, b.detail
from cloudsales.publication b join cloudsales.product p using (product_id);
comment on view analytics.publication is 'What each listing should show on its channel, and what the channel last acknowledged.';
comment on column analytics.publication.lag_seconds is 'Of the last acknowledged figure: from the oldest change in it to the acknowledgement.';
comment on column analytics.publication.state is 'due, done, held, pending, rejected, unknown_variant, or unknown (stock unknown: nothing is sent).';

create view analytics.stock_rule as
select channel, scope, value, warehouses, buffer, cap, share, changed_at from cloudsales.stock_rule;
comment on view analytics.stock_rule is 'What a channel is shown of our stock, as the settings say.';

create view analytics.stock_snapshot as
select s.business_date, s.warehouse, p.sku, s.on_hand, s.reserved, s.on_hand - s.reserved as available, s.taken_at
from cloudsales.stock_snapshot s join cloudsales.product p using (product_id);
comment on view analytics.stock_snapshot is 'Stock at the end of each business date.';

create view analytics.stock_push as
select channel, minute, requests, pushed, acknowledged, stale, rejected, unknown_variant, pending, zeroed, longest_lag
from cloudsales.stock_push_minute;
comment on view analytics.stock_push is 'What was sent to a channel, minute by minute.';

create view analytics.channel_offer as
select channel, variant_id, kind, quantity, expected, found_at, resolved_at from cloudsales.channel_offer;
comment on view analytics.channel_offer is 'What reconciliation found on a channel. kind: ghost, never_acknowledged, not_shown, drift.';

create view analytics.stock_file as
select file_id, channel, name, state, rows_in, loaded, unchanged, quarantined, refusal, taken_at, archived_as from cloudsales.stock_file;
comment on view analytics.stock_file is 'Files of movements that were taken in.';

create view analytics.event as
select e.event_id, e.kind, e.channel, e.reference, p.sku, e.warehouse, e.quantity, e.detail, e.recorded_at
from cloudsales.event e left join cloudsales.product p using (product_id);
comment on view analytics.event is 'What happened, in order: for example a reservation that a count displaced.';
