-- The decision for every pending listing of a channel, in one statement; its rows are the plan.
-- reads listing_pending, code_key, link, later_row → the columns of plan_row
with
hit as (
    -- what the listing's code and EAN point to; a key that clashes points to no product
    select p.listing_id, p.code_key, p.ean_key, p.ean_state,
           least(a.product_id, b.product_id) as lowest,
           greatest(a.product_id, b.product_id) as highest,
           (a.key is not null and a.product_id is null) or (b.key is not null and b.product_id is null) as clashes,
           coalesce(a.kinds, 0::smallint) as code_hits,
           coalesce(b.kinds, 0::smallint) as ean_hits,
           t.product_id as linked_product, t.matched_by as linked_by,
           e.earlier_listing
    from cloudsales.listing_pending p
    left join cloudsales.code_key a on a.key = p.code_key
    left join cloudsales.code_key b on b.key = p.ean_key
    left join cloudsales.link t on t.listing_id = p.listing_id
    left join cloudsales.later_row e on e.listing_id = p.listing_id
    where p.channel = :channel
),
decided as (
    select h.*,
           case
               when linked_product is not null then 'linked'
               when clashes or lowest <> highest then 'conflict'
               when lowest is null and (ean_state = 'bad' or (code_key is null and ean_state <> 'valid')) then 'invalid'
               when earlier_listing is not null then 'duplicate_in_listing'
               when lowest is not null then 'linked'
               when cast(:hold as boolean) and not exists
                   (select from cloudsales.suggestion s where s.listing_id = h.listing_id and s.state = 'rejected') then 'suggested'
               else 'created'
           end as outcome
    from hit h
    offset 0  -- decide once: without this fence each use of the outcome below would decide again
)
select cast(:plan_id as bigint) as plan_id, listing_id, outcome,
       case outcome
           when 'linked' then case
               when linked_product is null then case when ean_state = 'bad' and ean_hits = 0 then 'bad_ean_ignored' end
               when lowest = linked_product or highest = linked_product or linked_by = 'manual' then 'existing_link'
               else 'code_drift' end
           when 'created' then 'unknown_code'
           when 'conflict' then case when clashes then 'code_known_twice' else 'codes_disagree' end
           when 'invalid' then case when ean_state = 'bad' then 'bad_ean' else 'no_code' end
           when 'duplicate_in_listing' then 'shares_code_with_earlier'
           else 'held_by_setting'
       end as reason,
       case
           when linked_product is not null then linked_by
           when outcome = 'linked' then case
               when (code_hits | ean_hits) & 1 > 0 then 'sku'
               when (code_hits | ean_hits) & 2 > 0 then 'gtin'
               else 'additional_code' end
           when outcome = 'created' then 'created'
       end as matched_by,
       case when outcome = 'linked' then coalesce(linked_product, lowest) end as product_id,
       case when outcome = 'conflict' or linked_product <> lowest or linked_product <> highest then
           (select array_agg(distinct c.product_id order by c.product_id) from cloudsales.product_code c
            where c.key in (code_key, ean_key)) end as candidates,
       case when outcome = 'duplicate_in_listing' then earlier_listing end as earlier_listing,
       code_hits, ean_hits, cast(null as real) as score
from decided
