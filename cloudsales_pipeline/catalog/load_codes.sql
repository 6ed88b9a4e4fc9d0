-- The file's word on codes: what it no longer has goes, what is new comes; those of hand and channel stay.
-- reads stage_catalog, stage_code, product → writes product_code, changed_key, touched_product
with named as (
    select s.row_no, p.product_id from stage_catalog s join cloudsales.product p on p.sku = s.sku where s.fault is null
),
wanted as (
    select distinct on (n.product_id, c.kind, c.key) n.product_id, c.kind, c.key, c.code
    from named n join stage_code c using (row_no)
    order by n.product_id, c.kind, c.key, c.code
),
gone as (
    delete from cloudsales.product_code c using named n
    where c.product_id = n.product_id and c.source = 'file'
      and not exists (select from wanted w where w.product_id = c.product_id and w.kind = c.kind and w.key = c.key)
    returning c.product_id, c.key
),
come as (
    insert into cloudsales.product_code (product_id, kind, key, code, source, added_at)
    select product_id, kind, key, code, 'file', now() from wanted
    on conflict (product_id, kind, key) do nothing
    returning product_id, key
),
noted as (
    insert into changed_key (key) select key from gone union select key from come returning 1
),
touched as (
    insert into touched_product (product_id) select product_id from gone union select product_id from come returning 1
)
select (select count(*) from noted) as changed_codes, (select count(*) from touched) as touched_codes
