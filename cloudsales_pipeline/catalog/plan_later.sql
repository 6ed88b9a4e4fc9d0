-- Pending listings that share a key with an earlier row of the same listing, and that row.
-- First comes a linked row (an existing link wins), then the channel's own order: product id, then position.
-- Not a temporary table: parallel workers can't read one. Made and dropped under the catalogue lock, in one transaction.
-- reads listing_shared_key, listing_key, listing_pending, listing, link → makes later_row
create unlogged table cloudsales.later_row as
with contested as (
    select distinct s.key
    from cloudsales.listing_shared_key s
    join cloudsales.listing_key k on k.key = s.key and k.channel = s.channel
    join cloudsales.listing_pending p on p.listing_id = k.listing_id
    where s.channel = :channel
),
queue as (
    select k.listing_id,
           first_value(k.listing_id) over first_first as first_listing,
           row_number() over first_first as place
    from contested d
    join cloudsales.listing_key k on k.key = d.key and k.channel = :channel
    join cloudsales.listing l on l.listing_id = k.listing_id
    left join cloudsales.link t on t.listing_id = k.listing_id
    -- ids are compared by length first, so that 9 comes before 10
    window first_first as (partition by k.key
        order by t.listing_id is null, length(l.product_external_id), l.product_external_id collate "C", l.position, l.listing_id)
)
select listing_id, (array_agg(first_listing order by place desc, first_listing))[1] as earlier_listing
from queue where place > 1 group by listing_id
