-- reads plan_row, listing: each key of the listings that would be created, with how many of them have it; a listing
-- without any key would make a product that nothing can ever find again
select key, min(listing_id) as listing_id, nullif(max(listing_id), min(listing_id)) as other_listing_id,
       key is null or min(listing_id) <> max(listing_id) as fault
from (
    select r.listing_id, coalesce(l.code_key, l.ean_key) as key
    from cloudsales.plan_row r join cloudsales.listing l on l.listing_id = r.listing_id
    where r.plan_id = :plan_id and r.outcome = 'created'
    union all
    select r.listing_id, l.ean_key
    from cloudsales.plan_row r join cloudsales.listing l on l.listing_id = r.listing_id
    where r.plan_id = :plan_id and r.outcome = 'created' and l.ean_key is not null and l.code_key is not null
) u
group by key
