-- reads sales_order, sales_order_line: apart from the unique keys, which a damaged index would not keep
select o.channel, o.external_id as order_id, l.external_line_id as line, count(*) as times, count(*) > 1 as fault
from cloudsales.sales_order o
join channels using (channel)
left join cloudsales.sales_order_line l using (order_id)
group by 1, 2, 3
