-- What the plan could not decide goes to quarantine with its evidence; what it has decided since leaves it.
-- reads plan_row, listing, product → writes quarantine
with held as (
    select l.variant_id, r.reason,
           jsonb_strip_nulls(jsonb_build_object(
               'code', l.code, 'ean', l.ean,
               'candidates', (select jsonb_agg(p.sku order by p.sku) from cloudsales.product p where p.product_id = any (r.candidates)),
               'earlier_variant', e.variant_id)) as detail
    from cloudsales.plan_row r
    join cloudsales.listing l on l.listing_id = r.listing_id
    left join cloudsales.listing e on e.listing_id = r.earlier_listing
    where r.plan_id = :plan_id and r.outcome in ('conflict', 'invalid', 'duplicate_in_listing', 'suggested')
),
ended as (
    update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'
    from cloudsales.plan_row r
    join cloudsales.listing l on l.listing_id = r.listing_id
    where r.plan_id = :plan_id and q.stage = 'match' and q.channel = :channel and q.reference = l.variant_id
      and q.resolved_at is null
      and not (r.outcome in ('conflict', 'invalid', 'duplicate_in_listing', 'suggested') and q.reason = r.reason)
)
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'match', :channel, variant_id, reason, detail from held h
where not exists (  -- a person said to leave exactly this
    select from cloudsales.quarantine q
    where q.stage = 'match' and q.channel = :channel and q.reference = h.variant_id and q.reason = h.reason
      and q.resolution = 'dismissed' and q.detail = h.detail)
on conflict (stage, channel, reference, reason) where resolved_at is null
do update set detail = excluded.detail where quarantine.detail <> excluded.detail
