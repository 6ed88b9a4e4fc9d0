-- reads sales_order_line, requirement, open_requirement: every waiting piece is on order, to be bought, or there is a reason that it is neither
select o.channel, o.external_id as order_id, l.external_line_id as line, l.waiting, coalesce(t.outstanding, 0) as on_order, coalesce(q.quantity, 0) as to_be_bought,
       case when l.product_id is null then 'unknown_product' when o.status = 'held' then 'order_held' when o.status = 'expired' then 'order_expired'
            when c.channel is null then 'channel_not_in_settings' when not c.add_shortages then 'add_shortages_off' end as reason,
       l.waiting > coalesce(t.outstanding, 0) + coalesce(q.quantity, 0)
       and l.product_id is not null and o.status not in ('held', 'expired') and coalesce(c.add_shortages, false) as fault
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
left join cloudsales.purchase_channel c on c.channel = o.channel
left join lateral (select sum(r.outstanding) as outstanding from cloudsales.requirement r where r.line_id = l.line_id) t on true
left join cloudsales.open_requirement q on q.line_id = l.line_id
where l.waiting > 0
