-- reads plan_row, listing, code_key: each row's outcome with what that outcome must and must not carry
select r.listing_id, r.outcome, r.matched_by, r.product_id, r.earlier_listing,
       case r.outcome
           when 'linked' then r.product_id is null or r.matched_by is null
               or r.matched_by not in ('sku', 'gtin', 'additional_code', 'created', 'manual')
           when 'created' then r.product_id is not null or r.matched_by is distinct from 'created' or coalesce(cardinality(r.candidates), 0) > 0
               or r.code_hits + r.ean_hits > 0
           when 'conflict' then r.product_id is not null or (
               coalesce(cardinality(r.candidates), 0) < 2
               and not exists (
                   select from cloudsales.listing l
                   join cloudsales.code_key k on k.key in (l.code_key, l.ean_key) and k.product_id is null
                   where l.listing_id = r.listing_id))
           when 'duplicate_in_listing' then r.product_id is not null or not exists (
               select from cloudsales.listing e
               where e.listing_id = r.earlier_listing and e.listing_id <> r.listing_id
                 and e.channel = :channel and e.missing_since is null)
           when 'invalid' then r.product_id is not null
           when 'suggested' then r.matched_by is not null
           else true
       end as fault
from cloudsales.plan_row r
where r.plan_id = :plan_id
