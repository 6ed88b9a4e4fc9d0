-- Closing suppliers' business date: what each is to be asked for, and the order frozen.

-- step: done
-- reads supplier_close: of these suppliers, those whose date is closed already
select c.supplier, c.cut_off_at, c.lines, c.quantity, o.number
from cloudsales.supplier_close c left join cloudsales.supplier_order o using (supplier_order_id)
where c.business_date = :business_date and c.supplier = any (:suppliers)

-- step: make_term
create temp table closing_term (supplier text primary key, cut_off_at timestamptz not null) on commit drop

-- step: fill_term
insert into closing_term (supplier, cut_off_at)
select * from unnest(cast(:suppliers as text[]), cast(:cut_offs as timestamptz[]))

-- step: make_line
-- reads open_requirement → the lines that came in by the last of the cut-offs
create temp table closing_line (
    line_id bigint primary key, owner text not null, product_id bigint not null, quantity integer not null,
    placed_at timestamptz not null, imported_at timestamptz not null, warehouses text[] not null, warehouse text
) on commit drop

-- step: fill_line
insert into closing_line
select q.line_id, q.owner, q.product_id, q.quantity, q.placed_at, q.imported_at, q.warehouses, q.warehouses[1]
from cloudsales.open_requirement q
where q.imported_at <= (select max(cut_off_at) from closing_term)

-- step: make_source
-- the supplier of each product on this date, and its terms
create temp table closing_source (
    product_id bigint primary key, supplier text not null, supplier_code text, price numeric, currency text,
    pack_size integer, minimum_quantity integer, lead_time_days integer
) on commit drop

-- step: fill_source
insert into closing_source
select s.product_id, s.supplier, s.supplier_code, s.price, s.currency, s.pack_size, s.minimum_quantity, s.lead_time_days
from cloudsales.suppliers_of(cast((select array_agg(distinct product_id) from closing_line) as bigint[]), :business_date) s
join closing_term using (supplier)

-- step: keep_due
-- of each supplier the lines that came in by its own cut-off
delete from closing_line l
where not exists (
    select from closing_source s join closing_term t using (supplier) where s.product_id = l.product_id and l.imported_at <= t.cut_off_at)

-- step: leave_free
-- writes closing_line: an order that takes all or nothing waits with pieces of it lying free; these are not bought
with whole as (
    select l.* from closing_line l join cloudsales.sales_order_line x using (line_id) join cloudsales.sales_order o using (order_id) where o.whole
), free as (
    select v.product_id, sum(v.on_hand - v.reserved) as quantity
    from cloudsales.stock_level v
    where v.on_hand > v.reserved and exists (select from whole w where w.product_id = v.product_id and v.warehouse = any (w.warehouses))
    group by 1
), part as (
    select w.line_id, greatest(0, least(w.quantity, sum(w.quantity) over o - f.quantity))::integer as quantity
    from whole w join free f using (product_id)
    window o as (partition by w.product_id order by w.placed_at, w.owner)
)
update closing_line l set quantity = p.quantity from part p where p.line_id = l.line_id and p.quantity < l.quantity

-- step: set_aside
-- writes closing_line: pieces that another warehouse was asked for are not bought meanwhile; they go to the oldest lines
with asked as (
    select product_id, to_warehouse as warehouse, sum(quantity) as quantity
    from cloudsales.transfer_proposal where state = 'open' group by 1, 2
), part as (
    select l.line_id, greatest(0, least(l.quantity, sum(l.quantity) over w - a.quantity))::integer as quantity
    from closing_line l join asked a using (product_id, warehouse)
    window w as (partition by l.product_id, l.warehouse order by l.placed_at, l.owner)
)
update closing_line l set quantity = p.quantity from part p where p.line_id = l.line_id and p.quantity < l.quantity

-- step: needs
select s.supplier, s.product_id, p.sku, sum(l.quantity) as required, s.pack_size, coalesce(s.minimum_quantity, 0) as minimum, s.price, s.currency,
       s.lead_time_days
from closing_line l join closing_source s using (product_id) join cloudsales.product p using (product_id)
where l.quantity > 0
group by s.product_id, p.product_id

-- step: make_choice
create temp table closing_choice (
    supplier text, position integer, product_id bigint, pack_size integer, required integer, quantity integer
) on commit drop

-- step: copy_choice
copy closing_choice (supplier, position, product_id, pack_size, required, quantity) from stdin

-- step: orders
insert into cloudsales.supplier_order (supplier, business_date, number, cut_off_at, currency, language, facts)
select w.supplier, :business_date, w.number, t.cut_off_at, w.currency, w.language, w.facts
from jsonb_to_recordset(cast(:orders as jsonb)) w (supplier text, number text, currency text, language text, facts jsonb)
join closing_term t using (supplier)
order by w.number

-- step: lines
insert into cloudsales.supplier_order_line
    (supplier_order_id, position, product_id, sku, name, supplier_code, pack_size, required, quantity, price, currency)
select o.supplier_order_id, c.position, c.product_id, p.sku,
       p.name || coalesce(' (' || nullif(concat_ws(', ', p.size, p.colour), '') || ')', ''), s.supplier_code, c.pack_size, c.required, c.quantity, s.price, s.currency
from closing_choice c
join cloudsales.supplier_order o on o.supplier = c.supplier and o.business_date = :business_date
join closing_source s using (product_id)
join cloudsales.product p using (product_id)
order by o.supplier_order_id, c.position

-- step: ties
-- reads closing_line → requirement: of each product what is ordered for somebody, the oldest lines first
with part as (
    select l.line_id, l.product_id, l.placed_at, l.owner, l.quantity, sum(l.quantity) over w - l.quantity as before
    from closing_line l
    window w as (partition by l.product_id order by l.placed_at, l.owner)
)
insert into cloudsales.requirement (supplier_order_line_id, line_id, product_id, quantity)
select x.supplier_order_line_id, p.line_id, p.product_id, least(p.quantity, c.required - p.before)
from part p
join closing_choice c using (product_id)
join cloudsales.supplier_order o on o.supplier = c.supplier and o.business_date = :business_date
join cloudsales.supplier_order_line x on x.supplier_order_id = o.supplier_order_id and x.product_id = c.product_id
where p.quantity > 0 and c.required > p.before
order by p.product_id, p.placed_at, p.owner

-- step: closes
insert into cloudsales.supplier_close (supplier, business_date, cut_off_at, outcome, supplier_order_id, lines, quantity)
select w.supplier, :business_date, t.cut_off_at, w.outcome, o.supplier_order_id, w.lines, w.quantity
from jsonb_to_recordset(cast(:closes as jsonb)) w (supplier text, outcome text, lines integer, quantity bigint)
join closing_term t using (supplier)
left join cloudsales.supplier_order o on o.supplier = w.supplier and o.business_date = :business_date

-- step: from_surplus
-- writes nothing; reads requirement: pieces that this transaction gave from surplus, by supplier
select o.supplier, sum(r.quantity) as quantity
from cloudsales.requirement r
join cloudsales.supplier_order_line s using (supplier_order_line_id)
join cloudsales.supplier_order o using (supplier_order_id)
where r.from_surplus and r.requirement_id > :newest
group by 1
