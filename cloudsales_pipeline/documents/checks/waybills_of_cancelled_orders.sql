-- reads waybill, sales_order: a cancelled order's waybills are taken back, or were on their way
select o.channel, o.external_id as order_id, w.reference as document, w.number, w.state, w.reason,
       w.state in ('intended', 'created') and o.changed_at < now() - make_interval(secs => :unknown_after)
       and coalesce(w.created_at, w.intended_at) < now() - make_interval(secs => :unknown_after) as fault
from cloudsales.waybill w join cloudsales.sales_order o using (order_id)
where o.status = 'cancelled'
