-- reads plan_row, listing: each EAN that would become a product's GTIN, its check digit worked out again (GS1 General
-- Specifications 7.9; on 14 digits the odd places weigh 3). A created row may have no bad EAN at all (contract, rule 6).
select listing_id, ean_key, ean_state, ean_state = 'bad' or case
           when ean_key is null or ean_key !~ '^[0-9]{1,14}$' then true
           else mod(3 * (substr(k, 1, 1)::int + substr(k, 3, 1)::int + substr(k, 5, 1)::int + substr(k, 7, 1)::int
                      + substr(k, 9, 1)::int + substr(k, 11, 1)::int + substr(k, 13, 1)::int)
                 + substr(k, 2, 1)::int + substr(k, 4, 1)::int + substr(k, 6, 1)::int + substr(k, 8, 1)::int
                 + substr(k, 10, 1)::int + substr(k, 12, 1)::int + substr(k, 14, 1)::int, 10) <> 0
       end as fault
from (
    select r.listing_id, l.ean_key, l.ean_state, lpad(l.ean_key, 14, '0') as k
    from cloudsales.plan_row r join cloudsales.listing l on l.listing_id = r.listing_id
    where r.plan_id = :plan_id and r.outcome = 'created' and l.ean_state <> 'empty'
) e
