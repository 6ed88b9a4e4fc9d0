-- The products that the plan makes, with all their details, in the channel's own order.
-- reads plan_row, listing, listing_product, listing_category, written_code → writes product, made
with new as (
    insert into cloudsales.product
        (sku, name, brand, style, size, colour, category, description, price, currency, characteristics, images,
         origin_channel, origin_variant, created_at, changed_at)
    select coalesce(w.sku, case
               when l.code_key is not null then btrim(l.code)
               when length(l.ean_key) <= 8 then lpad(l.ean_key, 8, '0')
               when length(l.ean_key) <= 13 then lpad(l.ean_key, 13, '0')
               else l.ean_key end),
           p.name, p.brand, coalesce(nullif(btrim(p.code), ''), p.external_id), l.size, l.colour, g.path,
           p.description, l.price, l.currency, p.characteristics, p.images, l.channel, l.variant_id, now(), now()
    from cloudsales.plan_row r
    join cloudsales.listing l on l.listing_id = r.listing_id
    join cloudsales.listing_product p on p.channel = l.channel and p.external_id = l.product_external_id
    left join written_code w on w.listing_id = r.listing_id
    left join cloudsales.listing_category g on g.channel = l.channel and g.category_id = p.category_ids[1]
    where r.plan_id = :plan_id and r.outcome = 'created'
    order by length(l.product_external_id), l.product_external_id collate "C", l.position
    returning product_id, sku, origin_channel, origin_variant
)
insert into made (product_id, listing_id, sku, code_key, ean_key)
select n.product_id, l.listing_id, n.sku, l.code_key, case when l.ean_state = 'valid' then l.ean_key end
from new n
join cloudsales.listing l on l.channel = n.origin_channel and l.variant_id = n.origin_variant
