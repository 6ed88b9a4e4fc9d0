-- step: claim
insert into cloudsales.stock_file (channel, name, content_hash, bytes, state)
values (:channel, :name, :hash, :bytes, 'taken')
on conflict (channel, content_hash) do update
set state = 'taken', name = excluded.name, refusal = null, archived_as = null, taken_at = clock_timestamp()
where stock_file.state = 'refused'
returning file_id
-- step: before
select file_id, rows_in, loaded, unchanged, quarantined from cloudsales.stock_file where channel = :channel and content_hash = :hash
-- step: count
update cloudsales.stock_file set rows_in = :rows_in, loaded = :loaded, unchanged = :unchanged, quarantined = :quarantined
where file_id = :file_id
-- step: summary
insert into cloudsales.run_summary (stage, channel, started_at, finished_at, rows_in, loaded, unchanged, quarantined)
values (:stage, :channel, now(), clock_timestamp(), :rows_in, :loaded, :unchanged, :quarantined)
-- step: quarantine
insert into cloudsales.quarantine (stage, channel, reference, reason, detail)
select 'stock', :channel, r.reference, r.reason, r.detail
from jsonb_to_recordset(cast(:rows as jsonb)) as r (reference text, reason text, detail jsonb)
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail
-- step: settle
update cloudsales.quarantine q set resolved_at = now(), resolution = 'resolved'
from unnest(cast(:reference as text[]), cast(:warehouse as text[]), cast(:sku as text[]), cast(:reason as text[]))
    s (reference, warehouse, sku, reason)
where q.stage = 'stock' and q.resolved_at is null and q.detail ->> 'reference' = s.reference
  and q.detail ->> 'warehouse' = s.warehouse and q.detail ->> 'sku' = s.sku and q.detail ->> 'reason' = s.reason
