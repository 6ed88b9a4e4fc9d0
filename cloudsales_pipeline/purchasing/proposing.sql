-- What a proposal is made from. warehouses null: all.

-- step: products
with sold as (
    select distinct product_id from cloudsales.stock_movement
    where reason = 'sale' and occurred_at >= :start and occurred_at < :finish
      and (cast(:warehouses as text[]) is null or warehouse = any (cast(:warehouses as text[])))
), there as (
    select product_id, sum(on_hand) as on_hand, sum(on_hand - reserved) as available from cloudsales.stock_level
    where cast(:warehouses as text[]) is null or warehouse = any (cast(:warehouses as text[]))
    group by 1
), coming as (
    select product_id, sum(outstanding) as on_order from cloudsales.supplier_order_line where outstanding > 0 group by 1
), wanted as (
    select l.product_id, sum(l.waiting) as waiting
    from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id)
    where l.waiting > 0 and l.product_id is not null
      and (cast(:warehouses as text[]) is null or o.warehouses && cast(:warehouses as text[]))
    group by 1
), required as (
    select product_id, sum(quantity) as required from cloudsales.open_requirement
    where cast(:warehouses as text[]) is null or warehouses && cast(:warehouses as text[])
    group by 1
), later as (
    -- what moved since the first played day: what is on hand now, less that, was on hand when it began
    select product_id, sum(quantity) as moved from cloudsales.stock_movement
    where occurred_at >= :opening and (cast(:warehouses as text[]) is null or warehouse = any (cast(:warehouses as text[])))
    group by 1
)
select p.product_id, p.sku, f.day as first_day, u.supplier, u.pack_size, u.minimum_quantity, u.lead_time_days, s.lead_time_days as usual_lead_time,
       coalesce(t.available, 0)::bigint as available, coalesce(c.on_order, 0)::bigint as on_order, coalesce(w.waiting, 0)::bigint as waiting,
       coalesce(r.required, 0)::bigint as required, (coalesce(t.on_hand, 0) - coalesce(l.moved, 0))::bigint as opening
from sold
join cloudsales.product p using (product_id)
cross join lateral (
    select (m.occurred_at at time zone :timezone)::date as day from cloudsales.stock_movement m
    where m.product_id = sold.product_id order by m.occurred_at limit 1
) f
left join cloudsales.suppliers_of((select array_agg(product_id) from sold), :date) u on u.product_id = p.product_id
left join cloudsales.supplier s on s.supplier = u.supplier
left join there t on t.product_id = p.product_id
left join coming c on c.product_id = p.product_id
left join wanted w on w.product_id = p.product_id
left join required r on r.product_id = p.product_id
left join later l on l.product_id = p.product_id
order by p.product_id

-- step: days
select product_id, (occurred_at at time zone %(timezone)s)::date - %(first)s::date as day,
       coalesce(-sum(quantity) filter (where reason = 'sale'), 0) as sold, coalesce(sum(quantity) filter (where reason = 'return'), 0) as returned,
       sum(quantity) as moved
from cloudsales.stock_movement
where occurred_at >= %(start)s and occurred_at < %(finish)s
  and (%(warehouses)s::text[] is null or warehouse = any (%(warehouses)s::text[]))
group by 1, 2

-- step: stored
select p.sku, r.supplier, r.method, r.detail ->> 'class' as demand_class, r.demand_per_day, r.deviation, r.lead_time_days, r.safety_stock,
       r.reorder_point, r.position, coalesce((r.detail ->> 'required')::integer, 0) as required, r.quantity
from cloudsales.replenishment_proposal r join cloudsales.product p using (product_id)
where r.business_date = :date and (r.quantity > 0 or :all)
order by r.quantity > 0 desc, r.supplier nulls last, r.quantity desc, p.sku
limit :limit

-- step: forget
delete from cloudsales.replenishment_proposal
where business_date = :date or (quantity = 0 and business_date between cast(:date as date) - 31 and cast(:date as date) - 1)

-- step: waited
-- of each line the first time that it waited: later events are the same pieces again
select coalesce(sum(w.quantity), 0)
from (
    select distinct on (reference) quantity, recorded_at from cloudsales.event where kind = 'line_waiting' order by reference, event_id
) w
where w.recorded_at >= :start and w.recorded_at < :finish
