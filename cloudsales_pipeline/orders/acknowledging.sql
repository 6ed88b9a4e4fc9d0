-- Orders that their channel has to be told of.

-- step: due
select order_id, external_id from cloudsales.sales_order
where channel = :channel and acknowledgement in ('due', 'locked') and acknowledge_after <= clock_timestamp()
order by acknowledge_after, order_id limit :limit

-- step: mark
update cloudsales.sales_order o
set acknowledgement = case when u.state = 'failed' then o.acknowledgement else u.state end,
    acknowledged_at = case when u.state = 'done' then clock_timestamp() else o.acknowledged_at end,
    acknowledge_tries = least(o.acknowledge_tries + 1, 1000),
    acknowledge_after = case when u.state in ('failed', 'locked')
        then clock_timestamp() + least(interval '10 seconds' * 2 ^ least(o.acknowledge_tries, 9), interval '1 hour') else o.acknowledge_after end
from (select s.order_id, u.state
      from jsonb_to_recordset(cast(:rows as jsonb)) u (order_id bigint, state text)
      join cloudsales.sales_order s using (order_id)
      where s.acknowledgement in ('due', 'locked')
      order by s.channel, s.external_id for update of s) u
where o.order_id = u.order_id
returning o.order_id

-- step: not_needed
update cloudsales.sales_order set acknowledgement = 'not_needed' where channel = :channel and acknowledgement in ('due', 'locked')
