-- A product whose codes alone changed has changed too: the check that no import touched it asks when the file last did.
-- reads touched_product → writes product
with stamped as (
    update cloudsales.product p set changed_at = clock_timestamp()
    where p.product_id in (select t.product_id from touched_product t)
    returning 1
)
select count(*) as touched from stamped
