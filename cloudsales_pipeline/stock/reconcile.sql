-- What a channel really shows, beside what it acknowledged. Nothing here needs the channel's lease: see stock.reconcile.

-- step: cursor
select reconcile_after from cloudsales.stock_channel where channel = :channel

-- step: next
select publication_id, variant_id, version, acknowledged_at, state
from cloudsales.publication
where channel = :channel and publication_id > :after and publication_id <= :until
  and publication_id <> all (cast(:looked as bigint[]))
  and (state = 'unknown_variant'
       or state = 'done' and acknowledged_at < clock_timestamp() - make_interval(secs => :settles))
order by publication_id limit :limit

-- step: second_looks
select publication_id, variant_id, version, acknowledged_at, state
from cloudsales.publication
where channel = :channel and publication_id > :after and state = 'done'
  and drift_since <= clock_timestamp() - make_interval(secs => :again)
  and acknowledged_at < clock_timestamp() - make_interval(secs => :settles)
order by publication_id limit :limit

-- step: lock
select count(*) from (
    select from cloudsales.publication where publication_id = any (cast(:ids as bigint[])) order by publication_id for update) locked

-- step: compare
-- The rows are locked. What is not as it was before the channel was asked is left alone: the answer may be older than the change.
with told as (
    select * from unnest(cast(:ids as bigint[]), cast(:versions as bigint[]), cast(:acknowledged as timestamptz[]),
                         cast(:states as text[]), cast(:quantities as integer[]), cast(:theirs as bigint[]))
        as t (publication_id, version, acknowledged_at, state, shown, theirs)
), judged as (
    select p.publication_id, p.channel, p.variant_id, p.product_id, p.quantity, t.shown, t.theirs, p.shown_quantity as shown_before,
           case when p.version <> t.version or p.acknowledged_at is distinct from t.acknowledged_at or p.state <> t.state then 'changed'
                when t.shown is null and not :own_listing then 'unreported'
                when p.state = 'unknown_variant' then case when t.shown is null then 'gone' else 'back' end
                when not :own_listing and coalesce(t.theirs, -1) < p.version
                     and p.acknowledged_at > clock_timestamp() - make_interval(secs => :report_holds) then 'unreported'
                when t.shown = p.quantity or t.shown is null and p.quantity = 0 then 'agrees'
                when t.shown is null then 'missing'
                when t.shown > p.quantity then 'higher'
                else 'lower' end as verdict,
           coalesce(p.drift_since > p.acknowledged_at and p.drift_since <= clock_timestamp() - make_interval(secs => :again), false)
               as again
    from told t join cloudsales.publication p using (publication_id)
), acted as (
    select j.*, case when verdict = 'higher' or verdict = 'lower' and again then 'corrected'
                     when verdict = 'missing' and again or verdict = 'gone' then 'not_shown'
                     when verdict in ('lower', 'missing') then 'suspected'
                     else verdict end as act
    from judged j
), written as (
    update cloudsales.publication p
    set shown_quantity = case when a.act in ('agrees', 'corrected') then coalesce(a.shown, p.shown_quantity) else p.shown_quantity end,
        drift_since = case when a.act in ('agrees', 'back') then null
                           when a.act = 'suspected' and p.drift_since > p.acknowledged_at then p.drift_since
                           else clock_timestamp() end,
        version = case when a.act <> 'corrected' then p.version
                       when coalesce(a.theirs, 0) < :highest then greatest(p.version, a.theirs) + 1
                       else p.version + 1 end,
        state = case when a.act = 'corrected' then 'due' else p.state end,
        urgency = case when a.act <> 'corrected' then p.urgency
                       when p.quantity = 0 then 0
                       when p.quantity <= 3 and p.quantity < a.shown then 1
                       when p.quantity < a.shown then 2
                       else 3 end,
        attempts = case when a.act = 'corrected' then 0 else p.attempts end,
        waiting_since = case when a.act = 'corrected' then clock_timestamp() else p.waiting_since end,
        retry_at = case when a.act = 'back' then clock_timestamp() else p.retry_at end
    from acted a
    where p.publication_id = a.publication_id and a.act not in ('changed', 'unreported', 'not_shown')
      and (a.act <> 'agrees' or p.drift_since is not null or a.shown <> coalesce(p.shown_quantity, -1))
), listed as (
    insert into cloudsales.channel_offer as o (channel, variant_id, kind, quantity, expected)
    select channel, variant_id, case act when 'corrected' then 'drift' else 'not_shown' end, shown, quantity
    from acted where act in ('corrected', 'not_shown') order by variant_id
    on conflict (channel, variant_id, kind) do update
    set quantity = excluded.quantity, expected = excluded.expected, resolved_at = null,
        found_at = case when o.resolved_at is null and o.kind = 'not_shown' then o.found_at else clock_timestamp() end
), resolved as (
    update cloudsales.channel_offer o set resolved_at = clock_timestamp()
    from acted a
    where o.channel = a.channel and o.variant_id = a.variant_id and o.resolved_at is null
      and (o.kind = 'drift' and a.act in ('agrees', 'not_shown')
           or o.kind = 'not_shown' and (a.act in ('agrees', 'back', 'corrected') or a.verdict = 'lower'))
), events as (
    insert into cloudsales.event (kind, channel, reference, product_id, quantity, detail)
    select 'drift_found', channel, variant_id, product_id, shown, jsonb_build_object('expected', quantity)
    from acted where act = 'corrected'
), standing as (
    update cloudsales.stock_channel
    set shown = shown + (select count(*) filter (where shown > 0) - count(*) filter (where shown_before > 0)
                         from acted where act in ('agrees', 'corrected') and shown is not null)
    where channel = :channel
), woken as (
    select pg_notify('cloudsales_stock', :channel) from acted where act = 'corrected' limit 1
)
select act, verdict, count(*)::integer as listings from acted where (select count(*) from woken) >= 0 group by act, verdict

-- step: move_on
update cloudsales.stock_channel set reconcile_after = :after where channel = :channel and reconcile_after = :before

-- step: tidy
-- What is no longer asked of a listing is no longer found at it; a ghost that got its product, or sells no more, is none.
update cloudsales.channel_offer o set resolved_at = clock_timestamp()
where o.channel = :channel and o.resolved_at is null
  and case when o.kind = 'ghost' then
          exists (select from cloudsales.publication p where p.channel = o.channel and p.variant_id = o.variant_id)
          or not exists (select from cloudsales.listing l
                         join cloudsales.listing_product s on s.channel = l.channel and s.external_id = l.product_external_id
                         where l.channel = o.channel and l.variant_id = o.variant_id
                           and l.missing_since is null and l.channel_stock > 0 and s.status = 'active')
      else not exists (select from cloudsales.publication p
                       where p.channel = o.channel and p.variant_id = o.variant_id and p.quantity is not null
                         and (o.kind <> 'not_shown' or p.quantity > 0))
      end

-- step: ghost_candidates
-- In an order that is another each day: where there are more than are read at once, all get their turn.
select l.variant_id
from cloudsales.listing l
join cloudsales.listing_product s on s.channel = l.channel and s.external_id = l.product_external_id
where l.channel = :channel and l.missing_since is null and l.channel_stock > 0 and s.status = 'active'
  and not exists (select from cloudsales.publication p where p.channel = l.channel and p.variant_id = l.variant_id)
order by hashtext(l.variant_id || current_date), l.variant_id limit :limit

-- step: ghosts
with told as (
    select * from unnest(cast(:variants as text[]), cast(:quantities as integer[])) as t (variant_id, quantity)
), sold as (
    select t.* from told t
    where t.quantity > 0
      and not exists (select from cloudsales.publication p where p.channel = :channel and p.variant_id = t.variant_id)
), listed as (
    insert into cloudsales.channel_offer as o (channel, variant_id, kind, quantity)
    select :channel, variant_id, 'ghost', quantity from sold order by variant_id
    on conflict (channel, variant_id, kind) do update
    set quantity = excluded.quantity, resolved_at = null,
        found_at = case when o.resolved_at is null then o.found_at else clock_timestamp() end
), resolved as (
    update cloudsales.channel_offer o set resolved_at = clock_timestamp()
    where o.channel = :channel and o.kind = 'ghost' and o.resolved_at is null
      and o.variant_id in (select variant_id from told) and o.variant_id not in (select variant_id from sold)
)
select count(*) from sold

-- step: never_acknowledged
with found as (
    select p.variant_id, p.shown_quantity, p.quantity
    from cloudsales.publication p
    where p.channel = :channel and p.acknowledged_version is null and p.quantity is not null
      and p.waiting_since < clock_timestamp() - make_interval(secs => :waited)
), listed as (
    insert into cloudsales.channel_offer as o (channel, variant_id, kind, quantity, expected)
    select :channel, variant_id, 'never_acknowledged', shown_quantity, quantity from found order by variant_id
    on conflict (channel, variant_id, kind) do update
    set quantity = excluded.quantity, expected = excluded.expected, resolved_at = null,
        found_at = case when o.resolved_at is null then o.found_at else clock_timestamp() end
), resolved as (
    update cloudsales.channel_offer o set resolved_at = clock_timestamp()
    where o.channel = :channel and o.kind = 'never_acknowledged' and o.resolved_at is null
      and o.variant_id not in (select variant_id from found)
)
select count(*) from found

-- step: doubt
insert into cloudsales.event (kind, channel, quantity, detail)
values ('reconciliation_doubted', :channel, :listings, jsonb_build_object('share', cast(:share as float8)))

-- step: finish
update cloudsales.stock_channel set reconciled_at = clock_timestamp() where channel = :channel
