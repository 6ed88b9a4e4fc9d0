-- E-invoices on their way to the tax authority.

-- step: lease
with ready as materialized (
    select s.document_id, f.file_id
    from cloudsales.document_submission s join cloudsales.document_file f on f.document_id = s.document_id and f.kind = 'xml'
    where s.state = 'due' and s.due_at <= clock_timestamp()
    order by s.due_at, s.document_id limit :most
    for update of s skip locked
), leased as (
    update cloudsales.document_submission s
    set due_at = clock_timestamp() + make_interval(secs => :lease), attempts = least(s.attempts + 1, 1000), changed_at = clock_timestamp()
    from ready r where r.document_id = s.document_id
    returning s.document_id, r.file_id
)
select l.document_id, replace(d.series || '-' || d.number, ' ', '-') as name, k.content
from leased l join cloudsales.document d using (document_id) join personal.stored_file k on k.file_id = l.file_id
order by l.document_id

-- step: mark
update cloudsales.document_submission s
set state = case u.outcome when 'again' then s.state else u.outcome end,
    reference = coalesce(u.reference, s.reference), reason = u.reason, changed_at = clock_timestamp(),
    due_at = case when u.outcome = 'again'
        then clock_timestamp() + least(interval '30 seconds' * 2 ^ least(s.attempts - 1, 7), interval '1 hour') else s.due_at end
from jsonb_to_recordset(cast(:rows as jsonb)) u (document_id bigint, outcome text, reference text, reason text)
where u.document_id = s.document_id and s.state = 'due'

-- step: quarantine
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'documents', o.channel, d.series || ' ' || d.number, 'e_invoice_rejected', jsonb_build_object('order', o.external_id, 'why', u.reason)
from jsonb_to_recordset(cast(:rows as jsonb)) u (document_id bigint, outcome text, reason text)
join cloudsales.document d using (document_id) join cloudsales.sales_order o using (order_id)
where u.outcome = 'rejected'
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: list
select o.channel, o.external_id as order_id, d.kind, d.series || ' ' || d.number as number, d.issued_on, d.submit_by, s.state, s.reference, s.reason,
       s.attempts, f.file_id is not null as made
from cloudsales.document_submission s
join cloudsales.document d using (document_id)
join cloudsales.sales_order o using (order_id)
left join cloudsales.document_file f on f.document_id = d.document_id and f.kind = 'xml'
where not :open_only or s.state not in ('sent', 'accepted')
order by s.state in ('sent', 'accepted'), d.submit_by, d.document_id limit :limit

-- step: one
select s.document_id, s.state from cloudsales.document_submission s join cloudsales.document d using (document_id)
where d.series = :series and d.number = :number for update of s

-- step: decide
with said as (
    update cloudsales.document_submission
    set state = :state, reference = coalesce(:reference, reference), reason = null, attempts = 0, due_at = clock_timestamp(),
        changed_at = clock_timestamp()
    where document_id = :document_id returning document_id
)
update cloudsales.quarantine q set resolved_at = clock_timestamp(), resolution = 'resolved'
from said join cloudsales.document d using (document_id)
where q.stage = 'documents' and q.reason = 'e_invoice_rejected' and q.reference = d.series || ' ' || d.number and q.resolved_at is null
