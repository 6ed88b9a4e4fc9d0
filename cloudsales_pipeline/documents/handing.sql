-- Giving channels documents, waybills and parcels' states. A lease is a due_at in the future; what is marked is done or due again.

-- step: channels_due
select distinct o.channel
from (select order_id from cloudsales.document_handover where state = 'due' and due_at <= clock_timestamp()
      union select order_id from cloudsales.order_advance where state = 'due' and due_at <= clock_timestamp()) d
join cloudsales.sales_order o using (order_id)
order by o.channel

-- step: settle_papers
-- A waybill that was cancelled before its channel heard of it.
update cloudsales.document_handover h set state = 'not_needed'
from cloudsales.waybill w, cloudsales.sales_order o
where h.state = 'due' and h.due_at <= clock_timestamp() and w.waybill_id = h.waybill_id and w.state in ('cancelled', 'failed')
  and o.order_id = h.order_id and o.channel = :channel

-- step: lease_papers
-- A document whose PDF is not made yet waits for it; a waybill goes without its label, which is the warehouse's.
with ready as materialized (
    select h.handover_id
    from cloudsales.document_handover h
    join cloudsales.sales_order o using (order_id)
    left join cloudsales.document_file f on f.document_id = h.document_id and f.kind = 'pdf'
    left join cloudsales.waybill w on w.waybill_id = h.waybill_id
    where h.state = 'due' and h.due_at <= clock_timestamp() and o.channel = :channel and (f.file_id is not null or w.number is not null)
    order by h.due_at, h.handover_id limit :most
    for update of h skip locked
), leased as (
    update cloudsales.document_handover h
    set due_at = clock_timestamp() + make_interval(secs => :lease), attempts = least(h.attempts + 1, 1000)
    from ready r where r.handover_id = h.handover_id
    returning h.handover_id, h.order_id, h.document_id, h.waybill_id, h.attempts
)
select l.handover_id as row_id, o.external_id, l.attempts, coalesce(d.kind, 'waybill') as kind,
       coalesce(d.series || ' ' || d.number, w.number) as number, s.content, w.courier
from leased l
join cloudsales.sales_order o using (order_id)
left join cloudsales.document d using (document_id)
left join cloudsales.document_file f on f.document_id = l.document_id and f.kind = 'pdf'
left join personal.stored_file s on s.file_id = f.file_id
left join cloudsales.waybill w on w.waybill_id = l.waybill_id
order by l.handover_id

-- step: mark_papers
update cloudsales.document_handover h
set state = case u.outcome when 'given' then 'done' when 'had' then 'done' when 'refused' then 'refused' else 'due' end,
    done_at = case when u.outcome in ('given', 'had') then clock_timestamp() end,
    reason = u.reason,
    due_at = case when u.outcome = 'again'
        then clock_timestamp() + least(interval '10 seconds' * 2 ^ least(h.attempts - 1, 9), interval '1 hour') else h.due_at end
from jsonb_to_recordset(cast(:rows as jsonb)) u (row_id bigint, outcome text, reason text)
where h.handover_id = u.row_id and h.state = 'due'

-- step: quarantine_papers
with told as (
    select o.external_id, u.outcome, u.reason, coalesce(d.series || ' ' || d.number, w.number) as number
    from jsonb_to_recordset(cast(:rows as jsonb)) u (row_id bigint, outcome text, reason text)
    join cloudsales.document_handover h on h.handover_id = u.row_id
    join cloudsales.sales_order o using (order_id)
    left join cloudsales.document d using (document_id)
    left join cloudsales.waybill w on w.waybill_id = h.waybill_id
), settled as (
    update cloudsales.quarantine q set resolved_at = clock_timestamp(), resolution = 'resolved'
    where q.stage = 'documents' and q.reason = 'handover_refused' and q.channel = :channel and q.resolved_at is null
      and q.reference in (select number from told where outcome in ('given', 'had'))
)
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'documents', :channel, number, 'handover_refused', jsonb_build_object('order', external_id, 'answer', reason)
from told where outcome = 'refused'
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: settle_states
-- Of several states that are due, only the last is told.
update cloudsales.order_advance a set state = 'not_needed'
from cloudsales.sales_order o
where a.state = 'due' and a.due_at <= clock_timestamp() and o.order_id = a.order_id and o.channel = :channel
  and exists (select from cloudsales.order_advance later where later.order_id = a.order_id and later.step > a.step)

-- step: lease_states
with ready as materialized (
    select a.advance_id
    from cloudsales.order_advance a join cloudsales.sales_order o using (order_id)
    where a.state = 'due' and a.due_at <= clock_timestamp() and o.channel = :channel
    order by a.due_at, a.advance_id limit :most
    for update of a skip locked
), leased as (
    update cloudsales.order_advance a
    set due_at = clock_timestamp() + make_interval(secs => :lease), attempts = least(a.attempts + 1, 1000)
    from ready r where r.advance_id = a.advance_id
    returning a.advance_id, a.order_id, a.status, a.attempts
)
select l.advance_id as row_id, o.external_id, l.attempts, l.status
from leased l join cloudsales.sales_order o using (order_id)
order by l.advance_id

-- step: mark_states
update cloudsales.order_advance a
set state = case u.outcome when 'states' then 'done' when 'refused' then 'refused' else 'due' end,
    done_at = case when u.outcome = 'states' then clock_timestamp() end,
    reason = u.reason,
    due_at = case when u.outcome = 'again'
        then clock_timestamp() + least(interval '10 seconds' * 2 ^ least(a.attempts - 1, 9), interval '1 hour') else a.due_at end
from jsonb_to_recordset(cast(:rows as jsonb)) u (row_id bigint, outcome text, reason text)
where a.advance_id = u.row_id and a.state = 'due'

-- step: quarantine_states
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'documents', :channel, o.external_id, 'state_refused', jsonb_build_object('state', a.status, 'answer', u.reason)
from jsonb_to_recordset(cast(:rows as jsonb)) u (row_id bigint, outcome text, reason text)
join cloudsales.order_advance a on a.advance_id = u.row_id
join cloudsales.sales_order o using (order_id)
where u.outcome = 'refused'
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: refused_again
with papers as (
    update cloudsales.document_handover set state = 'due', due_at = clock_timestamp(), attempts = 0 where state = 'refused' returning 1
), states as (
    update cloudsales.order_advance set state = 'due', due_at = clock_timestamp(), attempts = 0 where state = 'refused' returning 1
)
select (select count(*) from papers) + (select count(*) from states)
