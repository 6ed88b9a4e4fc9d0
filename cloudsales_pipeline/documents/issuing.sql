-- Issuing documents. Locks are taken in one order: what is due, orders by (channel, id), numbers by series, levels of stock.

-- step: channels_differ
select exists (
    select from unnest(cast(:channels as text[]), cast(:enabled as boolean[])) s (channel, enabled)
    join cloudsales.channel using (channel) left join cloudsales.document_channel d using (channel)
    where (d.enabled, d.hands_over) is distinct from (s.enabled, :hand_over) or (s.enabled and d.rules <> :rules)
) or exists (select from cloudsales.document_channel where enabled and channel <> all (cast(:channels as text[])))

-- step: series_taken
-- Series that a channel wants for a kind and that another kind has numbers of.
select distinct on (w.channel) w.channel, w.series, w.counter, n.kind as other
from unnest(cast(:channels as text[]), cast(:counters as text[]), cast(:series as text[])) w (channel, counter, series)
join cloudsales.number_series n on n.series = w.series and n.kind <> w.counter and n.kind in ('proforma_invoice', 'fiscal_invoice', 'storno')
where not exists (select from cloudsales.number_series own where own.series = w.series and own.kind = w.counter)
order by w.channel, w.series

-- step: quarantine_series
-- A channel that nothing is issued for, and one that is well again.
with said as (
    select * from jsonb_to_recordset(cast(:rows as jsonb)) r (channel text, what text)
), settled as (
    update cloudsales.quarantine q set resolved_at = clock_timestamp(), resolution = 'resolved'
    where q.stage = 'documents' and q.reason = 'series_taken' and q.resolved_at is null and q.channel not in (select channel from said)
)
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'documents', channel, 'channels.' || channel || '.documents.series', 'series_taken', jsonb_build_object('what', what) from said
on conflict (stage, channel, reference, reason) where resolved_at is null do nothing

-- step: set_channels
-- A channel that is switched on, or whose rules changed: its open orders are judged, those whose goods left while it was off, and
-- invoices of orders that ended meanwhile are looked at. Orders of the time before all this are not.
with said as (
    select s.* from unnest(cast(:channels as text[]), cast(:enabled as boolean[])) s (channel, enabled) join cloudsales.channel using (channel)
), was_off as (
    select channel, since from cloudsales.document_channel where not enabled
), changed as (
    insert into cloudsales.document_channel as d (channel, enabled, hands_over, rules) select channel, enabled, :hand_over, :rules from said
    on conflict (channel) do update
        set enabled = excluded.enabled, hands_over = excluded.hands_over, rules = excluded.rules,
            since = case when d.enabled = excluded.enabled then d.since else clock_timestamp() end
        where (d.enabled, d.hands_over, d.rules) <> (excluded.enabled, excluded.hands_over, excluded.rules)
    returning channel, enabled
), gone as (
    update cloudsales.document_channel set enabled = false, since = clock_timestamp()
    where enabled and channel <> all (cast(:channels as text[]))
)
insert into cloudsales.document_due (order_id)
select o.order_id
from cloudsales.sales_order o join changed c on c.channel = o.channel and c.enabled left join was_off w on w.channel = o.channel
where o.status in ('new', 'paid')
   or exists (select from cloudsales.document_live l where l.order_id = o.order_id and l.kind = 'fiscal_invoice')
   or (o.status = 'issued' and exists (
           select from cloudsales.sales_order_line l join cloudsales.reservation r on r.owner = l.owner
           where l.order_id = o.order_id and r.state = 'issued' and r.ended_at >= w.since))

-- step: mark_open
-- Open orders whose fiscal invoice is still to come, or whose waybill, and that are not due already.
insert into cloudsales.document_due (order_id)
select o.order_id
from cloudsales.sales_order o join cloudsales.document_channel c on c.channel = o.channel and c.enabled
where o.status in ('new', 'paid')
  and not exists (select from cloudsales.document_due d where d.order_id = o.order_id)
  and (not exists (select from cloudsales.document d where d.order_id = o.order_id and d.kind = 'fiscal_invoice')
       or not exists (select from cloudsales.waybill w where w.order_id = o.order_id))

-- step: take
select d.due_id, d.order_id
from cloudsales.document_due d
join cloudsales.sales_order o using (order_id)
join cloudsales.document_channel c on c.channel = o.channel and c.enabled
order by d.due_id limit :most
for update of d skip locked

-- step: taken
delete from cloudsales.document_due where due_id = any (:due)

-- step: lock
select order_id, channel, external_id, status from cloudsales.sales_order
where order_id = any (:orders) order by channel, external_id for no key update

-- step: lock_one
select order_id, channel, external_id, status from cloudsales.sales_order
where channel = :channel and external_id = :external_id for no key update

-- step: had
select order_id, array_agg(distinct kind) as kinds
from (
    select order_id, kind from cloudsales.document where order_id = any (:orders) and kind <> 'storno'
    union all
    select order_id, 'waybill' from cloudsales.waybill where order_id = any (:orders)
) d
group by order_id

-- step: live
select d.document_id, d.kind, d.series, d.number, d.order_id
from cloudsales.document_live l join cloudsales.document d using (document_id)
where l.order_id = any (:orders)

-- step: to_correct
-- Live fiscal invoices of these orders that something came back of, or whose order was cancelled; with all that was corrected before.
select d.document_id, d.order_id, o.channel, o.external_id, o.status = 'cancelled' as cancelled, d.lines, c.content::text as content,
       coalesce((select json_agg(sc.content order by s.document_id)
                 from cloudsales.document s join personal.document_content sc using (document_id)
                 where s.corrects = d.document_id), '[]')::text as before,
       coalesce((select json_object_agg(i.external_line_id, i.restocked + i.scrapped)
                 from cloudsales.sales_order_line i where i.order_id = d.order_id and i.restocked + i.scrapped > 0), '{}')::text as back
from cloudsales.document_live l
join cloudsales.document d using (document_id)
join cloudsales.sales_order o on o.order_id = d.order_id
join personal.document_content c using (document_id)
where l.order_id = any (:orders) and l.kind = 'fiscal_invoice'
  and (:whole or o.status = 'cancelled'
       or exists (select from cloudsales.sales_order_line i where i.order_id = d.order_id and i.restocked + i.scrapped > 0))

-- step: by_number
select d.document_id, d.kind, d.order_id, o.channel, o.external_id, l.document_id is not null as live,
       (select s.series || ' ' || s.number from cloudsales.document s where s.corrects = d.document_id order by s.document_id desc limit 1) as storno
from cloudsales.document d
join cloudsales.sales_order o using (order_id)
left join cloudsales.document_live l using (document_id)
where d.series = :series and d.number = :number

-- step: write
with asked as materialized (
    select * from jsonb_to_recordset(cast(:rows as jsonb)) r (
        place integer, kind text, series text, number integer, order_id bigint, issued_on date, supplied_on date, due_on date, currency text,
        net numeric, vat numeric, rounding numeric, total numeric, language text, corrects bigint, cause text, rule text, facts jsonb,
        flags text[], lines text[], submit_by date, whole boolean, content jsonb)
), made as (
    insert into cloudsales.document (kind, series, number, order_id, issued_on, supplied_on, due_on, currency, net, vat, rounding, total,
                                     language, corrects, cause, rule, facts, flags, lines, submit_by)
    select kind, series, number, order_id, issued_on, supplied_on, due_on, currency, net, vat, rounding, total,
           language, corrects, cause, rule, facts, flags, lines, submit_by
    from asked order by place
    returning document_id, kind, series, number, order_id, corrects
), live as (
    insert into cloudsales.document_live (order_id, kind, document_id)
    select order_id, kind, document_id from made where kind <> 'storno'
), superseded as (
    -- A proforma becomes the fiscal invoice; what is corrected in whole lives no more.
    delete from cloudsales.document_live l
    using made m join asked a on (a.kind, a.series, a.number) = (m.kind, m.series, m.number)
    where (m.kind = 'fiscal_invoice' and l.order_id = m.order_id and l.kind = 'proforma_invoice')
       or (a.whole and l.document_id = m.corrects)
), content as (
    insert into personal.document_content (document_id, content)
    select m.document_id, a.content from made m join asked a on (a.kind, a.series, a.number) = (m.kind, m.series, m.number)
), submission as (
    insert into cloudsales.document_submission (document_id)
    select document_id from made where kind in ('fiscal_invoice', 'storno')
), handover as (
    insert into cloudsales.document_handover (order_id, document_id, state)
    select order_id, document_id, case when :hand_over then 'due' else 'not_needed' end from made
), frozen as (
    update cloudsales.sales_order o set frozen_at = clock_timestamp()
    where o.frozen_at is null and o.order_id in (select order_id from made)
), came_back as (
    -- Goods were back before the invoice that lists them: the next pass corrects it.
    insert into cloudsales.document_due (order_id)
    select m.order_id from made m
    where m.kind = 'fiscal_invoice'
      and exists (select from cloudsales.sales_order_line l where l.order_id = m.order_id and l.restocked + l.scrapped > 0)
), told as (
    insert into cloudsales.event (kind, channel, reference, detail)
    select 'document_issued', o.channel, o.channel || '/' || o.external_id,
           jsonb_build_object('kind', m.kind, 'number', m.series || ' ' || m.number)
    from made m join cloudsales.sales_order o using (order_id) order by m.document_id
)
select document_id, kind, series, number, order_id from made order by document_id

-- step: quarantine
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'documents', channel, reference, reason, detail
from jsonb_to_recordset(cast(:rows as jsonb)) r (channel text, reference text, reason text, detail jsonb)
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: settle
-- What was wrong with these orders, and is so no more.
update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'
from cloudsales.sales_order o
where q.stage = 'documents' and q.resolved_at is null and q.channel = o.channel and q.reference = o.external_id
  and q.reason in ('rule_failed', 'document_refused', 'issue_failed') and o.order_id = any (:orders)
  and q.channel || '/' || q.reference || '/' || q.reason <> all (cast(:still as text[]))

-- step: series_of_others
select kind from cloudsales.number_series
where series = :series and kind <> :counter and kind in ('proforma_invoice', 'fiscal_invoice', 'storno') limit 1

-- step: check_goods
update cloudsales.sales_order set goods_checked_at = :now where order_id = any (:orders) and goods_checked_at is null returning order_id

-- step: left
select o.order_id, o.channel, o.external_id, coalesce(sum(l.issued), 0)::integer as issued
from cloudsales.sales_order o left join cloudsales.sales_order_line l using (order_id)
where o.order_id = any (:orders) group by o.order_id

-- step: lock_scanned
select o.order_id, o.channel, o.external_id, o.status
from cloudsales.sales_order o
join unnest(cast(:channels as text[]), cast(:ids as text[])) s (channel, external_id) using (channel, external_id)
order by o.channel, o.external_id for no key update of o

-- step: hold_scans
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'documents', :channel, r.reference, r.reason, r.detail
from jsonb_to_recordset(cast(:rows as jsonb)) as r (reference text, reason text, detail jsonb)
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: settle_scans
update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'
from unnest(cast(:channels as text[]), cast(:ids as text[])) s (channel, external_id)
where q.stage = 'documents' and q.reason = 'unknown_order' and q.resolved_at is null
  and q.detail ->> 'channel' = s.channel and q.detail ->> 'order' = s.external_id
