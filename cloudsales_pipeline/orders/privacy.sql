-- A person's data in the schema personal: found, given out, taken away.

-- step: payloads
select payload_id, channel, external_id, payload from personal.order_payload
where payload_id > :after and payload is not null order by payload_id limit :limit

-- step: orders
-- Orders whose buyer or address is the person, locked in everybody's order.
select o.order_id, o.status from cloudsales.sales_order o join personal.buyer b using (order_id)
where concat_ws(chr(10), b.name, b.email, b.phone, b.company_name, b.company_tax_id, b.company_registration_number, b.delivery, b.billing) ~* :pattern
order by o.channel, o.external_id for update of o

-- step: notes
-- Notes of other people's orders that name the person.
select o.order_id, o.channel, o.external_id as id, b.note from cloudsales.sales_order o join personal.buyer b using (order_id)
where b.note ~* :pattern and b.order_id <> all (:orders) order by o.channel, o.external_id for update of o

-- step: export_orders
select cast(to_jsonb(o) - 'order_id' || jsonb_build_object(
    'buyer', (select to_jsonb(b) - 'order_id' from personal.buyer b where b.order_id = o.order_id),
    'lines', (select jsonb_agg(to_jsonb(l) - 'line_id' - 'order_id' - 'product_id' order by l.position, l.line_id)
              from cloudsales.sales_order_line l where l.order_id = o.order_id),
    'discounts', (select jsonb_agg(to_jsonb(d) - 'order_id' order by d.position) from cloudsales.sales_order_discount d where d.order_id = o.order_id)
) as text) as found
from cloudsales.sales_order o where o.order_id = any (:orders) order by o.channel, o.external_id

-- step: export_payloads
-- Of the person's orders, and those in which the text was found: whole where no other person's order is in them.
select p.channel, p.external_id as id, p.revision, p.state, p.received_at,
       case when o.order_id is null or o.order_id = any (:orders) then p.payload end as payload
from personal.order_payload p left join cloudsales.sales_order o on o.channel = p.channel and o.external_id = p.external_id
where p.payload is not null and (p.payload_id = any (:payloads) or o.order_id = any (:orders))
order by p.payload_id

-- step: erase_buyers
-- County and country stay, for figures by region; the county only as our list has it.
update personal.buyer b
set name = '(erased)', email = null, phone = null, company_name = null, company_tax_id = null, company_registration_number = null, note = null,
    delivery = jsonb_build_object('name', '(erased)', 'phone', null, 'street', '', 'city', '', 'county', o.county, 'postal_code', null,
                                  'country', left(b.delivery ->> 'country', 2), 'locker_id', null),
    billing = case when b.billing is not null then
        jsonb_build_object('name', '(erased)', 'phone', null, 'street', '', 'city', '', 'county', null, 'postal_code', null,
                           'country', left(b.billing ->> 'country', 2), 'locker_id', null) end,
    erased_at = clock_timestamp()
from cloudsales.sales_order o
where b.order_id = any (:orders) and o.order_id = b.order_id and b.erased_at is null

-- step: erase_notes
update personal.buyer set note = null where order_id = any (:orders)

-- step: erase_payloads
-- What is not read yet stays until it is: intake forgets it then, where the order was erased.
update personal.order_payload p set payload = null, erased_at = clock_timestamp()
where p.payload is not null and p.state <> 'new'
  and (p.payload_id = any (:payloads)
       or (p.channel, p.external_id) in (select channel, external_id from cloudsales.sales_order where order_id = any (:orders)))

-- step: unread
select count(*) from personal.order_payload p
where p.payload_id = any (:payloads) and p.state = 'new'
  and (p.channel, p.external_id) not in (select channel, external_id from cloudsales.sales_order where order_id = any (:orders))

-- step: tell
insert into cloudsales.event (kind, detail)
values ('person_erased', jsonb_build_object('orders', cast(:buyers as integer), 'notes', cast(:notes as integer), 'payloads', cast(:payloads as integer)))
