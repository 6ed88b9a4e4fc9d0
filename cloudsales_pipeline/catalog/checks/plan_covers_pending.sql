-- reads listing_pending, plan_row, listing: each listing that awaits a decision, and each row of the plan, face to face
select coalesce(n.listing_id, r.listing_id) as listing_id,
       n.listing_id is not null as awaits_decision,
       coalesce(r.rows, 0) as rows_in_plan,
       r.rows is distinct from 1 or l.listing_id is null as fault
from (
    -- what was noted after the plan was made belongs to the next one; the apply refuses by the revision
    select p.listing_id
    from cloudsales.listing_pending p
    join cloudsales.listing l on l.listing_id = p.listing_id and l.missing_since is null
    where p.channel = :channel and p.revision <= (select revision from cloudsales.plan where plan_id = :plan_id)
) n
full join (
    select listing_id, count(*) as rows from cloudsales.plan_row where plan_id = :plan_id group by listing_id
) r on r.listing_id = n.listing_id
left join cloudsales.listing l
       on l.listing_id = coalesce(n.listing_id, r.listing_id) and l.channel = :channel and l.missing_since is null
