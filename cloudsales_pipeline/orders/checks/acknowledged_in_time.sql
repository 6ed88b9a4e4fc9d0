-- reads sales_order: of those that the channel should know of, how long it was not told (minutes)
select o.channel, o.external_id as order_id, o.acknowledgement, o.acknowledge_tries as tries,
       round(extract(epoch from clock_timestamp() - o.imported_at) / 60)::integer as minutes,
       o.acknowledgement = 'unknown_order' and o.status in ('new', 'paid', 'held')
       or o.acknowledgement in ('due', 'locked') and o.imported_at < clock_timestamp() - make_interval(secs => c.within) as fault
from cloudsales.sales_order o
join channels c using (channel)
