-- What an import leaves behind beside the listing: quarantine, figures, the channel's watermark. With :channel, :import_id,
-- :full, :now, :started_at, :run_id and the figures.

-- step: findings
-- unreadable, rejected, loser -> finding: this import's quarantine rows
create temporary table finding on commit drop as
select distinct on (reference, reason) reference, reason, detail
from (
    select reference, reason, jsonb_build_object('product', nullif(external_id, ''), 'found', detail) as detail from unreadable
    union all
    select reference, reason, jsonb_build_object('product', external_id, 'found', detail) from rejected
    union all
    select variant_id, 'duplicate_variant',
           jsonb_build_object('product', external_id, 'kept', keeper, 'found', 'an earlier product shows the same variant')
    from loser
) found
order by reference, reason, detail;

-- step: resolved
-- quarantine: closed where the product is now read and no longer at fault, or where a full listing no longer shows it
update cloudsales.quarantine q set resolved_at = :now, resolution = 'resolved'
where q.stage = 'listing' and q.channel = :channel and q.resolved_at is null and not q.detail ? 'category'
  and not exists (select from finding f where f.reference = q.reference and f.reason = q.reason)
  and (exists (select from winner w where w.external_id = q.detail ->> 'product')
       or (:full
           and not exists (select from untouched u where u.external_id = q.detail ->> 'product')
           and not exists (select from unreadable r where r.external_id = q.detail ->> 'product')));

-- step: decided_no_more
-- quarantine of matching: closed for listings that the channel no longer shows
update cloudsales.quarantine q set resolved_at = :now, resolution = 'resolved'
from gone g join cloudsales.listing l on l.listing_id = g.listing_id
where q.stage = 'match' and q.channel = :channel and q.reference = l.variant_id and q.resolved_at is null;

-- step: quarantined
-- finding -> quarantine; what a person dismissed stays dismissed as long as it is the same
insert into cloudsales.quarantine (stage, channel, reference, reason, detail, first_seen_at)
select 'listing', :channel, f.reference, f.reason, jsonb_strip_nulls(f.detail), :now
from finding f
where not exists (
    select from cloudsales.quarantine d
    where d.stage = 'listing' and d.channel = :channel and d.reference = f.reference and d.reason = f.reason
      and d.resolution = 'dismissed' and d.detail = jsonb_strip_nulls(f.detail))
on conflict (stage, channel, reference, reason) where resolved_at is null do update set detail = excluded.detail
where quarantine.detail <> excluded.detail;

-- step: summary
insert into cloudsales.run_summary (stage, channel, run_id, started_at, finished_at, rows_in, loaded, unchanged, quarantined)
values ('listing', :channel, :run_id, :started_at, clock_timestamp(), :rows_in, :loaded, :unchanged, :quarantined);

-- step: stored
update cloudsales.listing_import set state = 'stored', finished_at = :now, rows_in = :rows_in, loaded = :loaded,
       unchanged = :unchanged, quarantined = :quarantined, missing = :missing
where import_id = :import_id;

-- step: channel
-- An import that showed nothing new says nothing of the channel's clock: the watermark stays where it is.
-- A time beyond our own clock is not trusted as a watermark: one wrong year would hide every later change from a delta.
update cloudsales.channel c set
    listing_seen_at = case when :full then :now else c.listing_seen_at end,
    listing_watermark = greatest(c.listing_watermark,
        case when i.latest_update is not null then least(i.latest_update, i.started_at) end)
from cloudsales.listing_import i
where i.import_id = :import_id and c.channel = i.channel;
