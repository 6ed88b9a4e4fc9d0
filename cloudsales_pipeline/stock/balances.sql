with moment as (
    select coalesce(cast(:at as timestamptz), 'infinity') as occurred,
           coalesce(cast(:known_at as timestamptz), 'infinity') as recorded,
           least(coalesce(cast(:at as timestamptz), 'infinity'), coalesce(cast(:known_at as timestamptz), 'infinity')) as held
), chosen as (
    select l.product_id, l.warehouse, l.on_hand, l.reserved, p.sku
    from cloudsales.stock_level l
    join cloudsales.product p using (product_id)
    where l.version > 0
      and (cast(:warehouse as text) is null or l.warehouse = :warehouse)
      and (cast(:sku as text) is null or p.sku = :sku)
), later as (
    -- what had not happened yet, or was not known yet: found by the indexes on both times
    select product_id, warehouse, sum(quantity) as quantity
    from cloudsales.stock_movement
    where occurred_at > coalesce(cast(:at as timestamptz), 'infinity')
       or recorded_at > coalesce(cast(:known_at as timestamptz), 'infinity')
    group by 1, 2
), held as (
    -- reservations: less those made since and still open, more those that were open then and have ended since
    select product_id, warehouse, sum(case when state = 'open' then -quantity else quantity end) as quantity
    from cloudsales.reservation, moment
    where (state = 'open' and created_at > moment.held)
       or (ended_at > moment.held and created_at <= moment.held)
    group by 1, 2
)
select c.product_id, c.warehouse, c.sku,
       cast(c.on_hand - coalesce(l.quantity, 0) as integer) as on_hand,
       cast(c.reserved + coalesce(h.quantity, 0) as integer) as reserved
from chosen c
cross join moment
left join later l using (product_id, warehouse)
left join held h using (product_id, warehouse)
-- a pair whose every movement came later was unknown then, which is not zero
where l.product_id is null or exists (
    select from cloudsales.stock_movement m
    where m.product_id = c.product_id and m.warehouse = c.warehouse
      and m.occurred_at <= moment.occurred and m.recorded_at <= moment.recorded)
