-- reads sales_order_line, reservation: what lines say they hold against the open reservations, each way
select coalesce(o.channel, split_part(r.owner, '/', 1)) as channel, coalesce(l.owner, r.owner) as line, l.reserved,
       coalesce(r.quantity, 0) as open_reservations,
       l.line_id is null or l.reserved <> coalesce(r.quantity, 0) or coalesce(r.others, false) as fault
from (
    select v.owner, sum(v.quantity) as quantity, bool_or(v.product_id is distinct from s.product_id) as others
    from cloudsales.reservation v left join cloudsales.sales_order_line s using (owner)
    where v.state = 'open' group by v.owner
) r
full join cloudsales.sales_order_line l using (owner)
left join cloudsales.sales_order o using (order_id)
join channels c on c.channel = coalesce(o.channel, split_part(r.owner, '/', 1))
