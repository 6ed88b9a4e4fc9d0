-- reads plan_row, listing, product_code: each key of a listing that would be created, and a product that has it already
select u.listing_id, u.key, c.product_id, c.product_id is not null as fault
from (
    select r.listing_id, l.code_key as key
    from cloudsales.plan_row r join cloudsales.listing l on l.listing_id = r.listing_id
    where r.plan_id = :plan_id and r.outcome = 'created' and l.code_key is not null
    union all
    select r.listing_id, l.ean_key
    from cloudsales.plan_row r join cloudsales.listing l on l.listing_id = r.listing_id
    where r.plan_id = :plan_id and r.outcome = 'created' and l.ean_key is not null and l.ean_key is distinct from l.code_key
) u
left join cloudsales.product_code c on c.key = u.key
