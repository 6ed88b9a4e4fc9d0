-- The same SKU again in one file: the first row counts. A repeat with the same content is no fault, and is left out.
update stage_catalog s set fault = case when d.same then 'repeated_row' else 'duplicate_sku' end
from (
    select row_no, row_number() over by_sku as place,
           row(name, brand, style, size, colour, category, description, currency, supplier, price, extra, ean, additional_codes)
           is not distinct from first_value(row(name, brand, style, size, colour, category, description, currency, supplier,
               price, extra, ean, additional_codes)) over by_sku as same
    from stage_catalog where fault is null
    window by_sku as (partition by sku order by row_no)
) d
where d.row_no = s.row_no and d.place > 1
