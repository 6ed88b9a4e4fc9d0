-- reads sales_order: what the channel says against the sum of the parts, as the order came (expected_total)
select o.channel, o.external_id as order_id, o.total, o.expected_total, o.total <> o.expected_total as fault
from cloudsales.sales_order o
join channels using (channel)
