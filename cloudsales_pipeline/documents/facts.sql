-- What rules may know of orders.

-- step: facts
with wanted as materialized (
    select * from cloudsales.sales_order where order_id = any (:orders)
), pieces as (
    select order_id, sum(quantity - cancelled) as quantity, count(*) filter (where quantity > cancelled) as lines,
           sum(reserved) as reserved, sum(waiting) as waiting, sum(issued) as issued, sum(cancelled) as cancelled
    from cloudsales.sales_order_line where order_id = any (:orders) group by order_id
), held as (
    select l.order_id, array_agg(distinct r.warehouse order by r.warehouse) as warehouses
    from cloudsales.sales_order_line l join cloudsales.reservation r on r.owner = l.owner and r.state = 'open'
    where l.order_id = any (:orders) group by l.order_id
), live as (
    select order_id, bool_or(kind = 'proforma_invoice') as proforma, bool_or(kind = 'fiscal_invoice') as fiscal
    from cloudsales.document_live where order_id = any (:orders) group by order_id
), sent as (
    select distinct order_id from cloudsales.waybill where order_id = any (:orders) and state not in ('failed', 'cancelled')
)
select o.order_id, o.channel, o.status, o.total, o.currency, o.discount, o.delivery_price, o.payment_method, o.payment_status,
       o.payment_status = 'paid' as paid, o.delivery_method, coalesce(o.courier, '') as courier, coalesce(o.county, '') as county,
       o.company, coalesce(p.quantity, 0)::integer as quantity, coalesce(p.lines, 0)::integer as lines,
       coalesce(p.reserved, 0)::integer as reserved, coalesce(p.waiting, 0)::integer as waiting,
       coalesce(p.issued, 0)::integer as issued, coalesce(p.cancelled, 0)::integer as cancelled,
       case when p.quantity > 0 then round((p.reserved + p.issued)::numeric / p.quantity, 4) else 0 end as reserved_share,
       coalesce(p.quantity > 0 and p.waiting = 0, false) as fully_reserved,
       coalesce(h.warehouses, '{}') as warehouses,
       round(extract(epoch from cast(:now as timestamptz) - o.placed_at) / 3600, 2) as age_hours,
       o.review <> '{}' as in_review, o.review, o.goods_checked_at is not null as goods_checked,
       coalesce(l.proforma, false) as has_proforma_invoice, coalesce(l.fiscal, false) as has_fiscal_invoice,
       s.order_id is not null as has_waybill
from wanted o
left join pieces p using (order_id)
left join held h using (order_id)
left join live l using (order_id)
left join sent s using (order_id)
