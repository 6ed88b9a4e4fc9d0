-- Orders as they came.

-- step: store
insert into personal.order_payload (channel, external_id, revision, changed_at, content_hash, payload)
select :channel, u.external_id, u.revision, u.changed_at, u.content_hash, u.payload
from unnest(cast(:ids as text[]), cast(:revisions as bigint[]), cast(:times as timestamptz[]), cast(:hashes as bytea[]),
            cast(:payloads as bytea[])) with ordinality u (external_id, revision, changed_at, content_hash, payload, place)
order by u.place
on conflict (channel, external_id, revision, content_hash) do nothing
