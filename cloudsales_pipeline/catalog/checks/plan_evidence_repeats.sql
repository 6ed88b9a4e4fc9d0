-- reads plan_row, listing, product_code, link: the product each linked row gets, found again without code_key, which the
-- plan used. An existing link wins over codes, so there the link is the evidence.
select r.listing_id, r.matched_by, r.product_id, h.lowest as found_product, nullif(h.highest, h.lowest) as found_also,
       case when k.product_id is not null then k.product_id <> r.product_id
            else h.lowest is distinct from r.product_id or h.highest is distinct from r.product_id
                 or h.kinds & case r.matched_by when 'sku' then 1 when 'gtin' then 2 when 'additional_code' then 4 else 0 end = 0
       end as fault
from cloudsales.plan_row r
left join cloudsales.link k on k.listing_id = r.listing_id
left join (
    select u.listing_id, min(c.product_id) as lowest, max(c.product_id) as highest,
           bit_or(case c.kind when 'sku' then 1 when 'gtin' then 2 else 4 end) as kinds
    from (
        select r.listing_id, l.code_key as key
        from cloudsales.plan_row r join cloudsales.listing l on l.listing_id = r.listing_id
        where r.plan_id = :plan_id and r.outcome = 'linked' and l.code_key is not null
        union all
        select r.listing_id, l.ean_key
        from cloudsales.plan_row r join cloudsales.listing l on l.listing_id = r.listing_id
        where r.plan_id = :plan_id and r.outcome = 'linked' and l.ean_key is not null
    ) u
    join cloudsales.product_code c on c.key = u.key
    group by u.listing_id
) h on h.listing_id = r.listing_id
where r.plan_id = :plan_id and r.outcome = 'linked'
