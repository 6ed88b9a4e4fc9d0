-- reads stock_movement, stock_level: what is on hand, added up from the ledger's first row on, against what is stored (I-09).
-- Version 0 says that nothing ever moved here, so a pair with movements may not have it.
select p.sku, warehouse, coalesce(m.quantity, 0) as ledger, l.on_hand, l.version,
       l.product_id is null or l.on_hand <> coalesce(m.quantity, 0) or (l.version = 0 and m.product_id is not null) as fault
from (
    select product_id, warehouse, sum(quantity) as quantity from cloudsales.stock_movement group by product_id, warehouse
) m
full join cloudsales.stock_level l using (product_id, warehouse)
left join cloudsales.product p using (product_id)
