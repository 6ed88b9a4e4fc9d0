-- reads sales_order_line, sales_order, stock_level: lines of open orders that take what they get, and what is free for them
select o.channel, o.external_id as order_id, l.external_line_id as line, p.sku, l.waiting, sum(v.on_hand - v.reserved) as free,
       coalesce(sum(v.on_hand - v.reserved), 0) > 0 as fault
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
join channels using (channel)
join cloudsales.product p using (product_id)
left join cloudsales.stock_level v on v.product_id = l.product_id and v.warehouse = any (o.warehouses)
where l.waiting > 0 and not o.whole and o.status in ('new', 'paid', 'held')
group by 1, 2, 3, 4, 5
