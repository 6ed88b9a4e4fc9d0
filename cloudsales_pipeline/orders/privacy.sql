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

-- step: export_waybills
select o.channel, o.external_id as id, w.courier, w.number, w.state, w.intended_at, w.ended_at, s.name as label
from cloudsales.waybill w
join cloudsales.sales_order o using (order_id)
left join personal.stored_file s on s.file_id = w.label_file_id and s.content is not null
where w.order_id = any (:orders) order by o.channel, o.external_id, w.waybill_id

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

-- step: messages
-- To the person, or about the person's orders. Locked in the order in which senders mark.
select message_id from personal.message m
where m.erased_at is null
  and (m.recipient ~* :pattern
       or (m.subject_kind = 'order' and (m.channel, m.external_id) in
           (select channel, external_id from cloudsales.sales_order where order_id = any (:orders))))
order by message_id for update

-- step: export_messages
-- Who else was told of the person's orders is not the person's to know.
select m.subject_kind as about, m.channel, m.external_id as reference, m.event, m.medium, m.state, m.created_at, m.sent_at,
       case when m.recipient ~* :pattern then m.recipient end as recipient, m.title, m.body_text, m.body_html, m.answer,
       array(select s.name from personal.message_file f join personal.stored_file s using (file_id)
             where f.message_id = m.message_id order by f.position) as files
from personal.message m where m.message_id = any (:messages) order by m.message_id

-- step: erase_messages
-- What is in a sender's hands goes out; the sender marks it. A new digest, so that nobody can try addresses on it.
update personal.message
set recipient = null, title = null, body_text = null, body_html = null, answer = null, recipient_digest = uuid_send(gen_random_uuid()),
    state = case when state in ('new', 'dead', 'unknown') then 'skipped' else state end,
    reason = case when state in ('new', 'dead', 'unknown') then 'erased' else reason end,
    erased_at = clock_timestamp()
where message_id = any (:messages)

-- step: erase_files
-- Of erased messages, and the labels of the person's parcels. Documents of the shop's books stay: the law keeps them.
update personal.stored_file s set content = null, erased_at = clock_timestamp()
where s.content is not null
  and (s.file_id in (select file_id from personal.message_file where message_id = any (:messages))
       or s.file_id in (select label_file_id from cloudsales.waybill where order_id = any (:orders)))
  and not exists (select 1 from personal.message_file f join personal.message m using (message_id)
                  where f.file_id = s.file_id and m.erased_at is null)
  and not exists (select 1 from cloudsales.supplier_order_file k where k.file_id = s.file_id)
  and not exists (select 1 from cloudsales.document_file k where k.file_id = s.file_id)

-- step: tell
insert into cloudsales.event (kind, detail)
values ('person_erased', jsonb_build_object('orders', cast(:buyers as integer), 'notes', cast(:notes as integer), 'payloads', cast(:payloads as integer),
                                         'messages', cast(:messages as integer)))
