-- Taking orders in, a batch of payloads in one transaction.

-- step: claim
select payload_id, external_id, revision, payload from personal.order_payload
where channel = :channel and state = 'new' order by payload_id limit :limit for update skip locked

-- step: known
select order_id, external_id, revision, status, frozen_at is not null as frozen, whole, warehouses, placed_at, review
from cloudsales.sales_order where channel = :channel and external_id = any (:ids)
order by external_id for update

-- step: lines
select line_id, order_id, external_line_id, position, owner, variant_id, code, ean, name, product_id, unknown, quantity, reserved,
       issued, cancelled, advised, unit_price, vat_rate, discount
from cloudsales.sales_order_line where order_id = any (:orders) order by order_id, position, line_id

-- step: linked
select l.variant_id, k.product_id
from cloudsales.listing l join cloudsales.link k using (listing_id)
where l.channel = :channel and l.variant_id = any (:variants)

-- step: by_code
select key, product_id from cloudsales.code_key where key = any (:keys)

-- step: next_orders
select nextval(pg_get_serial_sequence('cloudsales.sales_order', 'order_id')) from generate_series(1, :count)

-- step: held_pairs
select distinct product_id, warehouse from cloudsales.reservation where owner = any (:owners) and state = 'open'

-- step: update_orders
update cloudsales.sales_order o
set revision = u.revision, status = u.status, channel_status = u.channel_status, changed_at = u.changed_at,
    payment_method = u.payment_method, payment_status = u.payment_status, paid_at = u.paid_at, delivery_method = u.delivery_method,
    courier = u.courier, county = u.county, company = u.company, currency = u.currency, delivery_price = u.delivery_price,
    discount = u.discount, total = u.total, expected_total = u.expected_total, review = u.review
from jsonb_to_recordset(cast(:rows as jsonb)) as u (
    order_id bigint, revision bigint, status text, channel_status text, changed_at timestamptz, payment_method text, payment_status text,
    paid_at timestamptz, delivery_method text, courier text, county text, company boolean, currency text, delivery_price numeric,
    discount numeric, total numeric, expected_total numeric, review text[])
where o.order_id = u.order_id

-- step: update_lines
update cloudsales.sales_order_line l
set position = u.position, variant_id = u.variant_id, code = u.code, ean = u.ean, name = u.name, product_id = u.product_id,
    unknown = u.unknown, quantity = u.quantity, cancelled = u.cancelled, advised = u.advised, unit_price = u.unit_price,
    vat_rate = u.vat_rate, discount = u.discount
from jsonb_to_recordset(cast(:rows as jsonb)) as u (
    line_id bigint, position integer, variant_id text, code text, ean text, name text, product_id bigint, unknown text, quantity integer,
    cancelled integer, advised integer, unit_price numeric, vat_rate numeric, discount numeric)
where l.line_id = u.line_id

-- step: update_buyers
update personal.buyer b
set name = u.name, email = u.email, phone = u.phone, company_name = u.company_name, company_tax_id = u.company_tax_id,
    company_registration_number = u.company_registration_number, note = u.note, delivery = u.delivery, billing = u.billing
from jsonb_to_recordset(cast(:rows as jsonb)) as u (
    order_id bigint, name text, email text, phone text, company_name text, company_tax_id text, company_registration_number text,
    note text, delivery jsonb, billing jsonb)
where b.order_id = u.order_id and b.erased_at is null

-- step: drop_discounts
delete from cloudsales.sales_order_discount where order_id = any (:orders)

-- step: decide
update personal.order_payload p set state = u.state, reason = u.reason, decided_at = clock_timestamp()
from unnest(cast(:ids as bigint[]), cast(:states as text[]), cast(:reasons as text[])) u (payload_id, state, reason)
where p.payload_id = u.payload_id

-- step: quarantine
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'orders', :channel, r.reference, r.reason, r.detail
from jsonb_to_recordset(cast(:rows as jsonb)) as r (reference text, reason text, detail jsonb)
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: settle
update cloudsales.quarantine set resolved_at = now(), resolution = 'resolved'
where stage = 'orders' and channel = :channel and resolved_at is null and reference = any (:references)
  -- a higher revision of the order that can't be read still waits for a person
  and not exists (select from personal.order_payload p where p.channel = :channel and p.state = 'held' and p.external_id = reference)

-- step: waiting
-- Lines that wait for what is free, of orders that take what they get; whole ones have a pass of their own (serving). Of each place
-- as many of the oldest as its product has free pieces anywhere here: each takes one at least, so a later one could get none.
with asked as (
    select * from unnest(cast(:products as bigint[]), cast(:warehouses as text[]), cast(:most as bigint[])) u (product_id, warehouse, most)
), oldest as (
    select distinct w.line_id
    from asked a cross join lateral (
        select l.line_id
        from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id)
        where l.product_id = a.product_id and l.waiting > 0 and not o.whole and a.warehouse = any (o.warehouses)
        order by l.placed_at, o.channel || '/' || o.external_id collate "C", l.position limit least(a.most, :limit)) w
)
select l.owner, o.channel || '/' || o.external_id as reference, l.position, l.product_id, l.waiting, o.warehouses, l.placed_at
from oldest join cloudsales.sales_order_line l using (line_id) join cloudsales.sales_order o using (order_id)
where l.waiting > 0
order by l.placed_at, o.channel || '/' || o.external_id collate "C", l.position limit :limit for update of l

-- step: supersede_held
update personal.order_payload p set state = 'superseded', decided_at = clock_timestamp()
from unnest(cast(:ids as text[]), cast(:revisions as bigint[])) u (external_id, revision)
where p.channel = :channel and p.state = 'held' and p.external_id = u.external_id and p.revision < u.revision

-- step: forget
-- An order whose people were erased comes again: its state was taken in, its people are not kept (I-49).
update personal.order_payload p set payload = null, erased_at = clock_timestamp()
from cloudsales.sales_order o join personal.buyer b using (order_id)
where p.payload_id = any (:ids) and p.payload is not null
  and o.channel = p.channel and o.external_id = p.external_id and b.erased_at is not null
