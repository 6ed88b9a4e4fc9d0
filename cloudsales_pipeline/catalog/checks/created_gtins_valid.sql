-- reads product_code, product: each GTIN that the channel's listing brought, its check digit worked out again (GS1 General
-- Specifications 7.9; on 14 digits the odd places weigh 3)
select product_id, key, case
           when key !~ '^[0-9]{1,14}$' then true
           else mod(3 * (substr(k, 1, 1)::int + substr(k, 3, 1)::int + substr(k, 5, 1)::int + substr(k, 7, 1)::int
                      + substr(k, 9, 1)::int + substr(k, 11, 1)::int + substr(k, 13, 1)::int)
                 + substr(k, 2, 1)::int + substr(k, 4, 1)::int + substr(k, 6, 1)::int + substr(k, 8, 1)::int
                 + substr(k, 10, 1)::int + substr(k, 12, 1)::int + substr(k, 14, 1)::int, 10) <> 0
       end as fault
from (
    select c.product_id, c.key, lpad(c.key, 14, '0') as k
    from cloudsales.product_code c
    join cloudsales.product p on p.product_id = c.product_id and p.origin_channel = :channel
    where c.kind = 'gtin' and c.source = 'channel' and {products}
) e
