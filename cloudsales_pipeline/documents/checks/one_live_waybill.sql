-- reads waybill: a parcel's waybills that live, and a number's owners, are one (I-37)
select o.channel, o.external_id as order_id, w.reference as document, w.parcel, w.state, l.lives, n.owners,
       l.lives > 1 or coalesce(n.owners, 1) > 1 as fault
from cloudsales.waybill w
join cloudsales.sales_order o using (order_id)
cross join lateral (select count(*) as lives from cloudsales.waybill x
                    where x.order_id = w.order_id and x.parcel = w.parcel and x.state not in ('failed', 'cancelled')) l
left join (select courier, number, count(*) as owners from cloudsales.waybill where number is not null group by courier, number) n
       on n.courier = w.courier and n.number = w.number
