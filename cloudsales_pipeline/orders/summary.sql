-- What a channel's orders come to.

-- step: value
select currency, count(*) as orders, sum(total) as value from cloudsales.sales_order
where channel = :channel and placed_at > now() - make_interval(days => :days) and status <> 'cancelled'
group by 1 order by 3 desc

-- step: shortages
select p.sku, sum(l.waiting) as pieces, count(*) as lines, min(l.placed_at) as since
from cloudsales.sales_order_line l join cloudsales.sales_order o using (order_id) join cloudsales.product p using (product_id)
where o.channel = :channel and l.waiting > 0
group by 1 order by 2 desc, 1 limit :limit

-- step: last
select o.external_id as order_id, o.placed_at, o.status, o.total, o.currency, l.lines, l.reserved, l.waiting,
       array_to_string(o.review, ', ') as review, o.payment_method, o.delivery_method
from (select * from cloudsales.sales_order where channel = :channel order by placed_at desc, order_id desc limit :limit) o
left join lateral (select count(*) as lines, sum(reserved) as reserved, sum(waiting) as waiting
                   from cloudsales.sales_order_line where order_id = o.order_id) l on true
order by o.placed_at desc, o.order_id desc

-- step: by_hour
with placed as (
    select date_trunc('hour', o.placed_at) as hour, o.status in ('new', 'paid', 'held') as open,
           exists (select from cloudsales.sales_order_line l where l.order_id = o.order_id and l.waiting > 0) as waits
    from cloudsales.sales_order o
    where o.channel = :channel and o.placed_at >= date_trunc('hour', now()) - make_interval(hours => :hours)
)
select to_char(h at time zone :timezone, 'DD.MM. HH24"h"') as hour, count(*) filter (where p.open and not p.waits) as reserved,
       count(*) filter (where p.open and p.waits) as waiting, count(*) filter (where not p.open) as closed
from generate_series(date_trunc('hour', now()) - make_interval(hours => :hours), date_trunc('hour', now()), interval '1 hour') h
left join placed p on p.hour = h
group by h order by h

-- step: standing
select count(*) as orders, count(*) filter (where review <> '{}') as in_review,
       count(*) filter (where acknowledgement in ('due', 'locked')) as unacknowledged,
       coalesce(round(extract(epoch from now() - min(imported_at) filter (where acknowledgement in ('due', 'locked'))) / 60), 0)::integer
           as oldest_unacknowledged_minutes
from cloudsales.sales_order where channel = :channel
