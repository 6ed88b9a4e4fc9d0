-- What suggestions compare of some listings.
-- reads listing, listing_product, listing_category
select l.listing_id as ref, p.name, p.brand, l.price, g.path as category, l.size, l.colour
from cloudsales.listing l
join cloudsales.listing_product p on p.channel = l.channel and p.external_id = l.product_external_id
left join cloudsales.listing_category g on g.channel = l.channel and g.category_id = p.category_ids[1]
where l.listing_id = any (:ids) order by l.listing_id
