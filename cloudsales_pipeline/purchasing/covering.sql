-- Keeping what is on order tied to who waits for it. :products null: all that are on order or to be bought.

-- step: withdraw
-- reads requirement, sales_order_line → of each line, what is tied beyond what it waits for; the newest tie goes first
with tied as (
    select r.requirement_id, r.outstanding,
           case when o.status in ('new', 'paid', 'held') and l.product_id = r.product_id then l.waiting else 0 end as wanted,
           sum(r.outstanding) over (partition by r.line_id order by r.requirement_id) - r.outstanding as before
    from cloudsales.requirement r
    join cloudsales.sales_order_line l using (line_id)
    join cloudsales.sales_order o using (order_id)
    where r.outstanding > 0 and (cast(:products as bigint[]) is null or r.product_id = any (cast(:products as bigint[])))
), gone as (
    select requirement_id, outstanding - least(outstanding, greatest(0, wanted - before))::integer as quantity from tied
)
update cloudsales.requirement r set withdrawn = r.withdrawn + g.quantity
from gone g where g.requirement_id = r.requirement_id and g.quantity > 0
returning g.quantity

-- step: withdraw_undelivered
-- reads requirement, supplier_order_line → what is tied beyond what still comes (pieces were written off); who came last goes first
with tied as (
    select r.requirement_id, r.outstanding, s.outstanding as coming,
           sum(r.outstanding) over (partition by r.supplier_order_line_id order by l.placed_at, l.owner, r.requirement_id) - r.outstanding as before
    from cloudsales.requirement r
    join cloudsales.supplier_order_line s using (supplier_order_line_id)
    join cloudsales.sales_order_line l using (line_id)
    where r.outstanding > 0 and (cast(:products as bigint[]) is null or r.product_id = any (cast(:products as bigint[])))
), gone as (
    select requirement_id, outstanding - least(outstanding, greatest(0, coming - before))::integer as quantity from tied
)
update cloudsales.requirement r set withdrawn = r.withdrawn + g.quantity
from gone g where g.requirement_id = r.requirement_id and g.quantity > 0
returning g.quantity

-- step: use_surplus
-- reads supplier_order_line, open_requirement → requirement: pieces that come for nobody go to who waits with nothing on order.
-- Both sides of a product are laid end to end, the oldest first; where they overlap, pieces are tied.
with spare as (
    select s.supplier_order_line_id, s.product_id, o.business_date, (s.outstanding - coalesce(t.outstanding, 0))::integer as quantity
    from cloudsales.supplier_order_line s
    join cloudsales.supplier_order o using (supplier_order_id)
    left join lateral (
        select sum(r.outstanding) as outstanding from cloudsales.requirement r where r.supplier_order_line_id = s.supplier_order_line_id
    ) t on true
    where s.outstanding > coalesce(t.outstanding, 0)
      and (cast(:products as bigint[]) is null or s.product_id = any (cast(:products as bigint[])))
), supply as (
    select supplier_order_line_id, product_id, quantity,
           sum(quantity) over (partition by product_id order by business_date, supplier_order_line_id) - quantity as begins
    from spare
), demand as (
    select q.line_id, q.product_id, q.quantity, q.placed_at, q.owner,
           sum(q.quantity) over (partition by q.product_id order by q.placed_at, q.owner) - q.quantity as begins
    from cloudsales.open_requirement q
    where q.product_id in (select product_id from spare)
), matched as (
    select s.supplier_order_line_id, d.line_id, d.product_id, d.placed_at, d.owner, s.begins as supply_begins,
           least(s.begins + s.quantity, d.begins + d.quantity) - greatest(s.begins, d.begins) as quantity
    from supply s
    join demand d on d.product_id = s.product_id and d.begins < s.begins + s.quantity and s.begins < d.begins + d.quantity
)
insert into cloudsales.requirement (supplier_order_line_id, line_id, product_id, quantity, from_surplus)
select supplier_order_line_id, line_id, product_id, quantity, true from matched
order by product_id, placed_at, owner, supply_begins
returning quantity
