-- reads product, product_code → a number for each product of {products} that changes with any detail or code of it.
-- {codes} narrows the codes. hash_record_extended is PostgreSQL's own, 64 bits, and the same on every machine of a version.
select p.product_id,
       hash_record_extended(row(p.sku, p.name, p.brand, p.style, p.size, p.colour, p.category, p.description, p.price,
                                p.currency, p.supplier, p.characteristics, p.images, p.extra,
                                p.origin_channel, p.origin_variant), 0)
           # coalesce(c.codes, 0) as fingerprint
from ({products}) s
join cloudsales.product p on p.product_id = s.product_id
left join (
    select c.product_id, bit_xor(hash_record_extended(row(c.kind, c.key, c.code), 0)) as codes
    from ({products}) s
    join cloudsales.product_code c on c.product_id = s.product_id
    where {codes}
    group by c.product_id
) c on c.product_id = p.product_id
