-- How publishing goes, by channel. Both cost what waits, through the partial indexes on publication.

-- step: overdue
select count(*)::integer from cloudsales.publication
where channel = :channel and state in ('due', 'pending')
  and coalesce(waiting_since, changed_at) < clock_timestamp() - make_interval(secs => :seconds)

-- step: reach
select c.channel, w.waiting, w.held, s.hold_since, s.reached_at, s.failing_since, s.failure,
       case when w.waiting > 0 then clock_timestamp() - greatest(w.since, s.reached_at) end as unreached
from unnest(cast(:channels as text[])) as c (channel)
left join cloudsales.stock_channel s on s.channel = c.channel
cross join lateral (
    select count(*) filter (where p.state in ('due', 'pending'))::integer as waiting,
           count(*) filter (where p.state = 'held')::integer as held,
           min(coalesce(p.waiting_since, p.changed_at)) filter (where p.state in ('due', 'pending')) as since
    from cloudsales.publication p where p.channel = c.channel and p.state in ('due', 'held', 'pending')) w
order by c.channel
