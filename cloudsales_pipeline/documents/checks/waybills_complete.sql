-- reads waybill, document_handover, sales_order: what follows from a waybill is there; of an erased person no label is wanted
select o.channel, o.external_id as order_id, w.reference as document, w.number, w.state, h.state as handover, o.frozen_at,
       w.label_file_id is not null as labelled,
       h.waybill_id is null or o.frozen_at is null
       or (w.state = 'created' and w.label_file_id is null and b.erased_at is null
           and w.created_at < now() - make_interval(secs => :unknown_after)) as fault
from cloudsales.waybill w
join cloudsales.sales_order o using (order_id)
left join personal.buyer b using (order_id)
left join cloudsales.document_handover h on h.waybill_id = w.waybill_id
where w.created_at is not null
