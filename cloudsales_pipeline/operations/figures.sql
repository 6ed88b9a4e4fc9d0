-- How much of everything is open, for Prometheus: name, up to two labels, value. Costs what is open.

-- step: orders
select 'orders_waiting' as name, '' as label, '' as other, count(distinct order_id)::float8 as value from cloudsales.sales_order_line where waiting > 0 and product_id is not null
union all select 'order_pieces_waiting', '', '', coalesce(sum(waiting), 0) from cloudsales.sales_order_line where waiting > 0 and product_id is not null
union all select 'order_pieces_reserved', '', '', coalesce(sum(quantity), 0) from cloudsales.reservation where state = 'open'

-- step: publications
-- in two halves, for each has an index over just these rows
select 'publications_open' as name, channel as label, 'due' as other, count(*)::float8 as value
from cloudsales.publication where state = 'due' group by channel
union all
select 'publications_open', channel, state, count(*)
from cloudsales.publication where state in ('held', 'pending', 'rejected', 'unknown_variant') group by channel, state

-- step: quarantine
select 'quarantine_rows' as name, stage as label, reason as other, count(*)::float8 as value
from cloudsales.quarantine where resolved_at is null group by stage, reason

-- step: documents
select 'documents_due' as name, 'judging' as label, '' as other, count(distinct order_id)::float8 as value from cloudsales.document_due
union all select 'documents_due', 'papers', '', count(*) from cloudsales.document_paper_due
union all select 'documents_due', 'handover', '', count(*) from cloudsales.document_handover where state = 'due'
union all select 'documents_due', 'submission', '', count(*) from cloudsales.document_submission where state in ('due', 'rejected', 'unknown')
union all select 'waybills_open', courier, state, count(*) from cloudsales.waybill where state in ('intended', 'creating', 'unknown') group by courier, state

-- step: messages
select 'messages_open' as name, medium as label, state as other, count(*)::float8 as value
from personal.message where state in ('new', 'sending', 'unknown', 'dead') group by medium, state
union all
select 'message_oldest_due_age_seconds', medium, '', greatest(0, extract(epoch from :now - min(due_at)))
from personal.message where state = 'new' and due_at <= :now group by medium

-- step: ages
select 'orders_polled_age_seconds' as name, channel as label, '' as other, greatest(0, extract(epoch from :now - polled_at))::float8 as value
from cloudsales.order_intake where polled_at is not null
union all
select 'listing_stored_age_seconds', c.channel, '', greatest(0, extract(epoch from :now - i.stored_at))
from cloudsales.channel c
join lateral (select finished_at as stored_at from cloudsales.listing_import
              where channel = c.channel and state = 'stored' order by finished_at desc nulls last limit 1) i on true
union all
select 'process_seen_age_seconds', process, '', greatest(0, extract(epoch from :now - seen_at)) from cloudsales.process_seen
