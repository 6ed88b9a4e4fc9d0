-- reads plan_product, product, plan, catalog_load: each matched product as the audit saw it, against what it is now.
-- What the retailer's own file changed since is told apart: it is no fault, and no proof either.
select product_id, by_file, changed and not by_file as fault
from (
    select f.product_id, n.fingerprint is distinct from f.fingerprint as changed,
           p.changed_at > a.audited_at and exists (
               select from cloudsales.catalog_load c
               where c.finished_at > a.audited_at and c.finished_at >= p.changed_at) as by_file
    from cloudsales.plan_product f
    join cloudsales.plan a on a.plan_id = f.plan_id
    left join cloudsales.product p on p.product_id = f.product_id
    left join ({fingerprints}) n on n.product_id = f.product_id
    where f.plan_id = :plan_id
) m
