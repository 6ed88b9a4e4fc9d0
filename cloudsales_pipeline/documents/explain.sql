-- What people ask about documents; nothing here writes.

-- step: find
select order_id from cloudsales.sales_order where channel = :channel and external_id = :external_id

-- step: documents
select d.kind, d.number, d.series, d.state, d.issued_on, d.total, d.currency, d.rule, d.cause, d.corrects, d.flags, d.submission, d.handover
from analytics.document d
join cloudsales.sales_order o on o.channel = d.channel and o.external_id = d.external_id
where o.order_id = :order_id
order by d.issued_at, d.series, length(d.number), d.number

-- step: faults
select reason from cloudsales.quarantine
where stage = 'documents' and channel = :channel and reference = :external_id and resolved_at is null order by reason

-- step: past
select o.order_id, o.channel, o.external_id, o.status, o.placed_at,
       array(select distinct k.kind
             from (select d.kind from cloudsales.document d where d.order_id = o.order_id and d.kind <> 'storno'
                   union all select 'waybill' from cloudsales.waybill w where w.order_id = o.order_id) k order by 1) as kinds
from cloudsales.sales_order o
where o.order_id > :after and o.placed_at >= :since and o.placed_at < :until
order by o.order_id limit :limit

-- step: list
select kind, series, number, channel, external_id as order, issued_on, currency, total, state, corrects, cause, rule, flags, submission, handover
from analytics.document
where kind <> 'waybill' and (cast(:on as date) is null or issued_on = :on)
  and (cast(:channel as text) is null or channel = :channel)
order by issued_at desc, series, length(number) desc, number desc limit :limit

-- step: file
select d.kind, f.file_id
from cloudsales.document d left join cloudsales.document_file f on f.document_id = d.document_id and f.kind = :kind
where d.series = :series and d.number = :number
