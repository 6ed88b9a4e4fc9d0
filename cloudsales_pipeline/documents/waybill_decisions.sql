-- What people see and say of waybills.

-- step: list
select w.reference, w.courier, w.number, w.state, w.reason, w.parcel, w.parcels, w.cash_on_delivery, w.cost, w.currency, w.intended_at,
       w.created_at, w.ended_at, w.label_file_id is not null as labelled
from cloudsales.waybill w
where (cast(:state as text) is null or w.state = :state)
order by w.state in ('unknown', 'failed') desc, w.waybill_id desc limit :limit

-- step: find
select w.waybill_id, w.order_id, o.channel, o.external_id, o.status, w.state, w.courier, w.number, w.reference, w.attempts
from cloudsales.waybill w join cloudsales.sales_order o using (order_id)
where w.reference = :name or w.number = :name order by w.waybill_id

-- step: show
select w.reference, w.courier, w.service, w.number, w.state, w.reason, w.parcel, w.parcels, w.barcodes, w.weight_grams, w.cash_on_delivery,
       w.cost, w.currency, w.locker_id, w.rule, w.facts, w.attempts, w.due_at, w.intended_at, w.claimed_at, w.created_at, w.tracked_at,
       w.ended_at, w.label_file_id is not null as labelled, h.state as handover,
       (select coalesce(jsonb_agg(jsonb_build_object('at', e.occurred_at, 'code', e.code, 'state', e.state) order by e.occurred_at, e.code), '[]')
        from cloudsales.waybill_event e where e.waybill_id = w.waybill_id) as events
from cloudsales.waybill w left join cloudsales.document_handover h using (waybill_id) where w.waybill_id = :waybill_id

-- step: label
select label_file_id from cloudsales.waybill where waybill_id = :waybill_id

-- step: said_failed
update cloudsales.waybill set state = 'failed', reason = 'said_by_hand', ended_at = :now
where waybill_id = :waybill_id and state = 'unknown' returning waybill_id

-- step: dropped
update cloudsales.waybill set state = 'cancelled', reason = 'by_hand', ended_at = :now
where waybill_id = :waybill_id and state = 'intended' returning waybill_id

-- step: retry
update cloudsales.waybill w set state = 'intended', reason = 'retried_by_hand', attempts = 0, due_at = :now, ended_at = null
where w.waybill_id = :waybill_id and w.state = 'failed'
  and not exists (select from cloudsales.waybill l where l.order_id = w.order_id and l.parcel = w.parcel and l.state not in ('failed', 'cancelled'))
returning w.waybill_id
