-- What reconciliation found and is still so. Drift is corrected once the right figure was acknowledged after it was found.

-- step: open
select o.channel, o.kind, o.variant_id, s.sku, o.quantity as shown, o.expected, o.found_at as since,
       o.kind = 'drift' and coalesce(p.state = 'done' and p.acknowledged_at > o.found_at, false) as corrected
from cloudsales.channel_offer o
left join cloudsales.publication p on p.channel = o.channel and p.variant_id = o.variant_id
left join cloudsales.product s on s.product_id = p.product_id
where o.resolved_at is null and (cast(:channels as text[]) is null or o.channel = any (cast(:channels as text[])))
order by o.channel, o.kind, o.found_at desc, o.variant_id limit :limit

-- step: standing
with open_now as (
    select o.channel, o.kind, o.kind = 'drift' and coalesce(p.state = 'done' and p.acknowledged_at > o.found_at, false) as corrected
    from cloudsales.channel_offer o
    left join cloudsales.publication p on p.channel = o.channel and p.variant_id = o.variant_id
    where o.resolved_at is null
), told as (
    select channel, count(*) as listings,
           count(*) filter (where state = 'done' and drift_since > acknowledged_at) as suspected
    from cloudsales.publication group by channel
)
select c.channel, coalesce(t.listings, 0) as listings, coalesce(t.suspected, 0) as suspected,
       count(o.kind) filter (where o.kind = 'ghost') as ghost,
       count(o.kind) filter (where o.kind = 'never_acknowledged') as never_acknowledged,
       count(o.kind) filter (where o.kind = 'not_shown') as not_shown,
       count(o.kind) filter (where o.kind = 'drift' and not o.corrected) as drift,
       count(o.kind) filter (where o.kind = 'drift' and o.corrected) as corrected,
       k.reconciled_at
from unnest(cast(:channels as text[])) with ordinality c (channel, n)
left join open_now o on o.channel = c.channel
left join told t on t.channel = c.channel
left join cloudsales.stock_channel k on k.channel = c.channel
group by c.n, c.channel, t.listings, t.suspected, k.reconciled_at order by c.n

-- step: rotation
select count(*) filter (where p.publication_id <= c.reconcile_after) as behind, count(*) as listings
from cloudsales.publication p join cloudsales.stock_channel c using (channel) where p.channel = :channel
