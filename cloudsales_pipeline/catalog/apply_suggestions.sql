-- step: expire
-- Open suggestions that the plan no longer makes, or whose listing the channel no longer shows.
-- reads plan_row, plan_suggestion, listing → changes suggestion
update cloudsales.suggestion s set state = 'expired', decided_at = now()
from cloudsales.listing l
left join cloudsales.plan_row r on r.plan_id = :plan_id and r.listing_id = l.listing_id
where s.state = 'open' and l.listing_id = s.listing_id and l.channel = :channel
  and (l.missing_since is not null
       or r.outcome <> 'suggested'
       or (r.reason = 'probable_duplicate' and not exists
           (select from cloudsales.plan_suggestion n
            where n.plan_id = :plan_id and n.listing_id = s.listing_id and n.product_id = s.product_id)))

-- step: suggest
-- One row for each product that may be the listing; one without a product where the setting holds it.
-- reads plan_row, plan_suggestion → writes suggestion. What a person decided stays.
insert into cloudsales.suggestion (listing_id, product_id, score, evidence)
select r.listing_id, n.product_id, coalesce(n.score, r.score), coalesce(n.evidence, '{}')
from cloudsales.plan_row r
left join cloudsales.plan_suggestion n on n.plan_id = r.plan_id and n.listing_id = r.listing_id
where r.plan_id = :plan_id and r.outcome = 'suggested'
order by r.listing_id, n.score desc
on conflict (listing_id, product_id) do update set
    state = 'open', score = excluded.score, evidence = excluded.evidence, decided_at = null
    where suggestion.state in ('open', 'expired')
