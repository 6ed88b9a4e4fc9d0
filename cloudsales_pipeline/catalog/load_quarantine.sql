-- Rows that could not be taken, what was left out of others, and codes that several products claim.
-- reads stage_catalog, code_key, product_code → writes quarantine
with bad as (
    select :file || ', row ' || row_no as reference, coalesce(fault, note) as reason,
           jsonb_strip_nulls(jsonb_build_object('sku', nullif(left(sku, 200), ''), 'loaded', case when fault is null then true end)) as detail
    from stage_catalog
    where fault <> 'repeated_row' or (fault is null and note is not null)
),
clash as (
    select k.key as reference, 'code_on_several_products' as reason,
           jsonb_build_object('products', (select jsonb_agg(distinct p.sku) from cloudsales.product_code c
               join cloudsales.product p using (product_id) where c.key = k.key)) as detail
    from cloudsales.code_key k where k.product_id is null
),
ended as (
    update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'
    where q.stage = 'catalog' and q.resolved_at is null
      and ((q.reason = 'code_on_several_products' and not exists (select from clash c where c.reference = q.reference))
           or (q.reason <> 'code_on_several_products' and starts_with(q.reference, :file || ', row ')
               and not exists (select from bad b where b.reference = q.reference and b.reason = q.reason)))
),
held as (
    insert into cloudsales.quarantine (stage, reference, reason, detail)
    select 'catalog', f.reference, f.reason, f.detail from (select * from bad union all select * from clash) f
    where not exists (  -- a person said to leave exactly this
        select from cloudsales.quarantine q where q.stage = 'catalog' and q.reference = f.reference and q.reason = f.reason
          and q.resolution = 'dismissed' and q.detail = f.detail)
    on conflict (stage, channel, reference, reason) where resolved_at is null
    do update set detail = excluded.detail where quarantine.detail <> excluded.detail
)
select count(*) as clashes from clash
