-- reads waybill, document_submission: nothing is unknown, or in the middle of a call, for longer than documents.unknown_after
select o.channel, o.external_id as order_id, w.reference as document, w.state, w.reason,
       w.state in ('unknown', 'creating') and coalesce(w.claimed_at, w.intended_at) < now() - make_interval(secs => :unknown_after) as fault
from cloudsales.waybill w join cloudsales.sales_order o using (order_id)
union all
select o.channel, o.external_id, d.series || ' ' || d.number, s.state, s.reason,
       s.state = 'unknown' and s.changed_at < now() - make_interval(secs => :unknown_after)
from cloudsales.document_submission s join cloudsales.document d using (document_id) join cloudsales.sales_order o using (order_id)
