-- Additional codes for products: an unknown SKU and a code that is another product's are faults, a code it has is no change.
-- reads stage_code, product, code_key, product_code → writes product_code, code_key, code_fault, changed_key
create index on stage_code (key);
create temp table code_fault on commit drop as
select s.row_no, s.sku, s.code,
       coalesce(s.fault, case when p.product_id is null then 'unknown_sku' else 'code_of_another_product' end) as fault,
       coalesce(o.sku, case when k.key is not null and k.product_id is null then 'several products' end, f.sku, '') as owner
from stage_code s
left join cloudsales.product p on p.sku = s.sku
left join cloudsales.code_key k on k.key = s.key
left join cloudsales.product o on o.product_id = k.product_id and o.product_id is distinct from p.product_id
left join lateral (select e.sku from stage_code e where e.key = s.key and e.sku <> s.sku and e.row_no < s.row_no and e.fault is null
                     and exists (select from cloudsales.product g where g.sku = e.sku)
                   order by e.row_no limit 1) f on true
where s.fault is not null or p.product_id is null or o.product_id is not null
   or (k.key is not null and k.product_id is null) or f.sku is not null;
create temp table code_new on commit drop as
select distinct on (p.product_id, s.key) p.product_id, s.key, s.code
from stage_code s
join cloudsales.product p on p.sku = s.sku
where not exists (select from code_fault f where f.row_no = s.row_no)
  and not exists (select from cloudsales.product_code c where c.product_id = p.product_id and c.kind = 'additional' and c.key = s.key)
order by p.product_id, s.key, s.row_no;
insert into cloudsales.product_code (product_id, kind, key, code, source, added_at)
select product_id, 'additional', key, code, 'manual', now() from code_new;
insert into cloudsales.code_key (key, product_id, kinds)
select key, product_id, 4 from code_new
on conflict (key) do update set kinds = code_key.kinds | 4;
insert into changed_key (key) select key from code_new;
