-- Supplier orders as their documents need them.

-- step: orders
select supplier_order_id, supplier, number, business_date, closed_at, language, facts
from cloudsales.supplier_order where supplier_order_id = any (cast(:ids as bigint[])) order by number

-- step: lines
select supplier_order_id, position, sku, name, supplier_code, pack_size, quantity, price, currency
from cloudsales.supplier_order_line where supplier_order_id = any (cast(:ids as bigint[])) order by supplier_order_id, position

-- step: kept
select supplier_order_id, kind, file_id from cloudsales.supplier_order_file where supplier_order_id = any (cast(:ids as bigint[]))

-- step: keep
insert into cloudsales.supplier_order_file (supplier_order_id, kind, file_id)
select * from unnest(cast(:ids as bigint[]), cast(:kinds as text[]), cast(:files as bigint[]))
