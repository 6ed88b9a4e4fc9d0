-- The analysts' contract for purchasing and messages: no personal data.

create view analytics.supplier as select supplier, name, cut_off, lead_time_days, active from cloudsales.supplier;
comment on view analytics.supplier is 'Of whom goods are bought.';

create view analytics.supplier_price as
select s.supplier, p.sku, s.supplier_code, s.price, s.currency, s.pack_size, s.minimum_quantity, s.lead_time_days, s.preferred, s.locked,
       s.valid_from, s.valid_until
from cloudsales.supplier_price s join cloudsales.product p using (product_id);
comment on view analytics.supplier_price is 'Price lists of suppliers.';

create view analytics.requirement as
with tied as (
    select r.*, l.waiting,
           least(r.outstanding, greatest(0, l.waiting - (sum(r.outstanding) over (partition by r.line_id order by r.requirement_id) - r.outstanding)))::integer as live
    from cloudsales.requirement r join cloudsales.sales_order_line l using (line_id)
), part as (
    select line_id, supplier_order_line_id, 'ordered' as state, live as quantity, created_at from tied where live > 0
    union all
    select line_id, supplier_order_line_id, 'received', received, created_at from tied where received > 0
    union all
    select line_id, supplier_order_line_id, 'withdrawn', withdrawn + outstanding - live, created_at from tied where withdrawn + outstanding > live
)
select p.sku, s.supplier, q.quantity, 'open' as state, q.channel, q.external_id, q.external_line_id as line_id, q.imported_at as created_at,
       null::text as supplier_order, null::date as business_date
from cloudsales.open_requirement q
join cloudsales.product p using (product_id)
left join cloudsales.suppliers_of((select array_agg(distinct product_id) from cloudsales.open_requirement), current_date) s using (product_id)
union all
select p.sku, o.supplier, t.quantity, t.state, so.channel, so.external_id, l.external_line_id, t.created_at, o.number, o.business_date
from part t
join cloudsales.sales_order_line l using (line_id)
join cloudsales.sales_order so using (order_id)
join cloudsales.product p on p.product_id = l.product_id
join cloudsales.supplier_order_line ol using (supplier_order_line_id)
join cloudsales.supplier_order o using (supplier_order_id)
union all
-- short once, and no more before anything was ordered: the order was cancelled, or stock came
select p.sku, null, w.quantity, 'withdrawn', so.channel, so.external_id, l.external_line_id, w.recorded_at, null, null
from (select distinct on (reference) reference, quantity, recorded_at from cloudsales.event where kind = 'line_waiting' order by reference, event_id desc) w
join cloudsales.sales_order_line l on l.owner = w.reference and l.waiting = 0
join cloudsales.sales_order so using (order_id)
join cloudsales.product p on p.product_id = l.product_id
where not exists (select from cloudsales.requirement r where r.line_id = l.line_id);
comment on view analytics.requirement is 'Quantities that must be, or were, bought, each tied to the order line that lacks them.';
comment on column analytics.requirement.state is 'open, ordered, received (the goods came), withdrawn (wanted no more: cancelled, or served otherwise).';
comment on column analytics.requirement.supplier is 'Of an open one as of today; null: no supplier is known, a person must name one.';
comment on column analytics.requirement.supplier_order is 'The number of the supplier order; null while open.';

create view analytics.supplier_order as
select o.supplier, o.business_date, o.number,
       case when l.outstanding = 0 then 'received' when l.received > 0 then 'partly_received' when m.state is null then 'closed'
            when m.state = 'new' or m.state = 'sending' then 'queued' when m.state = 'dead' then 'failed' else m.state end as state,
       l.lines, l.quantity, o.cut_off_at, m.sent_at, o.closed_at, l.received, l.written_off, l.outstanding, l.value, o.currency
from cloudsales.supplier_order o
join lateral (
    select count(*) as lines, sum(quantity) as quantity, sum(received) as received, sum(written_off) as written_off, sum(outstanding) as outstanding,
           round(sum(quantity * price), 2) as value
    from cloudsales.supplier_order_line x where x.supplier_order_id = o.supplier_order_id
) l on true
left join lateral (
    select m.state, m.sent_at from personal.message m
    where m.channel = '' and m.subject_kind = 'supplier_order' and m.external_id = o.number
    order by (m.state = 'sent') desc, m.message_id desc limit 1
) m on true;
comment on view analytics.supplier_order is 'One order for each supplier and business date.';
comment on column analytics.supplier_order.state is 'closed (not handed over: no address, or the settings say by hand), queued, sent, unknown (it may have gone out), failed, skipped, partly_received, received.';

create view analytics.supplier_order_line as
select o.supplier, o.business_date, l.sku, l.quantity, l.required, l.surplus, o.number, l.position, l.supplier_code, l.pack_size, l.price, l.currency,
       l.received, l.written_off, l.outstanding
from cloudsales.supplier_order_line l join cloudsales.supplier_order o using (supplier_order_id);
comment on view analytics.supplier_order_line is 'Lines of supplier orders. quantity = required + surplus; required = the sum of its requirement lines at the close.';

create view analytics.supplier_close as
select supplier, business_date, cut_off_at, closed_at, outcome, lines, quantity from cloudsales.supplier_close;
comment on view analytics.supplier_close is 'Every close of a supplier''s day: ordered, nothing, or below_minimum.';

create view analytics.goods_receipt as
select r.supplier, r.reference, r.warehouse, p.sku, g.kind, g.quantity, o.number as supplier_order, r.occurred_at, r.received_at
from cloudsales.goods_receipt r
join cloudsales.goods_receipt_line g using (receipt_id)
join cloudsales.product p using (product_id)
left join cloudsales.supplier_order_line l using (supplier_order_line_id)
left join cloudsales.supplier_order o using (supplier_order_id);
comment on view analytics.goods_receipt is 'What suppliers delivered, by the order it came for. kind: ordered, over, unordered.';

create view analytics.transfer_proposal as
select t.proposal_id, p.sku, t.from_warehouse, t.to_warehouse, t.quantity, t.state, t.business_date, t.created_at, t.ended_at
from cloudsales.transfer_proposal t join cloudsales.product p using (product_id);
comment on view analytics.transfer_proposal is 'What another warehouse could give instead of buying it. state: open, done, dismissed, expired.';

create view analytics.replenishment_proposal as
select r.business_date, p.sku, r.supplier, r.method, r.demand_per_day, r.deviation, r.lead_time_days, r.safety_stock, r.reorder_point,
       r.position, r.quantity
from cloudsales.replenishment_proposal r join cloudsales.product p using (product_id);
comment on view analytics.replenishment_proposal is 'What to buy before it is missing. Shown; never ordered unasked.';

create view analytics.message as
select subject_kind, channel, external_id, event, medium, state, created_at, sent_at, reason, attempts, due_at, message_id
from personal.message;
comment on view analytics.message is 'Messages to customers, suppliers and operators, without who and what.';
comment on column analytics.message.state is 'new, sending, sent, unknown (it may have gone out), dead (given up), skipped (no point any more).';

create view analytics.number_series as select kind, series, year, last_number, last_date from cloudsales.number_series;
comment on view analytics.number_series is 'The last number of each series.';
