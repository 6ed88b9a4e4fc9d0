-- step: standing
select channel, rules_hash from cloudsales.stock_channel

-- step: put
-- The rules that are new or changed; the rest are not written.
insert into cloudsales.stock_rule (channel, scope, value, every_product, warehouses, buffer, cap, share)
select :channel, w.scope, w.value, w.every_product, w.warehouses, w.buffer, w.cap, w.share
from jsonb_to_recordset(cast(:rules as jsonb))
    as w (scope text, value text, every_product boolean, warehouses text[], buffer integer, cap integer, share numeric)
on conflict (channel, scope, value) do update
set every_product = excluded.every_product, warehouses = excluded.warehouses, buffer = excluded.buffer,
    cap = excluded.cap, share = excluded.share, changed_at = now()
where (stock_rule.every_product, stock_rule.warehouses, stock_rule.buffer, stock_rule.cap, stock_rule.share)
    is distinct from (excluded.every_product, excluded.warehouses, excluded.buffer, excluded.cap, excluded.share)
returning rule_id

-- step: drop
-- The foreign key leaves publications of a dropped rule without one: `resolve` finds them by that.
delete from cloudsales.stock_rule r
where r.channel = :channel
  and not exists (
      select from jsonb_to_recordset(cast(:rules as jsonb)) as w (scope text, value text)
      where w.scope = r.scope and w.value = r.value)

-- step: publish_links
select cloudsales.publish_links(array_agg(l.listing_id))
from cloudsales.link k
join cloudsales.listing l using (listing_id)
where l.channel = :channel
  and not exists (select from cloudsales.publication p where p.channel = l.channel and p.variant_id = l.variant_id)

-- step: publish_products
-- Without a rule at first: `resolve` gives them theirs, as it does for all.
insert into cloudsales.publication (channel, variant_id, product_id)
select distinct r.channel, p.sku, p.product_id
from cloudsales.stock_rule r
join cloudsales.stock_level l on l.warehouse = any (r.warehouses) and l.version > 0
join cloudsales.product p using (product_id)
where r.channel = :channel and r.every_product
order by p.product_id
on conflict (channel, variant_id) do nothing

-- step: resolve
-- What has to be computed anew: another rule holds, the rule itself changed, or there is none any more.
with other as materialized (
    select b.publication_id, cloudsales.rule_of(b.channel, p.sku, p.category) as rule_id
    from cloudsales.publication b
    join cloudsales.product p using (product_id)
    where b.channel = :channel and b.rule_id is distinct from cloudsales.rule_of(b.channel, p.sku, p.category)
    order by b.publication_id
    for update of b
), moved as (
    update cloudsales.publication b set rule_id = o.rule_id
    from other o where o.publication_id = b.publication_id
    returning b.publication_id
)
select publication_id from moved
union
select publication_id from cloudsales.publication
where channel = :channel and (rule_id = any (cast(:changed as integer[])) or (rule_id is null and quantity is not null))

-- step: remember
insert into cloudsales.stock_channel (channel, rules_hash) values (:channel, :hash)
on conflict (channel) do update set rules_hash = excluded.rules_hash

-- step: simulate
with days as (
    select n, business_date, ends_at
    from unnest(cast(:dates as date[]), cast(:ends as timestamptz[])) with ordinality d (business_date, ends_at, n)
), wanted as (
    select * from jsonb_to_recordset(cast(:rules as jsonb))
        as w (scope text, value text, warehouses text[], buffer integer, cap integer, share numeric)
), listing as (
    select b.publication_id, b.product_id, r.warehouses, r.buffer, r.share, r.cap,
           w.warehouses as other_warehouses, w.buffer as other_buffer, w.share as other_share, w.cap as other_cap
    from cloudsales.publication b
    join cloudsales.product p using (product_id)
    left join cloudsales.stock_rule r on r.rule_id = b.rule_id
    left join lateral (
        -- as cloudsales.rule_of does, over rules that are not in the table
        select * from wanted
        where scope = 'channel' or (scope = 'sku' and value = p.sku)
           or (scope = 'category' and (p.category = value or starts_with(p.category, value || ' > ')))
        order by array_position(array['sku', 'category', 'channel'], scope), length(value) desc
        limit 1
    ) w on true
    where b.channel = :channel
), pair as (
    select l.product_id, l.warehouse, l.on_hand, first.occurred_at as since
    from cloudsales.stock_level l
    cross join lateral (
        select m.occurred_at from cloudsales.stock_movement m
        where m.product_id = l.product_id and m.warehouse = l.warehouse
        order by m.occurred_at limit 1
    ) first
    where l.version > 0 and l.product_id in (select product_id from listing)
), moved as (
    -- n: the last of the days that ended before the movement
    select product_id, warehouse, width_bucket(occurred_at, cast(:ends as timestamptz[])) as n, sum(quantity) as quantity
    from cloudsales.stock_movement
    where occurred_at >= (select min(ends_at) from days)
    group by 1, 2, 3
), held as (
    select r.product_id, r.warehouse, d.n, sum(r.quantity) as quantity
    from days d
    join cloudsales.reservation r on r.created_at < d.ends_at and (r.ended_at is null or r.ended_at >= d.ends_at)
    group by 1, 2, 3
), balance as (
    select d.n, p.product_id, p.warehouse, p.since < d.ends_at as known,
           p.on_hand - coalesce(sum(m.quantity) over later, 0) - coalesce(h.quantity, 0) as available
    from pair p
    cross join days d
    left join moved m using (product_id, warehouse, n)
    left join held h using (product_id, warehouse, n)
    window later as (partition by p.product_id, p.warehouse order by d.n desc)
), figure as (
    select d.business_date, l.publication_id,
           cloudsales.published(cast(sum(b.available) filter (where b.warehouse = any (l.warehouses)) as bigint),
                                l.buffer, l.share, l.cap) as now_shown,
           cloudsales.published(cast(sum(b.available) filter (where b.warehouse = any (l.other_warehouses)) as bigint),
                                l.other_buffer, l.other_share, l.other_cap) as other_shown
    from listing l
    cross join days d
    left join balance b on b.product_id = l.product_id and b.n = d.n and b.known
    group by d.business_date, l.publication_id, l.buffer, l.share, l.cap, l.other_buffer, l.other_share, l.other_cap
)
select d.business_date as date,
       count(f.publication_id) as listings,
       count(*) filter (where f.now_shown > 0) as in_stock,
       cast(coalesce(sum(f.now_shown), 0) as bigint) as units,
       count(*) filter (where f.other_shown > 0) as other_in_stock,
       cast(coalesce(sum(f.other_shown), 0) as bigint) as other_units
from days d
left join figure f using (business_date)
group by d.business_date
order by d.business_date
