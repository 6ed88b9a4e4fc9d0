-- Waiting lines: what is free for them, and lines whose product became known.

-- step: free
-- Pairs with free pieces for which a line waits, the longest waiting first, behind the last one that was looked at.
select l.product_id, v.warehouse, min(l.placed_at) as since
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
join cloudsales.stock_level v on v.product_id = l.product_id and v.warehouse = any (o.warehouses) and v.on_hand > v.reserved
where l.waiting > 0 and l.product_id is not null and not o.whole
group by 1, 2 having (min(l.placed_at), l.product_id, v.warehouse) > (cast(:since as timestamptz), :product, :warehouse)
order by 3, 1, 2 limit :limit

-- step: whole
-- Orders that take all or nothing and wait, the oldest first, behind the last one that was looked at.
select o.order_id, o.channel || '/' || o.external_id as reference, o.placed_at
from cloudsales.sales_order o
where o.whole and o.status in ('new', 'paid', 'held') and (o.placed_at, o.order_id) > (cast(:after as timestamptz), :after_id)
  and exists (select from cloudsales.sales_order_line l where l.order_id = o.order_id and l.waiting > 0)
order by o.placed_at, o.order_id limit :limit

-- step: lock_orders
select order_id, channel, external_id, whole, warehouses, placed_at, status from cloudsales.sales_order where order_id = any (:orders)
order by channel, external_id for update

-- step: lines
select line_id, order_id, owner, position, external_line_id, product_id, variant_id, code, ean, waiting
from cloudsales.sales_order_line where order_id = any (:orders) and waiting > 0 order by order_id, position

-- step: unknown
-- Lines that wait and have no product, in pages.
select l.line_id, l.order_id, l.variant_id, l.code, l.ean
from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id)
where o.channel = :channel and l.product_id is null and l.waiting > 0 and l.line_id > :after
order by l.line_id limit :limit

-- step: name
update cloudsales.sales_order_line l set product_id = u.product_id, unknown = null
from unnest(cast(:lines as bigint[]), cast(:products as bigint[])) u (line_id, product_id)
where l.line_id = u.line_id and l.product_id is null
