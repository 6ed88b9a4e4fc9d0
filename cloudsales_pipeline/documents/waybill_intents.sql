-- step: intend
-- A waybill for each parcel: by weight, the cash on delivery all on the first. A live one of that parcel stays the only one (I-37).
with asked as (
    select * from jsonb_to_recordset(cast(:rows as jsonb)) r (order_id bigint, courier text, service text, rule text, facts jsonb)
), weighed as (
    select a.order_id,
           greatest(1, sum((l.quantity - l.cancelled) * case when p.extra ->> 'weight_grams' ~ '^[1-9][0-9]{0,6}$'
                                                             then (p.extra ->> 'weight_grams')::integer else :piece_grams end))::bigint as grams
    from asked a join cloudsales.sales_order_line l using (order_id) left join cloudsales.product p using (product_id)
    group by a.order_id
), parcels as (
    select w.order_id, n.parcel, c.parcels, w.grams / c.parcels + (n.parcel <= w.grams % c.parcels)::integer as grams
    from weighed w
    cross join lateral (select least(99, ceil(w.grams::numeric / :heaviest))::integer as parcels) c
    cross join lateral generate_series(1, c.parcels) n (parcel)
)
insert into cloudsales.waybill (order_id, courier, service, reference, parcel, parcels, currency, cash_on_delivery, weight_grams,
                                locker_id, rule, facts)
select o.order_id, a.courier, a.service,
       o.channel || '/' || o.external_id || '/' || p.parcel || case when b.before > 0 then '/' || b.before + 1 else '' end,
       p.parcel, p.parcels, o.currency,
       case when p.parcel = 1 and o.payment_method = 'cash_on_delivery' and o.payment_status <> 'paid' then o.total else 0 end,
       p.grams, case when o.delivery_method = 'locker' then u.delivery ->> 'locker_id' end, a.rule, a.facts
from asked a
join cloudsales.sales_order o using (order_id)
join parcels p using (order_id)
left join personal.buyer u using (order_id)
cross join lateral (select count(*) as before from cloudsales.waybill w where w.order_id = o.order_id and w.parcel = p.parcel) b
order by o.order_id, p.parcel
on conflict (order_id, parcel) where state not in ('failed', 'cancelled') do nothing
returning waybill_id
