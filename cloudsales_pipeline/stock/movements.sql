-- step: by_sku
select sku, product_id from cloudsales.product where sku = any (:skus)
-- step: by_code
select key, product_id from cloudsales.code_key where key = any (:keys) and product_id is not null
-- step: posted
select m.reference, m.line, m.product_id, m.warehouse, m.reason, coalesce(m.counted, m.quantity) as units, p.sku
from cloudsales.stock_movement m join cloudsales.product p using (product_id)
where m.reference = any (:references)
order by m.reference, m.line
-- step: held
select detail ->> 'reference' as reference, detail ->> 'warehouse' as warehouse, detail ->> 'sku' as sku, detail ->> 'reason' as reason
from cloudsales.quarantine
where stage = 'stock' and resolved_at is null and reason <> 'reference_reused' and detail ->> 'reference' = any (:references)
-- step: later
select c.product_id, c.warehouse, c.instant, coalesce(sum(m.quantity), 0)::integer as quantity
from (select distinct * from unnest(cast(:products as bigint[]), cast(:warehouses as text[]), cast(:instants as timestamptz[]))
      u (product_id, warehouse, instant)) c
left join cloudsales.stock_movement m
       on m.product_id = c.product_id and m.warehouse = c.warehouse and m.occurred_at > c.instant
group by c.product_id, c.warehouse, c.instant
-- step: write
insert into cloudsales.stock_movement (warehouse, product_id, quantity, reason, counted, reference, line, occurred_at, file_id)
select r.warehouse, r.product_id, r.quantity, r.reason, r.counted, r.reference, r.line, r.occurred_at, :file_id
from jsonb_to_recordset(cast(:rows as jsonb)) as r (warehouse text, product_id bigint, quantity integer, reason text, counted integer,
                                                   reference text, line integer, occurred_at timestamptz)
