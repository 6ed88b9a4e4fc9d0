-- How far a channel's orders were read.

-- step: begin
insert into cloudsales.order_intake (channel) values (:channel) on conflict do nothing

-- step: stand
select seen_until, pass_since, pass_cursor, pass_pages from cloudsales.order_intake where channel = :channel for update

-- step: advance
update cloudsales.order_intake
set pass_since = cast(:since as timestamptz), pass_cursor = :cursor, pass_pages = :number,
    pass_seen = greatest(pass_seen, cast(:newest as timestamptz))
where channel = :channel

-- step: end
-- Never back; and never beyond our own clock: one order dated years ahead would hide all that come until then.
update cloudsales.order_intake
set seen_until = greatest(seen_until, least(greatest(pass_seen, cast(:newest as timestamptz)), clock_timestamp())),
    pass_since = null, pass_cursor = null, pass_seen = null, pass_pages = 0, passed_at = clock_timestamp()
where channel = :channel

-- step: give_up
update cloudsales.order_intake set pass_since = null, pass_cursor = null, pass_seen = null, pass_pages = 0 where channel = :channel

-- step: stored
select count(*) from unnest(cast(:ids as text[]), cast(:revisions as bigint[]), cast(:hashes as bytea[])) u (external_id, revision, content_hash)
join personal.order_payload p
  on p.channel = :channel and p.external_id = u.external_id and p.revision = u.revision and p.content_hash = u.content_hash

-- step: waiting
-- What is to do without asking the channel; each part stops at its first row.
select exists (select from personal.order_payload where channel = :channel and state = 'new') as payloads,
       exists (select from cloudsales.sales_order
               where channel = :channel and acknowledgement in ('due', 'locked') and acknowledge_after <= clock_timestamp()) as acknowledgements,
       exists (select from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id)
               join cloudsales.stock_level v on v.product_id = l.product_id and v.warehouse = any (o.warehouses) and v.on_hand > v.reserved
               where o.channel = :channel and l.waiting > 0 and l.product_id is not null and not o.whole) as lines,
       exists (select from cloudsales.sales_order o
               join unnest(cast(:methods as text[]), cast(:before as timestamptz[])) u (method, before) on u.method = o.payment_method
               where o.channel = :channel and o.status in ('new', 'held') and o.payment_status = 'pending' and o.placed_at < u.before
                 and not exists (select from cloudsales.sales_order_line l where l.order_id = o.order_id and l.issued > 0)) as unpaid

-- step: turn
update cloudsales.order_intake set polled_at = clock_timestamp()
where channel = :channel and (polled_at is null or polled_at <= clock_timestamp() - cast(:every as interval))
returning channel

-- step: well
update cloudsales.order_intake set failing_since = null, failure = null where channel = :channel and failing_since is not null

-- step: failing
with before as (select channel, failing_since from cloudsales.order_intake where channel = :channel for update)
update cloudsales.order_intake i set failing_since = coalesce(i.failing_since, clock_timestamp()), failure = :failure
from before where i.channel = before.channel
returning before.failing_since is null as fresh
