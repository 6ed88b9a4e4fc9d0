-- What needs a person, one query for each source: subject (a channel, a stage, a job: few, and nobody's name), count, since, detail.
-- Each reads what is open, through an index over just that; none reads history.

-- step: run_failed
select job || coalesce('/' || nullif(channel, ''), '') as subject, failures as count, failed_since as since, error as detail
from cloudsales.failed_job

-- step: check_red
-- :covered are the rules whose matter is a finding of its own below
select asset || '.' || rule as subject, greatest(coalesce(rows_offending, 1), 1) as count, red_since as since,
       case when warns then 'warns' else '' end as detail
from cloudsales.red_check where not rule = any (cast(:covered as text[]))

-- step: daemon_silent
select '' as subject, 1 as count, seen_at as since, '' as detail
from cloudsales.process_seen where process = 'daemon' and seen_at < :now - cast(:silent as interval)

-- step: listing_silent
select c.channel as subject, 1 as count, coalesce(i.stored_at, c.registered_at) as since, '' as detail
from cloudsales.channel c
left join lateral (
    select finished_at as stored_at from cloudsales.listing_import
    where channel = c.channel and state = 'stored' order by finished_at desc nulls last limit 1
) i on true
where c.channel = any (cast(:listed as text[])) and coalesce(i.stored_at, c.registered_at) < :now - cast(:listing_silent as interval)

-- step: plan_rejected
select c.channel as subject, p.rows as count, p.created_at as since, '' as detail
from unnest(cast(:channels as text[])) c (channel)
cross join lateral (select state, rows, created_at from cloudsales.plan where channel = c.channel order by plan_id desc limit 1) p
where p.state = 'rejected' and exists (select from cloudsales.listing_pending l where l.channel = c.channel)

-- step: suggestions_open
select '' as subject, count(*) as count, min(created_at) as since, '' as detail from cloudsales.suggestion where state = 'open' having count(*) > 0

-- step: quarantine
-- but what is a finding of its own below
select stage as subject, count(*) as count, min(first_seen_at) as since, '' as detail
from cloudsales.quarantine
where resolved_at is null
  and not (stage = 'documents' and reason in ('handover_refused', 'waybill_refused', 'waybill_given_up', 'e_invoice_rejected'))
group by stage

-- step: quarantine_burst
select stage as subject, count(*) as count, min(first_seen_at) as since, '' as detail
from cloudsales.quarantine where resolved_at is null and first_seen_at > :now - interval '1 hour'
group by stage having count(*) >= :burst

-- step: push_refused
select channel as subject, count(*) as count, min(coalesce(waiting_since, changed_at)) as since, '' as detail
from cloudsales.publication where channel = any (cast(:channels as text[])) and state in ('rejected', 'unknown_variant') group by channel

-- step: channel_paused
select channel as subject, 1 as count, cast(:now as timestamptz) as since, to_char(paused_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as detail
from cloudsales.channel_pause where paused_until > :now + interval '15 minutes'

-- step: store_file_refused
-- a file of the same name that was taken afterwards mends it; so does a week
select f.channel as subject, count(*) as count, min(f.taken_at) as since, '' as detail
from cloudsales.stock_file f
where f.state = 'refused' and f.taken_at > :now - interval '7 days'
  and not exists (select from cloudsales.stock_file g
                  where g.channel = f.channel and g.name = f.name and g.state = 'taken' and g.taken_at > f.taken_at)
group by f.channel

-- step: offers_open
select channel as subject, count(*) as count, min(found_at) as since, '' as detail
from cloudsales.channel_offer where resolved_at is null and kind <> 'drift' group by channel

-- step: orders_silent
select i.channel as subject, 1 as count, least(i.failing_since, i.polled_at) as since, coalesce(i.failure, '') as detail
from cloudsales.order_intake i
where i.channel = any (cast(:listed as text[]))
  and (i.failing_since < :now - cast(:silent as interval) or i.polled_at < :now - cast(:silent as interval))

-- step: order_unacknowledged
select o.channel as subject, count(*) as count, min(o.imported_at) as since, '' as detail
from unnest(cast(:channels as text[]), cast(:acknowledge_within as float8[])) c (channel, within)
join cloudsales.sales_order o on o.channel = c.channel
where o.acknowledgement in ('due', 'locked') and o.imported_at < :now - make_interval(secs => c.within)
group by o.channel

-- step: order_unknown_to_channel
select channel as subject, count(*) as count, min(imported_at) as since, '' as detail
from cloudsales.sales_order where acknowledgement = 'unknown_order' and status in ('new', 'paid', 'held') group by channel

-- step: order_review
select '' as subject, count(*) as count, min(imported_at) as since, '' as detail from cloudsales.sales_order where review <> '{}' having count(*) > 0

-- step: requirement_without_supplier
with open as materialized (
    select product_id, min(imported_at) as since from cloudsales.open_requirement group by product_id
)
select '' as subject, count(*) as count, min(o.since) as since, '' as detail
from open o
left join cloudsales.suppliers_of((select array_agg(product_id) from open), cast(:today as date)) s using (product_id)
where s.supplier is null having count(*) > 0

-- step: supplier_order_unsent
select '' as subject, count(*) as count, min(o.closed_at) as since, '' as detail
from cloudsales.supplier_order o
where o.business_date >= cast(:today as date) - 31 and o.closed_at < :now - interval '1 hour'
  and not exists (select from personal.message m where m.channel = '' and m.subject_kind = 'supplier_order' and m.external_id = o.number
                  and m.state in ('new', 'sending', 'sent'))
  and exists (select from cloudsales.supplier_order_line l where l.supplier_order_id = o.supplier_order_id and l.outstanding > 0)
having count(*) > 0

-- step: transfers_open
select '' as subject, count(*) as count, min(created_at) as since, '' as detail
from cloudsales.transfer_proposal where state = 'open' having count(*) > 0

-- step: judging_late
select '' as subject, count(distinct order_id) as count, min(marked_at) as since, '' as detail
from cloudsales.document_due where marked_at < :now - cast(:unknown_after as interval) having count(*) > 0

-- step: papers_late
select '' as subject, count(*) as count, min(d.issued_at) as since, '' as detail
from cloudsales.document_paper_due p join cloudsales.document d using (document_id)
where d.issued_at < :now - cast(:unknown_after as interval) having count(*) > 0

-- step: handover_late
select o.channel as subject, count(*) as count, min(coalesce(d.issued_at, w.created_at)) as since, '' as detail
from cloudsales.document_handover h
join cloudsales.sales_order o using (order_id)
left join cloudsales.document d using (document_id)
left join cloudsales.waybill w using (waybill_id)
where h.state = 'due' and coalesce(d.issued_at, w.created_at) < :now - cast(:unknown_after as interval)
group by o.channel

-- step: handover_refused
-- by what was set aside, so that a person can dismiss it
select channel as subject, count(*) as count, min(first_seen_at) as since, '' as detail
from cloudsales.quarantine where resolved_at is null and stage = 'documents' and reason = 'handover_refused' group by channel

-- step: submission_due
select '' as subject, count(*) as count, min(d.issued_at) as since, to_char(min(d.submit_by), 'YYYY-MM-DD') as detail
from cloudsales.document_submission s join cloudsales.document d using (document_id)
where s.state in ('due', 'rejected', 'unknown') and d.submit_by <= cast(:submit_until as date) having count(*) > 0

-- step: submission_unclear
select '' as subject, count(*) as count, min(s.changed_at) as since, '' as detail
from cloudsales.document_submission s
where s.state = 'rejected' or (s.state = 'unknown' and s.changed_at < :now - cast(:unknown_after as interval)) having count(*) > 0

-- step: courier_silent
select courier as subject, 1 as count, failing_since as since, coalesce(failure, '') as detail
from cloudsales.courier_standing where failing_since < :now - cast(:silent as interval)

-- step: waybill_late
select w.courier as subject, count(*) as count, min(w.intended_at) as since, '' as detail
from cloudsales.waybill w where w.state = 'intended' and w.intended_at < :now - cast(:unknown_after as interval)
group by w.courier

-- step: waybill_unclear
select w.courier as subject, count(*) as count, min(coalesce(w.claimed_at, w.intended_at)) as since, '' as detail
from cloudsales.waybill w
where w.state in ('creating', 'unknown') and coalesce(w.claimed_at, w.intended_at) < :now - cast(:unknown_after as interval)
group by w.courier

-- step: waybill_failed
-- by what was set aside, so that a person can dismiss it: an order whose parcel goes another way
select coalesce(detail ->> 'courier', '') as subject, count(*) as count, min(first_seen_at) as since, '' as detail
from cloudsales.quarantine where resolved_at is null and stage = 'documents' and reason in ('waybill_refused', 'waybill_given_up') group by 1

-- step: telling_late
-- one that waits for a file is given the time that the settings give it
select '' as subject, count(*) as count, min(noted_at) as since, '' as detail
from cloudsales.happening
where noted_at < :now - cast(:waits as interval) - case when reason = 'file_missing' then cast(:attach_wait as interval) else interval '0' end
having count(*) > 0

-- step: message_unknown
select '' as subject, count(*) as count, min(created_at) as since, '' as detail from personal.message where state = 'unknown' having count(*) > 0

-- step: message_dead
select '' as subject, count(*) as count, min(created_at) as since, '' as detail from personal.message where state = 'dead' having count(*) > 0

-- step: message_late
select medium as subject, count(*) as count, min(due_at) as since, '' as detail
from personal.message where state = 'new' and due_at < :now - cast(:waits as interval) group by medium
