-- Of whom a product is bought on a date: a locked supplier, else the preferred one, else the catalogue's, else the cheapest price.

create function cloudsales.suppliers_of(products bigint[], on_date date)
returns table (product_id bigint, supplier text, chosen_by text, supplier_code text, price numeric, currency text,
               pack_size integer, minimum_quantity integer, lead_time_days integer)
language sql stable as $$
    with wanted as (
        select distinct w.product_id from unnest(products) w (product_id)
    ), listed as (
        -- of each supplier the newest price that holds on the date
        select distinct on (s.product_id, s.supplier) s.*
        from wanted w join cloudsales.supplier_price s using (product_id) join cloudsales.supplier a on a.supplier = s.supplier and a.active
        where s.valid_from <= on_date and (s.valid_until is null or s.valid_until >= on_date)
        order by s.product_id, s.supplier, s.valid_from desc
    ), named as (
        select w.product_id, n.supplier
        from wanted w join cloudsales.product p using (product_id)
        join cloudsales.supplier_name n on n.name_key = lower(btrim(p.supplier))
        join cloudsales.supplier a on a.supplier = n.supplier and a.active
    ), candidate as (
        select coalesce(l.product_id, n.product_id) as product_id, coalesce(l.supplier, n.supplier) as supplier,
               case when l.locked then 'locked' when l.preferred then 'preferred' when n.supplier is not null then 'catalogue' else 'price' end as chosen_by,
               l.supplier_code, l.price, l.currency, l.pack_size, l.minimum_quantity, l.lead_time_days
        from listed l full join named n on n.product_id = l.product_id and n.supplier = l.supplier
    )
    select distinct on (c.product_id) c.product_id, c.supplier, c.chosen_by, c.supplier_code, c.price, c.currency,
           c.pack_size, c.minimum_quantity, c.lead_time_days
    from candidate c
    order by c.product_id, array_position(array['locked', 'preferred', 'catalogue', 'price'], c.chosen_by), (c.currency is distinct from 'RON'),
             c.price nulls last, c.supplier
$$;
comment on function cloudsales.suppliers_of is 'The supplier of each of these products on a date, and why this one. A product without a row has none.';
