-- step: held
select owner, sum(quantity)::integer as quantity from cloudsales.reservation
where owner = any (:owners) and state = 'open' group by owner
-- step: pairs
select distinct product_id, warehouse from cloudsales.reservation where owner = any (:owners) and state = 'open'
-- step: release
update cloudsales.reservation set state = 'released', ended_at = clock_timestamp()
where owner = any (:owners) and state = 'open'
returning owner, quantity
-- step: displace
with need as (
    select * from unnest(cast(:products as bigint[]), cast(:warehouses as text[]), cast(:quantities as bigint[]))
        u (product_id, warehouse, pieces)
), ranked as (
    select r.reservation_id, r.quantity, n.pieces,
           sum(r.quantity) over (partition by r.product_id, r.warehouse order by r.placed_at desc, r.reservation_id desc) - r.quantity as newer
    from need n
    join cloudsales.reservation r on r.product_id = n.product_id and r.warehouse = n.warehouse and r.state = 'open'
), hit as (
    select reservation_id, quantity, least(quantity, pieces - newer)::integer as taken from ranked where newer < pieces
)
update cloudsales.reservation r
set state = case when h.taken = h.quantity then 'displaced' else 'split' end, ended_at = clock_timestamp()
from hit h
where h.reservation_id = r.reservation_id
returning r.reservation_id, h.taken
-- step: keep_the_rest
insert into cloudsales.reservation (owner, product_id, warehouse, quantity, placed_at)
select r.owner, r.product_id, r.warehouse, r.quantity - t.taken, r.placed_at
from unnest(cast(:ids as bigint[]), cast(:taken as integer[])) t (reservation_id, taken)
join cloudsales.reservation r using (reservation_id)
where r.quantity > t.taken
-- step: tell
insert into cloudsales.event (kind, reference, product_id, warehouse, quantity)
select 'reservation_displaced', r.owner, r.product_id, r.warehouse, t.taken
from unnest(cast(:ids as bigint[]), cast(:taken as integer[])) t (reservation_id, taken)
join cloudsales.reservation r using (reservation_id)
order by r.reservation_id
-- step: give_back
with need as (
    select * from unnest(cast(:owners as text[]), cast(:quantities as bigint[])) u (owner, pieces)
), ranked as (
    select r.reservation_id, r.quantity, n.pieces,
           sum(r.quantity) over (partition by r.owner order by r.reservation_id desc) - r.quantity as newer
    from need n join cloudsales.reservation r on r.owner = n.owner and r.state = 'open'
), hit as (
    select reservation_id, quantity, least(quantity, pieces - newer)::integer as taken from ranked where newer < pieces
)
update cloudsales.reservation r
set state = case when h.taken = h.quantity then 'released' else 'split' end, ended_at = clock_timestamp()
from hit h
where h.reservation_id = r.reservation_id
returning r.reservation_id, r.product_id, r.warehouse, h.taken
