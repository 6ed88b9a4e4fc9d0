-- Orders as invoices need them.

-- step: heads
-- Goods were supplied on the day the last of them left; a day is the business's, not UTC's.
select o.order_id, o.channel, o.external_id, (o.placed_at at time zone :zone)::date as placed_on, s.supplied_on,
       o.payment_method, o.payment_status, o.delivery_method, o.currency, o.delivery_price, o.discount, o.total,
       b.name, b.email, b.phone, o.company, b.company_name, b.company_tax_id, b.company_registration_number, b.delivery, b.billing,
       b.erased_at
from cloudsales.sales_order o
left join personal.buyer b using (order_id)
left join lateral (
    select (max(r.ended_at) at time zone :zone)::date as supplied_on
    from cloudsales.sales_order_line l join cloudsales.reservation r on r.owner = l.owner and r.state = 'issued'
    where l.order_id = o.order_id
) s on true
where o.order_id = any (:orders)

-- step: lines
select l.order_id, l.external_line_id, l.position, coalesce(p.sku, l.code, l.variant_id) as sku, l.name, l.quantity - l.cancelled as quantity,
       l.unit_price, l.discount, l.vat_rate
from cloudsales.sales_order_line l left join cloudsales.product p using (product_id)
where l.order_id = any (:orders) and l.quantity > l.cancelled
order by l.order_id, l.position, l.line_id
