-- reads reservation, stock_level: what is reserved, added up from the open reservations, against what is stored (I-09)
select p.sku, warehouse, coalesce(r.quantity, 0) as open_reservations, l.reserved,
       l.product_id is null or l.reserved <> coalesce(r.quantity, 0) as fault
from (
    select product_id, warehouse, sum(quantity) as quantity
    from cloudsales.reservation
    where state = 'open'
    group by product_id, warehouse
) r
full join cloudsales.stock_level l using (product_id, warehouse)
left join cloudsales.product p using (product_id)
