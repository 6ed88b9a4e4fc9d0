-- reads requirement, sales_order_line: pieces on order for an order's line never exceed what the line is of, what came for it included (I-27),
-- and of one supplier and date there is one order (I-28)
select o.channel, o.external_id as order_id, l.external_line_id as line, l.quantity, sum(r.outstanding) as on_order,
       sum(r.outstanding) > l.quantity as fault
from cloudsales.requirement r
join cloudsales.sales_order_line l using (line_id)
join cloudsales.sales_order o using (order_id)
group by o.order_id, l.line_id
union all
select null, null, supplier || ' ' || business_date, null, count(*), count(*) > 1 from cloudsales.supplier_order group by supplier, business_date
