-- What happened to one order, and who wants one product. No personal data.

-- step: order
select o.order_id, o.channel, o.external_id as id, o.revision, o.status, o.channel_status, o.placed_at, o.imported_at, o.payment_method,
       o.payment_status, o.delivery_method, o.courier, o.county, o.currency, o.delivery_price, o.discount, o.total, o.expected_total, o.review,
       o.warehouses, o.whole as all_or_nothing, o.acknowledgement, o.acknowledged_at, b.erased_at
from cloudsales.sales_order o left join personal.buyer b using (order_id)
where o.channel = :channel and o.external_id = :id

-- step: lines
select l.external_line_id as line, p.sku, l.variant_id, l.name, l.quantity as ordered, l.reserved, l.waiting, l.issued, l.cancelled, l.advised,
       l.received, l.restocked, l.scrapped, l.unit_price, l.discount, l.unknown, l.owner
from cloudsales.sales_order_line l left join cloudsales.product p using (product_id)
where l.order_id = :order_id order by l.position, l.line_id

-- step: payloads
select received_at as at, 'payload_received' as what, null as owner, null as sku, null as warehouse, null::integer as pieces,
       jsonb_strip_nulls(jsonb_build_object('revision', revision, 'state', state, 'reason', reason)) as detail
from personal.order_payload where channel = :channel and external_id = :id order by payload_id

-- step: events
select e.recorded_at as at, e.kind as what, e.reference as owner, p.sku, e.warehouse, e.quantity as pieces, e.detail
from cloudsales.event e left join cloudsales.product p using (product_id)
where e.reference = any (:references) order by e.event_id

-- step: reserved
select r.created_at as at, 'reserved' as what, r.owner, p.sku, r.warehouse, r.quantity as pieces, cast('{}' as jsonb) as detail
from cloudsales.reservation r join cloudsales.product p using (product_id)
where r.owner = any (:references) order by r.reservation_id

-- step: reservations_ended
select r.ended_at as at, 'reservation_' || r.state as what, r.owner, p.sku, r.warehouse, r.quantity as pieces, cast('{}' as jsonb) as detail
from cloudsales.reservation r join cloudsales.product p using (product_id)
where r.owner = any (:references) and r.ended_at is not null order by r.ended_at, r.reservation_id

-- step: movements
-- Those of the documents that the order's own events name.
select m.recorded_at as at, 'stock_' || m.reason as what, null as owner, p.sku, m.warehouse, m.quantity as pieces,
       jsonb_build_object('document', m.reference) as detail
from cloudsales.stock_movement m join cloudsales.product p using (product_id)
where m.reference in (select e.detail ->> 'document' from cloudsales.event e where e.reference = any (:references) and e.detail ? 'document')
  and m.product_id in (select product_id from cloudsales.sales_order_line where order_id = :order_id)
order by m.movement_id

-- step: acknowledged
select acknowledged_at as at, 'channel_acknowledged' as what, null as owner, null as sku, null as warehouse, null::integer as pieces,
       jsonb_build_object('tries', acknowledge_tries) as detail
from cloudsales.sales_order where order_id = :order_id and acknowledged_at is not null

-- step: handed_over
select h.done_at as at, 'channel_was_given' as what, null as owner, null as sku, null as warehouse, null::integer as pieces,
       jsonb_build_object('kind', coalesce(d.kind, 'waybill'), 'number', coalesce(d.series || ' ' || d.number, w.number)) as detail
from cloudsales.document_handover h left join cloudsales.document d using (document_id) left join cloudsales.waybill w using (waybill_id)
where h.order_id = :order_id and h.done_at is not null order by h.done_at, h.handover_id

-- step: states_told
select done_at as at, 'channel_was_told' as what, null as owner, null as sku, null as warehouse, null::integer as pieces,
       jsonb_build_object('status', status) as detail
from cloudsales.order_advance where order_id = :order_id and done_at is not null order by done_at, advance_id

-- step: messages
-- To whom is not said: addresses are personal data.
select coalesce(sent_at, decided_at, created_at) as at, 'message_' || case state when 'new' then 'waits' else state end as what, null as owner,
       null as sku, null as warehouse, null::integer as pieces,
       jsonb_strip_nulls(jsonb_build_object('event', event, 'medium', medium, 'reason', reason)) as detail
from personal.message where subject_kind = 'order' and channel = :channel and external_id = :id order by 1, message_id

-- step: erased
select erased_at as at, 'personal_data_erased' as what, null as owner, null as sku, null as warehouse, null::integer as pieces,
       cast('{}' as jsonb) as detail
from personal.buyer where order_id = :order_id and erased_at is not null

-- step: queue
-- Lines that wait, each with its place among those that wait for the same product. All-or-nothing orders stand in a queue of their own.
select l.external_line_id as line, p.sku, l.waiting, l.unknown,
       case when l.product_id is not null then ahead.lines + 1 end as place,
       case when l.product_id is not null then ahead.pieces end as pieces_before
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
left join cloudsales.product p using (product_id)
cross join lateral (
    select count(*) as lines, coalesce(sum(a.waiting), 0) as pieces
    from cloudsales.sales_order_line a join cloudsales.sales_order b using (order_id)
    where a.product_id = l.product_id and a.waiting > 0 and b.whole = o.whole and (a.placed_at, a.owner) < (l.placed_at, l.owner)
) ahead
where l.order_id = :order_id and l.waiting > 0 order by l.position, l.line_id

-- step: publications
select p.sku, b.channel, b.variant_id, b.quantity as to_show, b.acknowledged_quantity as acknowledged, b.state, b.changed_at, b.acknowledged_at
from cloudsales.publication b join cloudsales.product p using (product_id)
where b.product_id in (select product_id from cloudsales.sales_order_line where order_id = :order_id)
order by p.sku, b.channel, b.variant_id

-- step: person
select name, email, phone, company_name, company_tax_id, company_registration_number, note, delivery, billing, erased_at
from personal.buyer where order_id = :order_id

-- step: held_for
select r.warehouse, r.quantity as pieces, o.channel, o.external_id as id, l.external_line_id as line, o.status, r.placed_at,
       r.created_at as reserved_at
from cloudsales.reservation r
join cloudsales.product p using (product_id)
left join cloudsales.sales_order_line l using (owner)
left join cloudsales.sales_order o on o.order_id = l.order_id
where p.sku = :sku and r.state = 'open' order by r.placed_at, r.owner, r.reservation_id limit :most

-- step: waiting_for
select row_number() over (partition by o.whole order by l.placed_at, l.owner) as place, l.waiting, o.channel, o.external_id as id,
       l.external_line_id as line, o.status, l.placed_at, o.warehouses, o.whole as all_or_nothing
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
join cloudsales.product p using (product_id)
where p.sku = :sku and l.waiting > 0 order by o.whole, l.placed_at, l.owner limit :most
