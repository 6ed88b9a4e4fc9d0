-- step: marks_follow
select set_config('cloudsales.marks_follow', :value, true)
-- step: end
with ended as (
    update cloudsales.reservation set state = 'issued', ended_at = clock_timestamp()
    where owner = any (:owners) and state = 'open'
    returning owner, product_id, warehouse, quantity
)
select e.owner, p.sku, e.warehouse, e.quantity from ended e join cloudsales.product p using (product_id)
