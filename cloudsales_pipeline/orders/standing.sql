-- What happens to single orders here: read them locked, write where they stand.

-- step: lock
select order_id, channel, external_id, status, review, warehouses from cloudsales.sales_order
where channel = :channel and external_id = :external_id for update

-- step: transaction
select cast(pg_current_xact_id() as text)

-- step: transaction_ended_as
select pg_xact_status(cast(:number as xid8))
-- step: heads
select order_id, channel, external_id, status, review, warehouses from cloudsales.sales_order
where order_id = any (:orders) order by channel, external_id

-- step: unpaid
-- Orders not paid in time, the oldest first; whose goods have partly left is not among them. Locked in everybody's order.
with due as (
    select o.order_id
    from cloudsales.sales_order o
    join unnest(cast(:methods as text[]), cast(:before as timestamptz[])) u (method, before) on u.method = o.payment_method
    where o.channel = :channel and o.status in ('new', 'held') and o.payment_status = 'pending' and o.placed_at < u.before
      and not exists (select from cloudsales.sales_order_line l where l.order_id = o.order_id and l.issued > 0)
    order by o.placed_at limit :limit
)
select order_id, channel, external_id, status, review, warehouses from cloudsales.sales_order
where order_id in (select order_id from due) and status in ('new', 'held') and payment_status = 'pending'
order by external_id for update

-- step: lines
select l.line_id, l.order_id, l.external_line_id, l.owner, l.product_id, p.sku, l.quantity, l.reserved, l.issued, l.cancelled, l.waiting,
       l.received, l.restocked, l.scrapped
from cloudsales.sales_order_line l left join cloudsales.product p using (product_id)
where l.order_id = any (:orders) order by l.order_id, l.position, l.line_id

-- step: held_pairs
select distinct product_id, warehouse from cloudsales.reservation where owner = any (:owners) and state = 'open'

-- step: documents
select detail from cloudsales.event
where reference = :reference and kind = any (:kinds) and detail ? 'document' order by event_id

-- step: set_status
update cloudsales.sales_order set status = :status where order_id = :order_id

-- step: set_issued
update cloudsales.sales_order set status = 'issued' where order_id = any (:orders)

-- step: cancel_lines
update cloudsales.sales_order_line set cancelled = quantity - issued where order_id = any (:orders) and cancelled <> quantity - issued

-- step: end_orders
update cloudsales.sales_order o
set status = :status,
    review = case when not 'cancelled_after_issue' = any (o.review)
                       and exists (select from cloudsales.sales_order_line l where l.order_id = o.order_id and l.issued > 0)
                  then array_append(o.review, 'cancelled_after_issue') else o.review end
where o.order_id = any (:orders)

-- step: settle
update cloudsales.quarantine set resolved_at = now(), resolution = 'resolved'
where stage = 'orders' and channel = :channel and resolved_at is null and reference = any (:references)

-- step: clear_review
update cloudsales.sales_order set review = '{}' where order_id = :order_id

-- step: count_back
-- Counters of goods that came back; one of the three columns moves.
update cloudsales.sales_order_line l
set received = l.received + case when :counter = 'received' then u.pieces else 0 end,
    restocked = l.restocked + case when :counter = 'restocked' then u.pieces else 0 end,
    scrapped = l.scrapped + case when :counter = 'scrapped' then u.pieces else 0 end
from unnest(cast(:lines as bigint[]), cast(:pieces as integer[])) u (line_id, pieces)
where l.line_id = u.line_id
