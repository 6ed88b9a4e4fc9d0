-- Who each changed key belongs to now: one product, or nobody where several claim it.
-- reads changed_key, product_code → writes code_key
with claims as (
    select d.key, count(distinct c.product_id) as products, min(c.product_id) as product_id,
           bit_or(case c.kind when 'sku' then 1 when 'gtin' then 2 else 4 end) as kinds
    from changed_key d left join cloudsales.product_code c on c.key = d.key
    group by d.key
),
gone as (
    delete from cloudsales.code_key k using claims c where c.products = 0 and k.key = c.key
),
come as (
    insert into cloudsales.code_key (key, product_id, kinds)
    select key, case when products = 1 then product_id end, kinds from claims where products > 0
    order by key
    on conflict (key) do update set product_id = excluded.product_id, kinds = excluded.kinds
    where (code_key.product_id, code_key.kinds) is distinct from (excluded.product_id, excluded.kinds)
    returning 1
)
select (select count(*) from come) as changed_keys
