-- reads document_submission: no e-invoice waits on its last day (submit_by) or later; what the authority refused counts as waiting
select o.channel, o.external_id as order_id, d.series || ' ' || d.number as document, d.issued_on, d.submit_by, s.state, s.reason,
       s.state not in ('sent', 'accepted') and d.submit_by <= (now() at time zone :zone)::date as fault
from cloudsales.document_submission s
join cloudsales.document d using (document_id)
join cloudsales.sales_order o using (order_id)
