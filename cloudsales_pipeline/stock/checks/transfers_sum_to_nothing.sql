-- reads stock_movement: of each transfer and product, what went out came in (I-11)
select m.reference, p.sku, m.moved_out, m.moved_in, m.moved_out <> m.moved_in as fault
from (
    select reference, product_id,
           coalesce(-sum(quantity) filter (where reason = 'transfer_out'), 0) as moved_out,
           coalesce(sum(quantity) filter (where reason = 'transfer_in'), 0) as moved_in
    from cloudsales.stock_movement
    where reason in ('transfer_out', 'transfer_in')
    group by reference, product_id
) m
left join cloudsales.product p using (product_id)
