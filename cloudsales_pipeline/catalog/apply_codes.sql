-- The codes of the products that were made: the SKU, and the EAN where it is a valid GTIN.
-- reads made → writes product_code, code_key. A key that somebody took in between breaks the primary key: nothing is applied.
with written as (
    insert into cloudsales.product_code (product_id, kind, key, code, source, added_at)
    select product_id, 'sku', coalesce(code_key, ean_key), sku, 'channel', now() from made
    union all
    select product_id, 'gtin', ean_key,
           case when length(ean_key) <= 8 then lpad(ean_key, 8, '0')
                when length(ean_key) <= 13 then lpad(ean_key, 13, '0') else ean_key end,
           'channel', now()
    from made where ean_key is not null
)
insert into cloudsales.code_key (key, product_id, kinds)
select coalesce(code_key, ean_key), product_id, case when ean_key is null or ean_key <> coalesce(code_key, ean_key) then 1 else 3 end
from made
union all
select ean_key, product_id, 2 from made where ean_key <> code_key
