-- step: known
select file_id, name, content_hash, bytes, state, rows_in, loaded, unchanged, quarantined, refusal, taken_at, archived_as
from cloudsales.stock_file where channel = :channel and content_hash = :hash
-- step: pending
select file_id, name, content_hash, bytes, state, rows_in, loaded, unchanged, quarantined, refusal, taken_at, archived_as
from cloudsales.stock_file where channel = :channel and archived_as is null order by file_id
-- step: refuse
insert into cloudsales.stock_file (channel, name, content_hash, bytes, state, refusal)
values (:channel, :name, :hash, :bytes, 'refused', :refusal)
on conflict (channel, content_hash) do update
set name = excluded.name, refusal = excluded.refusal, taken_at = clock_timestamp(), archived_as = null
where stock_file.state = 'refused'
-- step: held
select cast(detail ->> 'row' as integer) as "row", reason from cloudsales.quarantine
where stage in ('stock', 'purchasing') and channel = :channel and detail ->> 'file_id' = cast(:file_id as text)
order by 1, 2
-- step: archived
update cloudsales.stock_file set archived_as = :where where file_id = :file_id and archived_as is null
-- step: to_archive
select channel, max(file_id) as file_id from cloudsales.stock_file
where channel = any (:channels) and archived_as is null group by channel
