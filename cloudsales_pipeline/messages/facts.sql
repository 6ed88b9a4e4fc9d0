-- Orders for their messages.

-- step: find
select order_id from cloudsales.sales_order where channel = :channel and external_id = :external_id

-- step: lock
-- An erasure locks an order before it looks for messages about it: it finds those of this transaction, or this one finds it done.
select order_id from cloudsales.sales_order where order_id = any (:orders) order by channel, external_id for key share

-- step: read
select o.order_id, o.channel, o.external_id, o.status, o.placed_at, o.payment_method, o.delivery_method, o.currency, o.total,
       b.name as buyer_name, b.email, coalesce(b.phone, b.delivery ->> 'phone') as phone, coalesce(b.delivery ->> 'country', 'RO') as country,
       b.order_id is null or b.erased_at is not null as erased,
       coalesce(l.waiting, 0) as waiting, coalesce(l.lines, '[]') as lines, coalesce(w.parcels, '[]') as parcels, coalesce(d.documents, '[]') as documents,
       (select count(*) from cloudsales.waybill p where p.order_id = o.order_id and p.state in ('intended', 'creating', 'unknown')) as pending
from cloudsales.sales_order o
left join personal.buyer b using (order_id)
left join lateral (
    select sum(waiting)::integer as waiting,
           jsonb_agg(jsonb_build_object('name', name, 'quantity', quantity - cancelled, 'waiting', waiting, 'unit_price', unit_price::text)
                     order by position, line_id) filter (where quantity > cancelled) as lines
    from cloudsales.sales_order_line where order_id = o.order_id) l on true
left join lateral (
    select jsonb_agg(jsonb_build_object('waybill_id', waybill_id, 'number', number, 'courier', courier, 'state', state, 'parcel', parcel,
               'again', again, 'cash_on_delivery', cash_on_delivery::text, 'currency', currency, 'locker', locker_id is not null,
               'label_file_id', label_file_id, 'file_name', file_name, 'file_bytes', file_bytes) order by parcel, waybill_id) as parcels
    from (select w.*, count(*) over (partition by parcel order by waybill_id) - 1 as again, s.name as file_name, s.bytes as file_bytes
          from cloudsales.waybill w left join personal.stored_file s on s.file_id = w.label_file_id where order_id = o.order_id and number is not null) w) w on true
left join lateral (
    select jsonb_agg(jsonb_build_object('document_id', document_id, 'kind', kind, 'number', number, 'issued_on', issued_on, 'total', total::text,
               'currency', currency, 'live', live, 'again', again, 'file_id', file_id, 'file_name', file_name, 'file_bytes', file_bytes) order by document_id) as documents
    from (select d.document_id, d.kind, d.series || ' ' || d.number as number, d.issued_on, d.total, d.currency,
                 exists (select from cloudsales.document_live v where v.document_id = d.document_id) as live,
                 count(*) over (partition by d.kind order by d.document_id) - 1 as again, f.file_id, s.name as file_name, s.bytes as file_bytes
          from cloudsales.document d
          left join cloudsales.document_file f on f.document_id = d.document_id and f.kind = 'pdf'
          left join personal.stored_file s on s.file_id = f.file_id
          where d.order_id = o.order_id) d) d on true
where o.order_id = any (:orders)
