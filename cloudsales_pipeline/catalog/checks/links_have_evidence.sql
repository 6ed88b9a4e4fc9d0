-- reads link, product_code, product, listing: each tie with the codes it was made by, looked up again. A person's own tie
-- needs no code.
select l.listing_id, k.product_id, k.matched_by,
       case k.matched_by
           when 'manual' then false
           when 'created' then (p.origin_channel = k.channel and p.origin_variant = l.variant_id) is not true
           else not exists (
               select from cloudsales.product_code c
               where c.product_id = k.product_id and c.key in (k.code_key, k.ean_key)
                 and c.kind = case k.matched_by when 'additional_code' then 'additional' else k.matched_by end)
       end as fault
from cloudsales.link k
join cloudsales.listing l on l.listing_id = k.listing_id
join cloudsales.product p on p.product_id = k.product_id
where k.channel = :channel and {listings}
