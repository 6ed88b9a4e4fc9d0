-- reads document_handover: nothing issued is kept from its channel for longer than documents.unknown_after
select o.channel, o.external_id as order_id, coalesce(d.series || ' ' || d.number, w.reference) as document, h.state, h.attempts, h.reason,
       h.state = 'refused' or (h.state = 'due' and coalesce(d.issued_at, w.created_at) < now() - make_interval(secs => :unknown_after)) as fault
from cloudsales.document_handover h
join cloudsales.sales_order o using (order_id)
left join cloudsales.document d using (document_id)
left join cloudsales.waybill w using (waybill_id)
