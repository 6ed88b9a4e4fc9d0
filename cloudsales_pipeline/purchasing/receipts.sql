-- Deliveries of suppliers.

-- step: suppliers
select name_key, supplier from cloudsales.supplier_name where name_key = any (cast(:names as text[]))

-- step: warehouses
select warehouse from cloudsales.warehouse

-- step: orders
select number, supplier from cloudsales.supplier_order where number = any (cast(:numbers as text[]))

-- step: by_supplier_code
-- A supplier's own code, where it means one product.
select s.supplier, s.code, min(c.product_id) as product_id
from (select distinct * from unnest(cast(:suppliers as text[]), cast(:codes as text[])) u (supplier, code)) s
join cloudsales.supplier_price c on c.supplier = s.supplier and c.supplier_code = s.code
group by 1, 2 having count(distinct c.product_id) = 1

-- step: skus
select product_id, sku from cloudsales.product where product_id = any (cast(:products as bigint[]))

-- step: known
-- Deliveries that were received: what of each product, and how many rows they have.
select g.supplier, g.reference, g.receipt_id, l.product_id, sum(l.quantity) as quantity, max(max(l.position)) over (partition by g.receipt_id) as rows
from cloudsales.goods_receipt g
join unnest(cast(:suppliers as text[]), cast(:references as text[])) u (supplier, reference) using (supplier, reference)
join cloudsales.goods_receipt_line l using (receipt_id)
group by 1, 2, 3, 4

-- step: held
select detail ->> 'reference' as reference, detail ->> 'sku' as sku, cast(detail ->> 'row' as integer) as row
from cloudsales.quarantine
where stage = 'purchasing' and resolved_at is null and reason <> 'reference_reused' and detail ->> 'reference' = any (cast(:references as text[]))

-- step: event_mark
select coalesce(max(event_id), 0) from cloudsales.event

-- step: receipts
insert into cloudsales.goods_receipt (supplier, reference, warehouse, order_number, occurred_at)
select r.supplier, r.reference, r.warehouse, r.order_number, r.occurred_at
from jsonb_to_recordset(cast(:rows as jsonb)) r (supplier text, reference text, warehouse text, order_number text, occurred_at timestamptz)
on conflict (supplier, reference) do nothing

-- step: open_lines
select l.supplier_order_line_id, o.supplier, l.product_id, o.number, l.outstanding
from cloudsales.supplier_order_line l join cloudsales.supplier_order o using (supplier_order_id)
where l.outstanding > 0 and l.product_id = any (cast(:products as bigint[])) and o.supplier = any (cast(:suppliers as text[]))
order by o.business_date, l.supplier_order_line_id

-- step: ordered_ever
select distinct o.supplier, l.product_id
from cloudsales.supplier_order_line l join cloudsales.supplier_order o using (supplier_order_id)
where l.product_id = any (cast(:products as bigint[])) and o.supplier = any (cast(:suppliers as text[]))

-- step: lines
insert into cloudsales.goods_receipt_line (receipt_id, position, product_id, supplier_order_line_id, kind, quantity)
select g.receipt_id, r.position, r.product_id, r.line_id, r.kind, r.quantity
from jsonb_to_recordset(cast(:rows as jsonb)) r (supplier text, reference text, position integer, product_id bigint, line_id bigint, kind text, quantity integer)
join cloudsales.goods_receipt g using (supplier, reference)

-- step: count_lines
update cloudsales.supplier_order_line l set received = l.received + u.quantity
from unnest(cast(:lines as bigint[]), cast(:quantities as integer[])) u (line_id, quantity)
where l.supplier_order_line_id = u.line_id

-- step: count_ties
-- What came goes to the ties of the oldest order lines first (I-30).
with tie as (
    select r.requirement_id, r.outstanding, u.quantity,
           sum(r.outstanding) over (partition by r.supplier_order_line_id order by l.placed_at, l.owner, r.requirement_id) - r.outstanding as before
    from unnest(cast(:lines as bigint[]), cast(:quantities as integer[])) u (line_id, quantity)
    join cloudsales.requirement r on r.supplier_order_line_id = u.line_id and r.outstanding > 0
    join cloudsales.sales_order_line l on l.line_id = r.line_id
)
update cloudsales.requirement r set received = r.received + least(t.outstanding, t.quantity - t.before)
from tie t where r.requirement_id = t.requirement_id and t.quantity > t.before

-- step: served
-- Whom this transaction served.
select reference, product_id, sum(quantity)::integer as quantity
from cloudsales.event
where kind = 'line_served' and event_id > :mark and xmin = pg_current_xact_id()::xid and product_id = any (cast(:products as bigint[]))
group by 1, 2 order by min(event_id)

-- step: missing
-- What these lines' orders still lack.
select o.supplier, o.number, sum(l.outstanding)::integer as quantity
from cloudsales.supplier_order o join cloudsales.supplier_order_line l using (supplier_order_id)
where o.supplier_order_id in (select supplier_order_id from cloudsales.supplier_order_line where supplier_order_line_id = any (cast(:lines as bigint[])))
group by 1, 2 having sum(l.outstanding) > 0 order by 2

-- step: quarantine
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'purchasing', :channel, r.reference, r.reason, r.detail
from jsonb_to_recordset(cast(:rows as jsonb)) as r (reference text, reason text, detail jsonb)
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: settle
update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'
from unnest(cast(:references as text[]), cast(:skus as text[]), cast(:rows as integer[])) s (reference, sku, row)
where q.stage = 'purchasing' and q.resolved_at is null and q.reason <> 'reference_reused' and q.detail ->> 'reference' = s.reference
  and (q.detail ->> 'sku' = s.sku or q.detail ->> 'row' = s.row::text)

-- step: summary
insert into cloudsales.run_summary (stage, channel, started_at, finished_at, rows_in, loaded, unchanged, quarantined)
values ('purchasing', '', now(), clock_timestamp(), :rows_in, :loaded, :unchanged, :quarantined)

-- step: order_lines
select l.supplier_order_line_id, l.product_id, l.sku, l.outstanding
from cloudsales.supplier_order_line l join cloudsales.supplier_order o using (supplier_order_id)
where o.number = :number and (cast(:sku as text) is null or l.sku = :sku)
order by l.position

-- step: write_off
update cloudsales.supplier_order_line set written_off = written_off + outstanding
where supplier_order_line_id = any (cast(:lines as bigint[])) and outstanding > 0
