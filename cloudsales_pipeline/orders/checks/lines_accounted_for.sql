-- reads sales_order, sales_order_line: I-15, and that what is closed holds nothing and waits for nothing
select o.channel, o.external_id as order_id, l.external_line_id as line, o.status, l.quantity, l.reserved, l.waiting, l.issued, l.cancelled,
       l.quantity <> l.reserved + l.waiting + l.issued + l.cancelled
       or (o.status in ('cancelled', 'returned', 'issued') and l.reserved + l.waiting > 0)
       or (o.status = 'expired' and l.reserved > 0) as fault
from cloudsales.sales_order_line l
join cloudsales.sales_order o using (order_id)
join channels using (channel)
