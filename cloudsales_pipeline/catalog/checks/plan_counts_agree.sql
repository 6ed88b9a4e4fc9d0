-- reads plan, plan_row: the counts that a person was shown against the rows that would be applied
select outcome, stated, found, stated is distinct from found as fault
from (
    select v.outcome, v.stated, coalesce(f.found, 0) as found
    from cloudsales.plan p
    cross join lateral (values
        ('linked', p.linked), ('created', p.created), ('suggested', p.suggested), ('conflict', p.conflict),
        ('invalid', p.invalid), ('duplicate_in_listing', p.duplicate), ('all rows', p.rows)) as v (outcome, stated)
    left join (
        select coalesce(outcome, 'all rows') as outcome, count(*) as found
        from cloudsales.plan_row where plan_id = :plan_id
        group by rollup (outcome)
    ) f on f.outcome = v.outcome
    where p.plan_id = :plan_id
) c
