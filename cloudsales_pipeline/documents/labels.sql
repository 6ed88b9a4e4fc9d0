-- Labels: fetched by whoever finds them missing.

-- step: couriers
select distinct courier from cloudsales.waybill
where state = 'created' and label_file_id is null and label_due_at <= :now and label_attempts < :most order by courier

-- step: claim
-- Fetching twice does no harm, so a claim is a while that they are left alone. Of an erased person nothing is fetched any more.
with due as (
    select w.waybill_id
    from cloudsales.waybill w left join personal.buyer b using (order_id)
    where w.courier = :courier and w.state = 'created' and w.label_file_id is null and w.label_due_at <= :now and w.label_attempts < :most
      and b.erased_at is null
      and not exists (select from cloudsales.courier_standing s where s.courier = :courier and s.paused_until > :now)
    order by w.label_due_at, w.waybill_id limit :batch
    for update of w skip locked
)
update cloudsales.waybill w
set label_due_at = cast(:now as timestamptz) + make_interval(secs => :lasts), label_attempts = w.label_attempts + 1
from due d, cloudsales.sales_order o where w.waybill_id = d.waybill_id and o.order_id = w.order_id
returning w.waybill_id, w.order_id, o.channel, o.external_id, o.status, w.courier, w.number, w.reference, w.label_attempts as attempts

-- step: wanted
-- Those that still want theirs, their orders locked: a person may have been erased, or another been faster.
select w.waybill_id from cloudsales.waybill w left join personal.buyer b using (order_id)
where w.waybill_id = any (:waybills) and w.label_file_id is null and b.erased_at is null
order by w.waybill_id for update of w

-- step: keep
update cloudsales.waybill w set label_file_id = k.file_id
from unnest(cast(:waybills as bigint[]), cast(:files as bigint[])) k (waybill_id, file_id) where w.waybill_id = k.waybill_id

-- step: later
-- Not counted: the courier was away.
update cloudsales.waybill w set label_due_at = k.due_at, label_attempts = greatest(0, w.label_attempts - case when k.counts then 0 else 1 end)
from jsonb_to_recordset(cast(:rows as jsonb)) k (waybill_id bigint, due_at timestamptz, counts boolean)
where w.waybill_id = k.waybill_id and w.label_file_id is null

-- step: settle
update cloudsales.quarantine q set resolved_at = clock_timestamp(), resolution = 'resolved'
from cloudsales.sales_order o
where q.stage = 'documents' and q.resolved_at is null and q.channel = o.channel and q.reference = o.external_id
  and o.order_id = any (:orders) and q.reason = 'label_refused'
  and not exists (select from cloudsales.waybill w where w.order_id = o.order_id and w.state = 'created'
                    and w.label_file_id is null and w.label_attempts > 0)

-- step: again
-- On a person's word.
update cloudsales.waybill set label_attempts = 0, label_due_at = :now where waybill_id = :waybill_id and label_file_id is null
