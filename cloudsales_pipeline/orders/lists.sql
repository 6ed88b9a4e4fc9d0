with chosen as (
    select o.* from cloudsales.sales_order o
    where (cast(:channel as text) is null or o.channel = :channel)
      and case :which
              when 'waiting' then o.status in ('new', 'paid', 'held')
                   and exists (select from cloudsales.sales_order_line l where l.order_id = o.order_id and l.waiting > 0)
              when 'review' then o.review <> '{}'
              when 'unacknowledged' then o.acknowledgement in ('due', 'locked', 'unknown_order')
              else true
          end
    order by case when :which = 'all' then o.placed_at end desc, o.placed_at, o.order_id limit :limit
)
select o.channel, o.external_id as id, o.status, o.placed_at, o.total, o.currency,
       coalesce(sum(l.quantity), 0) as ordered, coalesce(sum(l.reserved), 0) as reserved, coalesce(sum(l.waiting), 0) as waiting,
       coalesce(sum(l.issued), 0) as issued, coalesce(sum(l.cancelled), 0) as cancelled, o.review, o.acknowledgement
from chosen o left join cloudsales.sales_order_line l using (order_id)
group by o.order_id, o.channel, o.external_id, o.status, o.placed_at, o.total, o.currency, o.review, o.acknowledgement
order by case when :which = 'all' then o.placed_at end desc, o.placed_at, o.order_id
