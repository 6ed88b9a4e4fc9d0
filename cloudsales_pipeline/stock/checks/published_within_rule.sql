-- reads publication, stock_rule, stock_level: which rule of the channel holds for the product, and what it gives, both worked
-- out here without rule_of() and published() (I-22); a figure that the channel acknowledged last is the one wanted (I-23).
select b.channel, b.variant_id, b.sku, b.state, b.quantity, b.acknowledged_quantity, b.expected,
       b.quantity is distinct from b.expected
           or (b.state = 'done' and b.acknowledged_quantity is distinct from b.quantity) as fault
from (
    select a.*,
           case when a.available is null then null
                when a.available <= a.buffer then 0
                else least(trunc((a.available - a.buffer) * a.share), a.cap, 2147483647)
           end as expected
    from (
        select n.publication_id, n.channel, n.variant_id, n.sku, n.state, n.quantity, n.acknowledged_quantity,
               r.buffer, r.share, r.cap, sum(l.on_hand - l.reserved) as available
        from (
            select b.*, p.sku,
                   coalesce(
                       by_sku.rule_id,
                       (select c.rule_id
                        from cloudsales.stock_rule c
                        where c.channel = b.channel and c.scope = 'category'
                              and (p.category = c.value or left(p.category, length(c.value) + 3) = c.value || ' > ')
                        order by length(c.value) desc
                        limit 1),
                       by_channel.rule_id
                   ) as holds
            from cloudsales.publication b
            join cloudsales.product p using (product_id)
            left join cloudsales.stock_rule by_sku
                on by_sku.channel = b.channel and by_sku.scope = 'sku' and by_sku.value = p.sku
            left join cloudsales.stock_rule by_channel
                on by_channel.channel = b.channel and by_channel.scope = 'channel'
        ) n
        left join cloudsales.stock_rule r on r.rule_id = n.holds
        left join cloudsales.stock_level l
            on l.product_id = n.product_id and l.warehouse = any (r.warehouses) and l.version > 0
        group by n.publication_id, n.channel, n.variant_id, n.sku, n.state, n.quantity, n.acknowledged_quantity,
                 r.buffer, r.share, r.cap
    ) a
) b
