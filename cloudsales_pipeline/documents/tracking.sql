-- Where parcels are, as couriers say.

-- step: couriers
select distinct courier from cloudsales.waybill
where state in ('created', 'shipped', 'in_locker') and created_at > cast(:now as timestamptz) - make_interval(secs => :track_for) order by courier

-- step: standing
-- How far events were read, whether the courier rests, and since when there has been a parcel to ask about.
select s.tracked_until, coalesce(s.paused_until > :now, false) as paused,
       (select min(w.created_at) from cloudsales.waybill w
        where w.courier = :courier and w.state in ('created', 'shipped', 'in_locker')
          and w.created_at > cast(:now as timestamptz) - make_interval(secs => :track_for)) as first_made
from (select 1) one left join cloudsales.courier_standing s on s.courier = :courier

-- step: numbers
select waybill_id, number from cloudsales.waybill
where courier = :courier and state in ('created', 'shipped', 'in_locker') and (tracked_at is null or tracked_at <= :before)
  and created_at > cast(:now as timestamptz) - make_interval(secs => :track_for)
order by tracked_at nulls first, waybill_id limit :batch

-- step: lock
select waybill_id from cloudsales.waybill
where courier = :courier and (number = any (:numbers) or waybill_id = any (:asked)) order by waybill_id for update

-- step: store
-- Each event once. A parcel's state goes forward alone: what comes late is kept, and moves nothing back (F-18).
with rank (state, rank) as (
    values ('created', 0), ('shipped', 1), ('in_locker', 2), ('lost', 3), ('delivered', 4), ('returned', 5)
), said as (
    select distinct on (w.waybill_id, e.occurred_at, e.code) w.waybill_id, e.occurred_at, e.code, coalesce(e.state, '') as state
    from jsonb_to_recordset(cast(:events as jsonb)) e (number text, occurred_at timestamptz, code text, state text)
    join cloudsales.waybill w on w.courier = :courier and w.number = e.number
    order by w.waybill_id, e.occurred_at, e.code, e.state
), fresh as (
    insert into cloudsales.waybill_event (waybill_id, occurred_at, code, state)
    select waybill_id, occurred_at, code, state from said
    on conflict do nothing returning waybill_id, state
), further as (
    select distinct f.waybill_id, w.order_id, r.state, r.rank
    from fresh f join rank r using (state) join cloudsales.waybill w using (waybill_id) join rank b on b.state = w.state
    where r.rank > b.rank
), top as (
    select waybill_id, max(rank) as rank from further group by waybill_id
), moved as (
    update cloudsales.waybill w set state = r.state, ended_at = case when r.rank >= 3 then cast(:now as timestamptz) end
    from top t join rank r using (rank) where w.waybill_id = t.waybill_id
    returning w.waybill_id, w.ended_at
), all_of as (
    -- How far the last of an order's parcels is.
    select w.order_id, min(coalesce(t.rank, b.rank, -1)) as rank
    from cloudsales.waybill w left join top t using (waybill_id) left join rank b on b.state = w.state
    where w.order_id in (select order_id from further) and w.state not in ('failed', 'cancelled')
    group by w.order_id
), told as (
    insert into cloudsales.event (kind, channel, reference, detail)
    select 'waybill_' || f.state, o.channel, o.channel || '/' || o.external_id,
           jsonb_build_object('courier', w.courier, 'number', w.number, 'parcel', w.parcel, 'parcels', w.parcels, 'all', a.rank >= f.rank)
    from further f join top t using (waybill_id) join all_of a on a.order_id = f.order_id
    join cloudsales.waybill w using (waybill_id) join cloudsales.sales_order o on o.order_id = f.order_id
    where f.state <> 'lost' or f.rank = t.rank
    order by f.waybill_id, f.rank
), against as (
    insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
    select distinct on (o.order_id) 'documents', o.channel, o.external_id, 'cancelled_but_moving',
           jsonb_build_object('courier', w.courier, 'number', w.number, 'waybill', w.reference)
    from fresh f join cloudsales.waybill w using (waybill_id) join cloudsales.sales_order o using (order_id)
    where w.state = 'cancelled' and f.state in ('shipped', 'in_locker', 'delivered')
    on conflict (stage, channel, reference, reason) where resolved_at is null do nothing
)
select (select count(*) from fresh) as events, (select count(*) from moved) as moved, (select count(ended_at) from moved) as ended

-- step: asked
update cloudsales.waybill set tracked_at = :now where waybill_id = any (:asked)

-- step: read_until
insert into cloudsales.courier_standing as s (courier, tracked_until) values (:courier, :until)
on conflict (courier) do update set tracked_until = excluded.tracked_until where s.tracked_until is distinct from excluded.tracked_until
