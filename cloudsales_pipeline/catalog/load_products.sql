-- The file's word on products: new ones are made, changed ones changed, the same ones left alone.
-- reads stage_catalog → writes product, touched_product
with fresh as (
    select s.* from stage_catalog s where s.fault is null
),
changed as (
    update cloudsales.product p set
        name = f.name, brand = f.brand, style = f.style, size = f.size, colour = f.colour, category = f.category,
        description = f.description, currency = f.currency, supplier = f.supplier, price = f.price, extra = f.extra,
        changed_at = clock_timestamp()
    from fresh f
    where p.sku = f.sku
      and (p.name, p.brand, p.style, p.size, p.colour, p.category, p.description, p.currency, p.supplier, p.price, p.extra)
          is distinct from
          (f.name, f.brand, f.style, f.size, f.colour, f.category, f.description, f.currency, f.supplier, f.price, f.extra)
    returning p.product_id
),
made as (
    insert into cloudsales.product
        (sku, name, brand, style, size, colour, category, description, currency, supplier, price, extra, created_at, changed_at)
    select f.sku, f.name, f.brand, f.style, f.size, f.colour, f.category, f.description, f.currency, f.supplier, f.price, f.extra,
           now(), now()
    from fresh f
    where not exists (select from cloudsales.product p where p.sku = f.sku)
    order by f.row_no
    returning product_id
),
touched as (
    insert into touched_product (product_id) select product_id from changed union all select product_id from made returning 1
)
select count(*) as touched_details from touched
