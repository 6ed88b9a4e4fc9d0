-- reads supplier_order_line, requirement: what a line says was required, against the ties that it was bought for (I-29)
select o.number as supplier_order, s.sku, s.quantity, s.required, coalesce(sum(r.quantity) filter (where not r.from_surplus), 0) as tied,
       s.required <> coalesce(sum(r.quantity) filter (where not r.from_surplus), 0) or s.quantity < s.required as fault
from cloudsales.supplier_order_line s
join cloudsales.supplier_order o using (supplier_order_id)
left join cloudsales.requirement r using (supplier_order_line_id)
group by o.number, s.supplier_order_line_id
