-- The requirement as lists for people.

-- step: open
-- by supplier and product: what must be bought, and what other warehouses have of it
with wanted as (
    select q.product_id, sum(q.quantity)::integer as quantity, count(*)::integer as order_lines, min(q.placed_at) as oldest,
           array_agg(distinct w.warehouse) filter (where w.warehouse is not null) as warehouses
    from cloudsales.open_requirement q left join lateral unnest(q.warehouses) w (warehouse) on true
    group by q.product_id, q.line_id
), summed as (
    select product_id, sum(quantity)::integer as quantity, count(*)::integer as order_lines, min(oldest) as oldest from wanted group by product_id
), source as (
    select * from cloudsales.suppliers_of(cast((select array_agg(product_id) from summed) as bigint[]), :on_date)
)
select s.supplier, p.sku, p.name, u.quantity, u.order_lines, u.oldest, s.chosen_by, s.supplier_code, s.pack_size, s.price, s.currency,
       e.elsewhere, coalesce(e.pieces, 0) as elsewhere_pieces
from summed u
join cloudsales.product p using (product_id)
left join source s using (product_id)
left join lateral (
    select string_agg(v.warehouse || ' ' || (v.on_hand - v.reserved), ', ' order by v.warehouse) as elsewhere, sum(v.on_hand - v.reserved)::integer as pieces
    from cloudsales.stock_level v
    where v.product_id = u.product_id and v.on_hand > v.reserved
      and v.warehouse <> all (select unnest(w.warehouses) from wanted w where w.product_id = u.product_id)
) e on true
where cast(:supplier as text) is null or s.supplier = :supplier
order by s.supplier nulls last, p.sku limit :limit

-- step: without_supplier
-- products that must be bought and have no supplier, with what the catalogue says of one
select p.sku, p.name, nullif(btrim(p.supplier), '') as catalogue_says, sum(q.quantity)::integer as quantity, count(*)::integer as order_lines,
       min(q.placed_at) as oldest
from cloudsales.open_requirement q
join cloudsales.product p using (product_id)
where not exists (select from cloudsales.suppliers_of(array[q.product_id], :on_date))
group by p.product_id order by oldest, p.sku limit :limit

-- step: waiting_unbought
-- lines that wait for pieces and are not to be bought, and why
select o.channel, o.external_id as order_id, l.external_line_id as line, p.sku, l.code, l.waiting, o.status, l.placed_at,
       case when l.product_id is null then 'unknown_product' when o.status = 'held' then 'order_held' when o.status = 'expired' then 'order_expired'
            when c.channel is null then 'channel_not_in_settings' when not c.add_shortages then 'add_shortages_off'
            else 'other' end as reason
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
left join cloudsales.product p using (product_id)
left join cloudsales.purchase_channel c on c.channel = o.channel
where l.waiting > coalesce((select sum(r.outstanding) from cloudsales.requirement r where r.line_id = l.line_id), 0)
  and not exists (select from cloudsales.open_requirement q where q.line_id = l.line_id)
order by l.placed_at, l.owner limit :limit

-- step: chain
-- one row for each tie of an order's line, and one for what of it is open: order line ↔ requirement ↔ supplier order ↔ receipt
select o.channel, o.external_id as order_id, l.external_line_id as line, p.sku, l.quantity as line_quantity, l.waiting, l.reserved, l.issued, l.cancelled,
       r.quantity as required, r.received, r.withdrawn, r.outstanding, r.from_surplus, so.supplier, so.number as supplier_order, so.business_date,
       s.quantity as ordered, s.surplus, s.received as received_of_order,
       (select array_agg(distinct g.reference order by g.reference) from cloudsales.goods_receipt_line gl join cloudsales.goods_receipt g using (receipt_id)
        where gl.supplier_order_line_id = s.supplier_order_line_id) as receipts,
       coalesce(q.quantity, 0) as to_be_bought
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
join cloudsales.product p using (product_id)
left join cloudsales.requirement r using (line_id)
left join cloudsales.supplier_order_line s using (supplier_order_line_id)
left join cloudsales.supplier_order so using (supplier_order_id)
left join cloudsales.open_requirement q on q.line_id = l.line_id
where (l.product_id = cast(:product as bigint) or o.order_id = any (cast(:orders as bigint[]))) and (r.requirement_id is not null or l.waiting > 0)
order by l.placed_at, l.owner, r.requirement_id limit :limit

-- step: product
select p.product_id from cloudsales.product p where p.sku = :sku
union all
select k.product_id from cloudsales.code_key k where k.key = :key and k.product_id is not null limit 1

-- step: orders_named
select order_id from cloudsales.sales_order where external_id = :name or channel || '/' || external_id = :name

-- step: supplier_orders
select number, supplier, business_date, state, lines, quantity, received, outstanding, value, currency, closed_at, sent_at
from analytics.supplier_order
where cast(:supplier as text) is null or supplier = :supplier
order by closed_at desc, number desc limit :limit

-- step: order_lines
select s.position, s.sku, s.name, s.supplier_code, s.pack_size, s.quantity, s.required, s.surplus, s.price, s.currency, s.received, s.written_off,
       s.outstanding,
       (select string_agg(o.channel || '/' || o.external_id || '/' || l.external_line_id || ' ' || r.quantity
                          || case when r.from_surplus then ' (surplus)' else '' end
                          || case when r.withdrawn > 0 then ' (' || r.withdrawn || ' withdrawn)' else '' end, ', ' order by r.requirement_id)
        from cloudsales.requirement r join cloudsales.sales_order_line l using (line_id) join cloudsales.sales_order o using (order_id)
        where r.supplier_order_line_id = s.supplier_order_line_id) as bought_for,
       (select string_agg(g.reference || ' ' || gl.quantity, ', ' order by g.receipt_id)
        from cloudsales.goods_receipt_line gl join cloudsales.goods_receipt g using (receipt_id)
        where gl.supplier_order_line_id = s.supplier_order_line_id) as came_with
from cloudsales.supplier_order_line s join cloudsales.supplier_order h using (supplier_order_id)
where h.number = :number order by s.position
