-- The last decision for each listing.
-- reads plan_row, made → writes match_outcome
insert into cloudsales.match_outcome
    (listing_id, channel, outcome, reason, matched_by, product_id, candidates, earlier_listing, code_hits, ean_hits,
     rules_version, plan_id, decided_at)
select r.listing_id, :channel, r.outcome, r.reason, r.matched_by, coalesce(m.product_id, r.product_id), r.candidates,
       r.earlier_listing, r.code_hits, r.ean_hits, :rules_version, r.plan_id, now()
from cloudsales.plan_row r
left join made m on m.listing_id = r.listing_id
where r.plan_id = :plan_id
order by r.listing_id
on conflict (listing_id) do update set
    outcome = excluded.outcome, reason = excluded.reason, matched_by = excluded.matched_by, product_id = excluded.product_id,
    candidates = excluded.candidates, earlier_listing = excluded.earlier_listing, code_hits = excluded.code_hits,
    ean_hits = excluded.ean_hits, rules_version = excluded.rules_version, plan_id = excluded.plan_id,
    decided_at = excluded.decided_at
