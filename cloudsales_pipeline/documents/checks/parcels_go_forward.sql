-- reads waybill, waybill_event: the state is the furthest of what the courier said (F-18)
with rank (state, rank) as (
    values ('created', 0), ('shipped', 1), ('in_locker', 2), ('lost', 3), ('delivered', 4), ('returned', 5)
), furthest as (
    select e.waybill_id, max(r.rank) as rank from cloudsales.waybill_event e join rank r using (state) group by e.waybill_id
)
select o.channel, o.external_id as order_id, w.reference as document, w.state, r.rank as stands_at, f.rank as was_said,
       coalesce(f.rank, 0) > r.rank or (r.rank >= 3) <> (w.ended_at is not null) as fault
from cloudsales.waybill w
join rank r using (state)
join cloudsales.sales_order o using (order_id)
left join furthest f on f.waybill_id = w.waybill_id
