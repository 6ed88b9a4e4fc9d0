-- reads plan, plan_row, match_outcome, listing, link: a row for each share, with its bound and what the bound stands on.
-- The reasons for each are told in catalog/rules.py.
with this_plan as (
    select count(*) as rows,
           count(*) filter (where r.outcome = 'created') as created,
           count(*) filter (where r.outcome = 'conflict') as conflict,
           count(*) filter (where r.outcome = 'invalid') as invalid,
           count(*) filter (where r.outcome = 'duplicate_in_listing') as duplicate,
           count(*) filter (where o.outcome = 'conflict') as was_conflict,
           count(*) filter (where o.outcome = 'invalid') as was_invalid,
           count(*) filter (where o.outcome = 'duplicate_in_listing') as was_duplicate,
           -- a key that the link was made by and that the listing no longer shows
           count(*) filter (where r.outcome = 'linked' and (
               k.code_key is not null and (k.code_key in (l.code_key, l.ean_key)) is not true
               or k.ean_key is not null and (k.ean_key in (l.code_key, l.ean_key)) is not true)) as drifted
    from cloudsales.plan_row r
    join cloudsales.listing l on l.listing_id = r.listing_id
    left join cloudsales.match_outcome o on o.listing_id = r.listing_id
    left join cloudsales.link k on k.listing_id = r.listing_id
    where r.plan_id = :plan_id
), twins as (
    -- to be created although the same style shows the same size and colour as a listing that has its product already
    select count(*) as twins
    from cloudsales.plan_row r
    join cloudsales.listing l on l.listing_id = r.listing_id and (l.size is not null or l.colour is not null)
    where r.plan_id = :plan_id and r.outcome = 'created' and exists (
        select from cloudsales.listing t
        join cloudsales.link k on k.listing_id = t.listing_id
        where t.channel = l.channel and t.product_external_id = l.product_external_id and t.listing_id <> l.listing_id
          and t.size is not distinct from l.size and t.colour is not distinct from l.colour)
), shown as (
    select count(*) as listings from cloudsales.listing where channel = :channel and missing_since is null
), tied as (
    select count(*) as links from cloudsales.link where channel = :channel
), history as (
    select count(*) as imports,
           percentile_cont(0.5) within group (order by created::float8 / rows) as created,
           percentile_cont(0.5) within group (order by conflict::float8 / rows) as conflict,
           percentile_cont(0.5) within group (order by invalid::float8 / rows) as invalid,
           percentile_cont(0.5) within group (order by duplicate::float8 / rows) as duplicate
    from (
        select * from cloudsales.plan
        where channel = :channel and state = 'applied' and rows >= :min_rows and plan_id <> :plan_id
        order by plan_id desc limit 10
    ) last_imports
), shares as (
    select s.name, p.rows, h.imports, s.count,
           s.count::float8 / nullif(s.total, 0) as share, s.median,
           case when s.name = 'created' and h.imports = 0 then cast(:max_created_share_first as float8)
                when s.name in ('drifted', 'created again') then cast(:margin as float8)
                else s.median + :margin end as bound,
           s.growth / nullif(n.listings, 0)::float8 as growth
    from this_plan p cross join twins t cross join shown n cross join tied c cross join history h
    cross join lateral (values
        ('created', p.created, p.rows, h.created, p.created),
        ('conflict', p.conflict, p.rows, h.conflict, p.conflict - p.was_conflict),
        ('invalid', p.invalid, p.rows, h.invalid, p.invalid - p.was_invalid),
        ('duplicate_in_listing', p.duplicate, p.rows, h.duplicate, p.duplicate - p.was_duplicate),
        ('drifted', p.drifted, c.links, null, null),
        ('created again', t.twins, case when h.imports > 0 then p.created end, null, null)
    ) as s (name, count, total, median, growth)
)
select name, count, round(share::numeric, 4)::float8 as share, round(bound::numeric, 4)::float8 as bound,
       round(median::numeric, 4)::float8 as median, round(growth::numeric, 4)::float8 as growth,
       cast(:margin as float8) as growth_bound, imports, rows,
       case when rows < :min_rows then 'too few rows to judge'
            when share is null or bound is null then 'nothing to compare with yet' end as note,
       case when rows < :min_rows or share is null or bound is null then false
            when growth is null or imports = 0 then share > bound
            else (share > bound or bound >= 1) and growth > :margin end as fault
from shares
