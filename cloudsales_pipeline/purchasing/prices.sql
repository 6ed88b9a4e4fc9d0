-- A price list: staged, its names resolved, judged, loaded.

-- step: stage
create temp table stage_price (
    row_no integer, supplier text, sku text, sku_key text collate "C", supplier_code text, price numeric(14, 4), currency text, pack_size integer,
    minimum_quantity integer, lead_time_days integer, preferred boolean, locked boolean, valid_from date, valid_until date,
    supplier_key text, product_id bigint, fault text
) on commit drop

-- step: copy
copy stage_price (row_no, supplier, sku, sku_key, supplier_code, price, currency, pack_size, minimum_quantity, lead_time_days, preferred, locked,
                  valid_from, valid_until) from stdin

-- step: resolve
update stage_price s set supplier_key = u.supplier, product_id = u.product_id
from (
    select x.row_no, a.supplier, coalesce(p.product_id, k.product_id) as product_id
    from stage_price x
    left join cloudsales.supplier_name n on n.name_key = lower(x.supplier)
    left join cloudsales.supplier a on a.supplier = n.supplier and a.active
    left join cloudsales.product p on p.sku = x.sku
    left join cloudsales.code_key k on k.key = x.sku_key
) u
where u.row_no = s.row_no

-- step: judge
-- writes stage_price.fault; two prices for a day are none
update stage_price s set fault = j.fault
from (
    select row_no, case when supplier_key is null then 'unknown_supplier' when product_id is null then 'unknown_sku'
                        when count(*) over (partition by supplier_key, product_id, valid_from) > 1 then 'two_prices' end as fault
    from stage_price
) j
where j.row_no = s.row_no and j.fault is not null

-- step: refused
select row_no, supplier, sku, valid_from, fault from stage_price where fault is not null order by row_no

-- step: load
with loaded as (
    insert into cloudsales.supplier_price as p (supplier, product_id, supplier_code, price, currency, pack_size, minimum_quantity, lead_time_days,
                                                preferred, locked, valid_from, valid_until)
    select supplier_key, product_id, supplier_code, price, currency, pack_size, minimum_quantity, lead_time_days, preferred, locked, valid_from, valid_until
    from stage_price where fault is null
    order by supplier_key, product_id, valid_from
    on conflict (supplier, product_id, valid_from) do update
    set supplier_code = excluded.supplier_code, price = excluded.price, currency = excluded.currency, pack_size = excluded.pack_size,
        minimum_quantity = excluded.minimum_quantity, lead_time_days = excluded.lead_time_days, preferred = excluded.preferred,
        locked = excluded.locked, valid_until = excluded.valid_until, loaded_at = clock_timestamp()
    where (p.supplier_code, p.price, p.currency, p.pack_size, p.minimum_quantity, p.lead_time_days, p.preferred, p.locked, p.valid_until)
          is distinct from (excluded.supplier_code, excluded.price, excluded.currency, excluded.pack_size, excluded.minimum_quantity,
                            excluded.lead_time_days, excluded.preferred, excluded.locked, excluded.valid_until)
    returning 1
)
select count(*)::integer from loaded

-- step: settle
-- Rows that were held before, of what is loaded now.
update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'
from stage_price s
where q.stage = 'purchasing' and q.resolved_at is null and s.fault is null and q.detail ->> 'supplier' = s.supplier and q.detail ->> 'sku' = s.sku

-- step: quarantine
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'purchasing', '', r.reference, r.reason, r.detail
from jsonb_to_recordset(cast(:rows as jsonb)) as r (reference text, reason text, detail jsonb)
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: summary
insert into cloudsales.run_summary (stage, channel, started_at, finished_at, rows_in, loaded, unchanged, quarantined)
values ('purchasing', '', now(), clock_timestamp(), :rows_in, :loaded, :unchanged, :quarantined)
