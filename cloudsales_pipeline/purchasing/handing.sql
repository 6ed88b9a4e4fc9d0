-- Handing closed orders over to the outbox.

-- step: known
select number from cloudsales.supplier_order where number = any (cast(:numbers as text[]))

-- step: next
-- Orders by id behind the last one: those named; else those that lack a document or a message.
select o.supplier_order_id, o.supplier, m.messages
from cloudsales.supplier_order o
cross join lateral (
    select count(distinct m.event)::integer as messages from personal.message m
    where m.channel = '' and m.external_id = o.number and m.subject_kind = 'supplier_order'
) m
where o.supplier_order_id > :after
  and (cast(:numbers as text[]) is null or o.number = any (cast(:numbers as text[])))
  and (cast(:numbers as text[]) is not null
       or (:queue and m.messages = 0)
       or (select count(*) from cloudsales.supplier_order_file f
           where f.supplier_order_id = o.supplier_order_id and f.kind = any (cast(:kinds as text[]))) < cardinality(cast(:kinds as text[])))
order by o.supplier_order_id limit :limit

-- step: dates
select distinct o.business_date
from cloudsales.supplier_order o
where o.supplier = any (cast(:addressed as text[])) and o.business_date >= current_date - cast(:days as integer)
  and not exists (select from personal.message m where m.channel = '' and m.subject_kind = 'supplier_order' and m.external_id = o.number)
order by 1

-- step: settle
update cloudsales.quarantine set resolved_at = now(), resolution = 'resolved'
where stage = 'purchasing' and channel = '' and reason = :reason and reference = any (cast(:numbers as text[])) and resolved_at is null

-- step: ask
-- Once for each order; one that a person dismissed does not come back.
insert into cloudsales.quarantine (stage, reference, reason, detail)
select 'purchasing', r.reference, :reason, r.detail
from jsonb_to_recordset(cast(:rows as jsonb)) r (reference text, detail jsonb)
where not exists (select from cloudsales.quarantine q where q.stage = 'purchasing' and q.channel = '' and q.reference = r.reference and q.reason = :reason)
on conflict do nothing
