-- Waybills from intent to number. A claim is committed before the courier is called; no transaction is open while it is.

-- step: couriers
select distinct courier from cloudsales.waybill w
where (state in ('intended', 'unknown') and due_at <= :now)
   or (state = 'created' and due_at <= :now and reason is distinct from 'cancel_refused'
       and exists (select from cloudsales.sales_order o where o.order_id = w.order_id and o.status = 'cancelled'))
order by courier

-- step: drop
-- Wanted no more before anybody was called.
update cloudsales.waybill w
set state = 'cancelled', reason = 'order_' || o.status, ended_at = :now
from cloudsales.sales_order o
where w.state = 'intended' and o.order_id = w.order_id and o.status in ('cancelled', 'expired', 'returned')
returning w.order_id

-- step: reap
-- Whose maker's lock nobody holds: it was killed, or lost its session, in the middle of a call. Nobody knows how far that came.
-- Nor where it has been at it for longer than any call lasts: a server may take hours to notice that a machine is gone.
with owners as materialized (
    select distinct claimed_by from cloudsales.waybill where state = 'creating'
), gone as materialized (
    select claimed_by from owners o
    where not exists (
        select 1 from pg_locks l
        where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
          and l.database = (select oid from pg_database where datname = current_database())
          and l.classid = cast(:lock as oid) and l.objid = cast(hashtext(o.claimed_by)::bigint & 4294967295 as oid))
)
update cloudsales.waybill w
set state = 'unknown', reason = 'interrupted', due_at = w.claimed_at + make_interval(secs => :look_up_after)
where w.state = 'creating'
  and (w.claimed_by is null or w.claimed_by in (select claimed_by from gone) or w.claimed_at < cast(:now as timestamptz) - make_interval(secs => :stale))
returning w.waybill_id

-- step: claim
-- The next of a courier: to be created, or to be looked up. Halted: channels for which rules issue nothing now. Who looks one up keeps others from it for a while; it stays unknown.
with due as (
    select w.waybill_id, w.state
    from cloudsales.waybill w join cloudsales.sales_order o using (order_id)
    where w.courier = :courier and w.state in ('intended', 'unknown') and w.due_at <= :now
      and (w.state = 'unknown' or (o.status in ('new', 'paid', 'issued') and (w.rule = '' or o.channel <> all (cast(:halted as text[])))))
      and not exists (select from cloudsales.courier_standing s where s.courier = :courier and s.paused_until > :now)
    order by w.due_at, w.waybill_id limit 1
    for update of w skip locked
), claimed as (
    update cloudsales.waybill w
    set state = case d.state when 'intended' then 'creating' else d.state end,
        attempts = least(32000, w.attempts + 1),
        claimed_by = case d.state when 'intended' then :key else w.claimed_by end,
        claimed_at = case d.state when 'intended' then :now else w.claimed_at end,
        due_at = case d.state when 'intended' then w.due_at else cast(:now as timestamptz) + make_interval(secs => :look_up_lasts) end
    from due d where w.waybill_id = d.waybill_id
    returning w.*
)
select c.waybill_id, c.order_id, o.channel, o.external_id, o.status, c.state, c.courier, c.service, c.reference, c.attempts, c.intended_at,
       c.weight_grams, c.cash_on_delivery, c.currency, c.locker_id, o.delivery_method, o.county, b.name as buyer, b.phone, b.email,
       b.company_name, b.delivery, b.erased_at
from claimed c join cloudsales.sales_order o using (order_id) left join personal.buyer b using (order_id)

-- step: made
-- Whoever has a number for our reference is believed, unless another's call is under way. With all that follows from it.
with made as (
    update cloudsales.waybill w
    set state = 'created', number = :number, barcodes = cast(:barcodes as text[]), created_at = :now, due_at = :now, label_due_at = :now,
        attempts = 0, reason = null, cost = case when w.currency = :cost_currency then cast(:cost as numeric) end
    where w.waybill_id = :waybill_id
      and (w.state in ('intended', 'unknown') or (w.state = 'creating' and w.claimed_by = :key))
      and not exists (select from cloudsales.waybill t where t.courier = w.courier and t.number = :number)
    returning w.waybill_id, w.order_id, w.courier, w.number, w.parcel, w.parcels
), handover as (
    insert into cloudsales.document_handover (order_id, waybill_id, state)
    select order_id, waybill_id, case when :hand_over then 'due' else 'not_needed' end from made
), frozen as (
    update cloudsales.sales_order o set frozen_at = clock_timestamp()
    from made m where o.order_id = m.order_id and o.frozen_at is null
), told as (
    insert into cloudsales.event (kind, channel, reference, detail)
    select 'waybill_created', o.channel, o.channel || '/' || o.external_id,
           jsonb_build_object('courier', m.courier, 'number', m.number, 'parcel', m.parcel, 'parcels', m.parcels)
    from made m join cloudsales.sales_order o using (order_id)
)
select order_id from made

-- step: complete
-- Whether each parcel of the order has a waybill.
select coalesce(count(distinct parcel) filter (where number is not null) = max(parcels), false)
from cloudsales.waybill where order_id = :order_id and state not in ('failed', 'cancelled')

-- step: standing
select w.waybill_id, w.order_id, o.channel, o.external_id, w.state, w.courier, w.number, w.reference,
       (select t.reference from cloudsales.waybill t where t.courier = w.courier and t.number = :number and t.waybill_id <> w.waybill_id) as has_it
from cloudsales.waybill w join cloudsales.sales_order o using (order_id) where w.waybill_id = :waybill_id

-- step: not_made
update cloudsales.waybill
set state = :state, reason = :reason, due_at = :due_at, ended_at = case when :state = 'failed' then cast(:now as timestamptz) end
where waybill_id = :waybill_id and ((state in ('creating', 'unknown') and claimed_by = :key) or (:looked_up and state = 'unknown'))
returning waybill_id

-- step: settle
-- What stood in quarantine of these orders' waybills, where none of their parcels is left without one now.
update cloudsales.quarantine q set resolved_at = clock_timestamp(), resolution = 'resolved'
from cloudsales.sales_order o
where q.stage = 'documents' and q.resolved_at is null and q.channel = o.channel and q.reference = o.external_id
  and o.order_id = any (:orders) and q.reason in ('waybill_refused', 'waybill_given_up', 'buyer_without_address')
  and not exists (
      select from cloudsales.waybill f
      where f.order_id = o.order_id and f.state = 'failed' and o.status not in ('cancelled', 'expired', 'returned')
        and not exists (select from cloudsales.waybill l
                        where l.order_id = f.order_id and l.parcel = f.parcel and l.state not in ('failed', 'cancelled')))

-- step: falter
-- The courier does not answer as it should: all wait, the longer the longer it has been so.
insert into cloudsales.courier_standing as s (courier, failing_since, paused_until, failure)
values (:courier, :now, greatest(cast(:now as timestamptz) + make_interval(secs => :pause), cast(:until as timestamptz)), :reason)
on conflict (courier) do update
set failing_since = coalesce(s.failing_since, excluded.failing_since), failure = excluded.failure,
    paused_until = greatest(excluded.paused_until, cast(:now as timestamptz)
        + least(make_interval(secs => :longest), cast(:now as timestamptz) - coalesce(s.failing_since, cast(:now as timestamptz))))

-- step: answers
update cloudsales.courier_standing set failing_since = null, paused_until = null, failure = null
where courier = :courier and failing_since is not null

-- step: taken
-- The courier named a number that another of our waybills has: what it did for this one nobody knows.
update cloudsales.waybill set state = 'unknown', reason = 'number_taken', due_at = :due_at
where waybill_id = :waybill_id and state in ('intended', 'creating', 'unknown')

-- step: missing
-- It can't be used: it stands in quarantine, and is tried again in a while, or when somebody asks for it.
with rests as (
    insert into cloudsales.courier_standing as s (courier, failing_since, paused_until, failure)
    values (:courier, :now, cast(:now as timestamptz) + make_interval(secs => :pause), 'not_set_up')
    on conflict (courier) do update set failing_since = coalesce(s.failing_since, excluded.failing_since),
        paused_until = excluded.paused_until, failure = excluded.failure
)
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
values ('documents', '', 'couriers.' || :courier, 'courier_not_set_up', jsonb_build_object('what', cast(:what as text)))
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail

-- step: found
with rested as (
    update cloudsales.courier_standing set failing_since = null, paused_until = null, failure = null
    where failure = 'not_set_up' and courier <> all (cast(:missing as text[]))
)
update cloudsales.quarantine set resolved_at = clock_timestamp(), resolution = 'resolved'
where stage = 'documents' and resolved_at is null and reason = 'courier_not_set_up' and channel = ''
  and reference <> all (select 'couriers.' || name from unnest(cast(:missing as text[])) u (name))

-- step: due
-- Whether a run would find something to do now; a courier that rests, or can't be used, starts none.
with asked as materialized (
    select c.courier, make_interval(secs => c.every) as every, s.tracked_until
    from (select courier, every from jsonb_to_recordset(cast(:couriers as jsonb)) c (courier text, every double precision)
          union all
          select distinct w.courier, 0 from cloudsales.waybill w  -- one that the settings lack is told of once
          where w.state in ('intended', 'unknown') and w.courier <> all (cast(:names as text[]))) c
    left join cloudsales.courier_standing s using (courier)
    where s.paused_until is null or s.paused_until <= :now
)
select exists (select from asked join cloudsales.waybill w using (courier) join cloudsales.sales_order o using (order_id)
               where w.due_at <= :now and (
                   w.state = 'unknown'
                   or (w.state = 'creating' and w.claimed_at <= cast(:now as timestamptz) - make_interval(secs => :longest_call))
                   or (w.state = 'intended' and (o.status in ('cancelled', 'expired', 'returned')
                       or (o.status in ('new', 'paid', 'issued') and (w.rule = '' or o.channel <> all (cast(:halted as text[])))))))
                 and w.state in ('intended', 'creating', 'unknown'))
       or exists (select from asked join cloudsales.waybill w using (courier) join cloudsales.sales_order o using (order_id)
                  where w.state = 'created' and o.status = 'cancelled' and w.due_at <= :now and w.reason is distinct from 'cancel_refused')
           as waybills,
       exists (select from asked join cloudsales.waybill w using (courier) left join personal.buyer b using (order_id)
               where w.state = 'created' and w.label_file_id is null and w.label_due_at <= :now and w.label_attempts < :label_attempts
                 and b.erased_at is null) as labels,
       exists (select from asked a join cloudsales.waybill w using (courier)
               where w.state in ('created', 'shipped', 'in_locker')
                 and w.created_at > cast(:now as timestamptz) - make_interval(secs => :track_for)
                 and (w.tracked_at is null or coalesce(a.tracked_until, w.tracked_at) <= cast(:now as timestamptz) - a.every)) as parcels

-- step: to_cancel
-- Made for orders that were cancelled since. Taking back twice does no harm, so a claim is a while that it is left alone.
with due as (
    select w.waybill_id
    from cloudsales.waybill w join cloudsales.sales_order o using (order_id)
    where w.courier = :courier and w.state = 'created' and o.status = 'cancelled' and w.due_at <= :now
      and w.reason is distinct from 'cancel_refused'
      and not exists (select from cloudsales.courier_standing s where s.courier = :courier and s.paused_until > :now)
    order by w.due_at, w.waybill_id limit 1 for update of w skip locked
)
update cloudsales.waybill w
set due_at = cast(:now as timestamptz) + make_interval(secs => :look_up_lasts), attempts = least(32000, w.attempts + 1)
from due d, cloudsales.sales_order o where w.waybill_id = d.waybill_id and o.order_id = w.order_id
returning w.waybill_id, w.order_id, o.channel, o.external_id, o.status, w.courier, w.number, w.reference, w.attempts

-- step: cancelled
with gone as (
    update cloudsales.waybill set state = 'cancelled', reason = :reason, ended_at = :now
    where waybill_id = :waybill_id and state in ('created', 'unknown', 'intended')
    returning waybill_id, order_id, courier, number, parcel, parcels
), handover as (
    update cloudsales.document_handover h set state = 'not_needed' from gone g where h.waybill_id = g.waybill_id and h.state = 'due'
)
insert into cloudsales.event (kind, channel, reference, detail)
select 'waybill_cancelled', o.channel, o.channel || '/' || o.external_id,
       jsonb_build_object('courier', g.courier, 'number', g.number, 'parcel', g.parcel, 'parcels', g.parcels)
from gone g join cloudsales.sales_order o using (order_id)
returning event_id

-- step: not_cancelled
update cloudsales.waybill set reason = :reason, due_at = :due_at where waybill_id = :waybill_id and state = 'created'
