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
select o.channel, o.external_id as id, o.status, o.placed_at, o.total, o.currency, sum(l.quantity) as ordered, sum(l.reserved) as reserved,
       sum(l.waiting) as waiting, sum(l.issued) as issued, sum(l.cancelled) as cancelled, o.review, o.acknowledgement
from chosen o left join cloudsales.sales_order_line l using (order_id)
group by o.order_id, o.channel, o.external_id, o.status, o.placed_at, o.total, o.currency, o.review, o.acknowledgement
order by case when :which = 'all' then o.placed_at end desc, o.placed_at, o.order_id
