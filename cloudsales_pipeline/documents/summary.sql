-- How documents and waybills stand.

-- step: due
-- What a run would find to do now. A lease in the future is somebody else's work.
select exists (select from cloudsales.document_due d join cloudsales.sales_order o using (order_id)
               join cloudsales.document_channel c on c.channel = o.channel and c.enabled limit 1) as orders,
       exists (select from cloudsales.document_paper_due) as papers,
       exists (select from cloudsales.document_handover where state = 'due' and due_at <= clock_timestamp())
           or exists (select from cloudsales.order_advance where state = 'due' and due_at <= clock_timestamp()) as handovers,
       exists (select from cloudsales.document_submission s join cloudsales.document_file f on f.document_id = s.document_id and f.kind = 'xml'
               where s.state = 'due' and s.due_at <= clock_timestamp()) as submissions

-- step: standing
select (select count(*) from cloudsales.document_due) as orders_to_judge,
       (select count(*) from cloudsales.document_paper_due) as without_files,
       (select count(*) from cloudsales.document_handover where state = 'due') as to_hand_over,
       (select count(*) from cloudsales.document_handover where state = 'refused') as refused_by_channel,
       (select count(*) from cloudsales.document_submission where state = 'due') as e_invoices_due,
       (select count(*) from cloudsales.quarantine where stage = 'documents' and resolved_at is null) as in_quarantine

-- step: today
select o.channel, d.kind, d.series, count(*) as documents, min(d.number) as first_number, max(d.number) as last_number,
       sum(d.total) as total, d.currency, count(*) filter (where d.flags <> '{}') as flagged
from cloudsales.document d join cloudsales.sales_order o using (order_id)
where d.issued_on = cast(:today as date)
group by o.channel, d.kind, d.series, d.currency order by o.channel, d.kind, d.series

-- step: by_rule
select d.kind, d.cause, d.rule, count(*) as documents
from cloudsales.document d where d.issued_on = cast(:today as date)
group by d.kind, d.cause, d.rule order by documents desc, d.kind, d.rule limit 50

-- step: last
select d.kind, d.series || ' ' || d.number as number, o.channel, o.external_id as order_id, d.issued_at, d.total, d.currency, d.rule, d.cause,
       array_to_string(d.flags, ', ') as flags
from cloudsales.document d join cloudsales.sales_order o using (order_id)
order by d.document_id desc limit :limit

-- step: issued_on
select count(*) from cloudsales.document where issued_on = cast(:today as date)

-- step: by_day
select to_char(day, 'DD.MM') as day, count(d.document_id) filter (where d.kind = 'proforma_invoice') as proforma_invoice,
       count(d.document_id) filter (where d.kind = 'fiscal_invoice') as fiscal_invoice,
       count(d.document_id) filter (where d.kind = 'storno') as storno
from generate_series(cast(:today as date) - 29, cast(:today as date), interval '1 day') as g (day)
left join cloudsales.document d on d.issued_on = g.day::date
group by g.day order by g.day

-- step: waybills_by_state
select courier, state, count(*) as parcels, round(sum(cost), 2) as cost, sum(cash_on_delivery) as cash_on_delivery,
       round(extract(epoch from max(clock_timestamp() - coalesce(created_at, intended_at))) / 3600, 1) as oldest_hours
from cloudsales.waybill
where state not in ('delivered', 'returned', 'lost', 'failed', 'cancelled') or coalesce(ended_at, intended_at) > clock_timestamp() - interval '7 days'
group by courier, state order by courier, state

-- step: last_waybills
select w.courier, w.number, o.channel, o.external_id as order_id, w.parcel, w.parcels, w.state, w.intended_at, w.created_at, w.reason, w.rule
from cloudsales.waybill w join cloudsales.sales_order o using (order_id)
order by w.waybill_id desc limit :limit

-- step: unclear
select w.courier, w.reference, w.state, w.reason, w.attempts, w.claimed_at
from cloudsales.waybill w where w.state in ('unknown', 'creating') order by w.waybill_id limit :limit

-- step: couriers
select courier, tracked_until, paused_until, failing_since, failure from cloudsales.courier_standing order by courier
