-- reads product_code, code_key: what each code points to, worked out from the products' codes, against what is stored.
-- {keys} narrows both sides to the codes of the products that a plan touched.
select coalesce(c.key, k.key) as key, c.lowest as product_id, nullif(c.highest, c.lowest) as other_product_id,
       k.product_id as stored_product_id, k.kinds as stored_kinds,
       c.key is null or k.key is null or c.kinds <> k.kinds
           or k.product_id is distinct from case when c.lowest = c.highest then c.lowest end as fault
from (
    select key, min(product_id) as lowest, max(product_id) as highest,
           bit_or(case kind when 'sku' then 1 when 'gtin' then 2 else 4 end) as kinds
    from cloudsales.product_code
    where {keys}
    group by key
) c
full join (select * from cloudsales.code_key where {keys}) k on k.key = c.key
