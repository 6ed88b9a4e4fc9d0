-- A link for every listing that the plan links for the first time or makes a product for, with what was compared.
-- reads plan_row, listing, made → writes link
insert into cloudsales.link
    (listing_id, channel, product_id, matched_by, code, ean, code_key, ean_key, code_hits, ean_hits, rules_version, linked_at)
select r.listing_id, l.channel, coalesce(m.product_id, r.product_id), r.matched_by, l.code, l.ean, l.code_key, l.ean_key,
       r.code_hits, r.ean_hits, :rules_version, now()
from cloudsales.plan_row r
join cloudsales.listing l on l.listing_id = r.listing_id
left join made m on m.listing_id = r.listing_id
where r.plan_id = :plan_id and r.outcome in ('linked', 'created')
order by r.listing_id
on conflict (listing_id) do nothing
