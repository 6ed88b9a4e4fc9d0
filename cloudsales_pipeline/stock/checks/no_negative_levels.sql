-- reads stock_level: the bounds that its check constraint keeps (I-06), looked at again without it
select p.sku, l.warehouse, l.on_hand, l.reserved, l.on_hand < 0 or l.reserved < 0 or l.reserved > l.on_hand as fault
from cloudsales.stock_level l
left join cloudsales.product p using (product_id)
