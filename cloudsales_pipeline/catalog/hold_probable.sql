-- Rows that would be created become suggested where something is suggested for them, the best product first.
-- The row's score is the probability that it is one of them.
-- reads plan_suggestion → changes plan_row
update cloudsales.plan_row r
set outcome = 'suggested', reason = 'probable_duplicate', matched_by = null, score = s.score, candidates = s.products
from (
    select listing_id, least(sum(score), 1) as score, array_agg(product_id order by score desc, product_id) as products
    from cloudsales.plan_suggestion where plan_id = :plan_id group by listing_id
) s
where r.plan_id = :plan_id and r.listing_id = s.listing_id and r.outcome = 'created'
