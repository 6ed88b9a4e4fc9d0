-- How publishing goes, by channel. Both cost what waits, through the partial indexes on publication: one is over what is due, the
-- other over the rest that waits, so a query for both at once would read every publication.

-- step: overdue
select count(*)::integer from (
    select waiting_since, changed_at from cloudsales.publication where channel = :channel and state = 'due'
    union all
    select waiting_since, changed_at from cloudsales.publication where channel = :channel and state = 'pending'
) p
where coalesce(waiting_since, changed_at) < clock_timestamp() - make_interval(secs => :seconds)

-- step: reach
select c.channel, w.waiting, w.held, s.hold_since, s.reached_at, s.failing_since, s.failure,
       case when w.waiting > 0 then clock_timestamp() - greatest(w.since, s.reached_at) end as unreached
from unnest(cast(:channels as text[])) as c (channel)
left join cloudsales.stock_channel s on s.channel = c.channel
cross join lateral (
    select count(*) filter (where p.state in ('due', 'pending'))::integer as waiting,
           count(*) filter (where p.state = 'held')::integer as held,
           min(coalesce(p.waiting_since, p.changed_at)) filter (where p.state in ('due', 'pending')) as since
    from (
        select state, waiting_since, changed_at from cloudsales.publication where channel = c.channel and state = 'due'
        union all
        select state, waiting_since, changed_at from cloudsales.publication where channel = c.channel and state in ('held', 'pending')
    ) p) w
order by c.channel
