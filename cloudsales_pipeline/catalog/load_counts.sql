-- Every row of the file in one of three figures (I-44).
-- reads stage_catalog, touched_product
select count(*) filter (where s.fault is null and p.product_id in (select t.product_id from touched_product t)) as loaded,
       count(*) filter (where s.fault is not null and s.fault <> 'repeated_row') as quarantined,
       count(*) filter (where s.fault = 'repeated_row'
           or (s.fault is null and p.product_id not in (select t.product_id from touched_product t))) as unchanged,
       count(*) filter (where s.fault is null and s.note is not null) as noted
from stage_catalog s left join cloudsales.product p on p.sku = s.sku
