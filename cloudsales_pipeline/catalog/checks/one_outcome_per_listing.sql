-- reads listing, match_outcome, link, listing_pending: each listing that is shown and decided, with its outcome and its tie
select l.listing_id, o.outcome, o.product_id, k.product_id as linked_product_id,
       o.listing_id is null
           or (o.outcome in ('linked', 'created')) is distinct from (k.listing_id is not null)
           or k.listing_id is not null and o.product_id is distinct from k.product_id as fault
from cloudsales.listing l
left join cloudsales.match_outcome o on o.listing_id = l.listing_id
left join cloudsales.link k on k.listing_id = l.listing_id
where l.channel = :channel and l.missing_since is null and {listings}
  and not exists (select from cloudsales.listing_pending n where n.listing_id = l.listing_id)
