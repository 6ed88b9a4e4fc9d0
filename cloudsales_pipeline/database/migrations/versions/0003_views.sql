-- The analysts' contract for orders: no personal data.

create view analytics.sales_order as
select channel, external_id, revision, status, placed_at, imported_at, payment_method, payment_status, delivery_method, county, currency,
       delivery_price, discount, total, changed_at, company, courier, review, acknowledgement, acknowledged_at
from cloudsales.sales_order;
comment on view analytics.sales_order is 'Orders of all channels, as their highest revision says.';
comment on column analytics.sales_order.status is 'new, paid, held (the channel says what nobody here knows), expired (not paid in time), issued (all goods left), cancelled, returned.';
comment on column analytics.sales_order.discount is 'On the whole order; discounts of single lines are in sales_order_line.';
comment on column analytics.sales_order.total is 'As the channel says it, tax included; total_differs in review: lines + delivery − discounts give another figure.';
comment on column analytics.sales_order.review is 'Why a person should look, as codes.';

create view analytics.sales_order_line as
select o.channel, o.external_id, l.external_line_id as line_id, l.variant_id, p.sku, l.quantity, l.reserved, l.waiting, l.issued, l.cancelled,
       l.restocked + l.scrapped as returned, l.unit_price, l.vat_rate, l.discount, l.advised, l.received, l.restocked, l.scrapped,
       l.unknown, l.placed_at
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
left join cloudsales.product p using (product_id);
comment on view analytics.sales_order_line is 'Lines of orders. Always: quantity = reserved + waiting + issued + cancelled.';
comment on column analytics.sales_order_line.waiting is 'Pieces without stock yet.';
comment on column analytics.sales_order_line.returned is 'Pieces that came back and were restocked or scrapped.';
comment on column analytics.sales_order_line.unknown is 'Why no product is known for it; null: one is.';

create view analytics.order_intake as
select i.channel, i.seen_until, i.polled_at, i.passed_at, i.failing_since, i.failure,
       (select count(*) from personal.order_payload p where p.channel = i.channel and p.state = 'new') as to_read,
       (select count(*) from personal.order_payload p where p.channel = i.channel and p.state = 'held') as held
from cloudsales.order_intake i;
comment on view analytics.order_intake is 'How far each channel''s orders were read; to_read and held count payloads.';

create or replace view analytics.stock_push as
select channel, minute, requests, pushed, acknowledged, stale, rejected, unknown_variant, pending, zeroed, longest_lag, failed
from cloudsales.stock_push_minute;
