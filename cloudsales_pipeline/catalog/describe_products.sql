-- What suggestions compare of some products.
-- reads product
select product_id as ref, name, brand, price, category, size, colour
from cloudsales.product where product_id = any (:ids) order by product_id
