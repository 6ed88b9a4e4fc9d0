-- reads supplier_order_line, requirement: what lines expect of a supplier order's line, against what of it still comes
select o.number as supplier_order, s.sku, s.outstanding, coalesce(sum(r.outstanding), 0) as expected, coalesce(sum(r.outstanding), 0) > s.outstanding as fault
from cloudsales.supplier_order_line s
join cloudsales.supplier_order o using (supplier_order_id)
left join cloudsales.requirement r using (supplier_order_line_id)
group by o.number, s.supplier_order_line_id
