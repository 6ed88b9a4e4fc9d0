-- What is due, what the channel said, and how publishing stands. A channel's lease is held for all of it but release_hold.

-- step: register
insert into cloudsales.stock_channel (channel)
select :channel where not exists (select from cloudsales.stock_channel where channel = :channel)
on conflict do nothing

-- step: not_before
select coalesce(greatest(extract(epoch from next_try_at - clock_timestamp()), 0), 0)::float8
from cloudsales.stock_channel where channel = :channel

-- step: anything_due
select exists (select from cloudsales.publication where channel = :channel and state = 'due')

-- step: revive
update cloudsales.publication p
set state = 'due', retry_at = null
from (select publication_id from cloudsales.publication
      where channel = :channel and state in ('rejected', 'unknown_variant') and retry_at <= clock_timestamp() and quantity is not null
      order by publication_id for update) r
where p.publication_id = r.publication_id

-- step: end_empty_hold
update cloudsales.stock_channel c
set hold_since = null, hold_listings = null, hold_share = null
where channel = :channel and hold_since is not null
  and not exists (select from cloudsales.publication p where p.channel = :channel and p.state = 'held')

-- step: claim
-- One statement, hence one moment: no zero is claimed that was not counted.
with claimed as (
    select publication_id, variant_id, quantity, version from cloudsales.publication
    where channel = :channel and state = 'due'
    order by urgency, publication_id limit :limit
)
select k.publication_id, k.variant_id, k.quantity, k.version,
       -- each a query of its own, so that it is run once and not for each row
       (select count(*) from cloudsales.publication
        where channel = :channel and state = 'due' and urgency = 0 and quantity = 0 and shown_quantity > 0) as zeros,
       (select coalesce(sum(zeroed), 0) from cloudsales.stock_push_minute
        where channel = :channel and minute > clock_timestamp() - interval '15 minutes') as zeroed,
       (select shown from cloudsales.stock_channel where channel = :channel) as shown,
       (select released_until > clock_timestamp() from cloudsales.stock_channel where channel = :channel) as released,
       (select hold_since is not null from cloudsales.stock_channel where channel = :channel) as holding
from claimed k

-- step: count_shown
select count(*) from cloudsales.publication where channel = :channel and shown_quantity > 0

-- step: remember_shown
update cloudsales.stock_channel set shown = :shown where channel = :channel

-- step: hold
-- Publications first, then the channel's row: the order that everybody keeps (F-21).
with stopped as (
    update cloudsales.publication p set state = 'held'
    from (select publication_id from cloudsales.publication
          where channel = :channel and state = 'due' and urgency = 0 and quantity = 0 and shown_quantity > 0
          order by publication_id for update) z
    where p.publication_id = z.publication_id
    returning p.publication_id
), standing as (
    update cloudsales.stock_channel
    set hold_since = coalesce(hold_since, clock_timestamp()), hold_share = :share, shown = :shown,
        hold_listings = coalesce(hold_listings, 0) + (select count(*) from stopped)
    where channel = :channel and exists (select from stopped)
)
insert into cloudsales.event (kind, channel, quantity, detail)
select 'publishing_held', :channel, count(*), jsonb_build_object('share', cast(:share as float8)) from stopped having count(*) > 0

-- step: release
-- Waiting since now: how long a person took is no lag of publishing.
update cloudsales.publication p set state = 'due', waiting_since = clock_timestamp()
from (select publication_id from cloudsales.publication where channel = :channel and state = 'held'
      order by publication_id for update) h
where p.publication_id = h.publication_id

-- step: end_hold
with standing as (
    update cloudsales.stock_channel
    set hold_since = null, hold_listings = null, hold_share = null, released_until = clock_timestamp() + interval '10 minutes'
    where channel = :channel
), told as (
    insert into cloudsales.event (kind, channel, quantity) values ('publishing_released', :channel, :released)
)
select pg_notify('cloudsales_stock', :channel)

-- step: lock
-- Unless `durable`, the commit does not wait for the disk: what a crash of the server would lose of it is sent again, with the
-- same version and figure, which does no harm. What makes a version is durable: else one that was sent could be given to another
-- figure after a crash, and the channel would take the two for one.
select count(*), set_config('synchronous_commit', case when :durable then current_setting('synchronous_commit') else 'off' end, true)
from (select from cloudsales.publication where publication_id = any (cast(:ids as bigint[])) order by publication_id for update) locked

-- step: acknowledge
-- The rows are locked: what changed since the push stays as the change left it.
with said as (
    select * from rows from (
        unnest(cast(:ids as bigint[])), unnest(cast(:versions as bigint[])), unnest(cast(:quantities as integer[])),
        unnest(cast(:outcomes as text[])), json_array_elements_text(cast(:details as json)), json_array_elements_text(cast(:tickets as json))
    ) as s (publication_id, version, quantity, outcome, detail, ticket)
), before as (
    select s.*, p.shown_quantity as shown_before, p.version > s.version as changed, s.outcome = 'set' as is_set,
           extract(epoch from clock_timestamp() - p.waiting_since)::float8 as lag
    from said s join cloudsales.publication p using (publication_id)
    where s.version > coalesce(p.acknowledged_version, -1) and s.version <= p.version
), written as (
    update cloudsales.publication p
    set state = case when b.changed then p.state when b.is_set then 'done' else b.outcome end,
        acknowledged_version = case when b.is_set then b.version else p.acknowledged_version end,
        acknowledged_quantity = case when b.is_set then b.quantity else p.acknowledged_quantity end,
        acknowledged_at = case when b.is_set then clock_timestamp() else p.acknowledged_at end,
        shown_quantity = case when b.is_set then b.quantity else p.shown_quantity end,
        lag_seconds = case when b.is_set then coalesce(b.lag, p.lag_seconds) else p.lag_seconds end,
        waiting_since = case when not b.is_set then p.waiting_since when b.changed then p.changed_at end,
        urgency = case when not (b.is_set and b.changed) then p.urgency
                       when p.quantity = 0 and b.quantity > 0 then 0
                       when p.quantity <= 3 and p.quantity < b.quantity then 1
                       when p.quantity < b.quantity then 2
                       else 3 end,
        attempts = case when b.changed then p.attempts when b.outcome = 'rejected' then least(p.attempts + 1, 20) else 0 end,
        retry_at = case when b.changed then null
                        when b.outcome = 'rejected'
                            then clock_timestamp() + make_interval(secs => least(30 * power(2, least(p.attempts, 20)), 3600))
                        when b.outcome = 'unknown_variant' then clock_timestamp() + interval '6 hours'
                        when b.outcome = 'pending' then clock_timestamp() + interval '1 second' end,
        pushed_version = b.version,
        ticket = case when b.outcome = 'pending' and not b.changed then b.ticket end,
        detail = case when not b.is_set then left(nullif(b.detail, ''), 200) end
    from before b
    where p.publication_id = b.publication_id
    returning b.outcome, b.quantity, b.shown_before, case when b.is_set then b.lag end as lag
), lags as (
    -- in floating point: ln of a numeric takes tens of microseconds, which was over half of an acknowledgement
    select least(64, greatest(1, ceil(ln(greatest(lag, 0.001) / 0.001) / ln(1.3::float8))))::integer as bucket, count(*)::integer as changes
    from written where lag is not null group by 1
), sums as (
    select count(*) filter (where outcome = 'set')::integer as acknowledged,
           count(*) filter (where outcome = 'rejected')::integer as rejected,
           count(*) filter (where outcome = 'unknown_variant')::integer as unknown_variant,
           count(*) filter (where outcome = 'pending')::integer as pending,
           count(*) filter (where outcome = 'set' and quantity = 0 and shown_before > 0)::integer as zeroed,
           coalesce(max(lag), 0)::real as longest_lag,
           coalesce(sum((quantity > 0)::integer - (coalesce(shown_before, 0) > 0)::integer) filter (where outcome = 'set'), 0)::integer
               as newly_shown
    from written
), minute as (
    insert into cloudsales.stock_push_minute as m (channel, minute, requests, pushed, acknowledged, stale, rejected,
                                                   unknown_variant, pending, zeroed, longest_lag, lag_counts)
    select :channel, date_trunc('minute', clock_timestamp()), :requests, :pushed, acknowledged, :stale, rejected,
           unknown_variant, pending, zeroed, longest_lag,
           array(select coalesce(l.changes, 0) from generate_series(1, 64) n left join lags l on l.bucket = n order by n)
    from sums
    on conflict (channel, minute) do update
    set requests = m.requests + excluded.requests, pushed = m.pushed + excluded.pushed,
        acknowledged = m.acknowledged + excluded.acknowledged, stale = m.stale + excluded.stale,
        rejected = m.rejected + excluded.rejected, unknown_variant = m.unknown_variant + excluded.unknown_variant,
        pending = m.pending + excluded.pending, zeroed = m.zeroed + excluded.zeroed,
        longest_lag = greatest(m.longest_lag, excluded.longest_lag),
        lag_counts = array(select a + b from unnest(m.lag_counts, excluded.lag_counts) with ordinality u (a, b, n) order by n)
), standing as (
    update cloudsales.stock_channel
    set shown = shown + newly_shown, reached_at = clock_timestamp(),
        failing_since = null, failures = 0, failure = null, next_try_at = null
    from sums where channel = :channel
)
select acknowledged, rejected, unknown_variant, pending from sums

-- step: raise_stale
-- The channel has seen a higher version: ours goes above it, and is due again. After the fifth time in a row it is refused like
-- any other. What has another version than the one that was sent stays as it is: it changed, or another publisher was here.
with theirs as (
    select t.*, coalesce(t.version >= :highest, false) as too_high
    from unnest(cast(:ids as bigint[]), cast(:sent as bigint[]), cast(:versions as bigint[])) as t (publication_id, sent, version)
)
update cloudsales.publication p
set version = case when t.too_high then p.version else greatest(p.version, t.version) + 1 end,
    attempts = least(p.attempts + 1, 20),
    state = case when p.attempts + 1 >= 5 or t.too_high then 'rejected' else 'due' end,
    retry_at = case when p.attempts + 1 >= 5 or t.too_high
                    then clock_timestamp() + make_interval(secs => least(30 * power(2, least(p.attempts, 20)), 3600)) end,
    ticket = null,
    detail = 'stale: the channel has seen a higher version'
from theirs t
where p.publication_id = t.publication_id and p.version = t.sent and p.state in ('due', 'pending')

-- step: failed
update cloudsales.stock_channel
set failing_since = coalesce(failing_since, clock_timestamp()),
    failures = failures + 1,
    failure = :failure,
    next_try_at = least(coalesce(cast(:retry_at as timestamptz),
                                 clock_timestamp() + make_interval(secs => least(power(2, least(failures, 10)), 60))),
                        clock_timestamp() + interval '1 hour')
where channel = :channel
returning greatest(extract(epoch from next_try_at - clock_timestamp()), 0)::float8

-- step: tickets
select ticket, array_agg(publication_id) as ids, array_agg(variant_id) as variants, array_agg(version) as versions,
       array_agg(quantity) as quantities
from cloudsales.publication
where channel = :channel and state = 'pending' and retry_at <= clock_timestamp() and ticket is not null
group by ticket order by min(retry_at) limit 50

-- step: ask_later
-- Again in 2 seconds, and the longer it lasts the later, at last once a minute. After some 1500 times, which takes a day of
-- asking, the answer is given up: it is due again, with the same version.
update cloudsales.publication
set attempts = case when attempts >= 1500 then 0 else attempts + 1 end,
    state = case when attempts >= 1500 then 'due' else state end,
    ticket = case when attempts < 1500 then ticket end,
    retry_at = case when attempts < 1500 then clock_timestamp() + make_interval(secs => least(greatest(2, attempts * 0.5), 60)) end
where publication_id = any (cast(:ids as bigint[])) and state = 'pending'

-- step: standing
-- Each by its partial index: one query over several states would read all of the channel.
select (select count(*) from cloudsales.publication where channel = :channel and state = 'due') as due,
       (select count(*) from cloudsales.publication where channel = :channel and state = 'held') as held,
       (select count(*) from cloudsales.publication where channel = :channel and state = 'pending') as pending

-- step: lately
select extract(epoch from clock_timestamp() - minute)::float8 as age, pushed from cloudsales.stock_push_minute
where channel = :channel and minute > clock_timestamp() - interval '2 minutes' and pushed > 0
order by minute

-- step: minutes
select coalesce(sum(requests), 0)::integer as requests, coalesce(sum(pushed), 0)::integer as pushed,
       coalesce(sum(acknowledged), 0)::integer as acknowledged, coalesce(sum(stale), 0)::integer as stale,
       coalesce(sum(rejected), 0)::integer as rejected, coalesce(sum(unknown_variant), 0)::integer as unknown_variant,
       coalesce(max(longest_lag), 0)::float8 as longest_lag,
       (select array_agg(total order by n) from (
            select n, sum(c)::integer as total
            from cloudsales.stock_push_minute m, unnest(m.lag_counts) with ordinality u (c, n)
            where m.channel = :channel and m.minute > clock_timestamp() - make_interval(mins => :minutes) group by n) b) as lag_counts
from cloudsales.stock_push_minute
where channel = :channel and minute > clock_timestamp() - make_interval(mins => :minutes)
