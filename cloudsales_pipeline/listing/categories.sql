-- A channel's categories: `shown` and `fault` (staged by categories.py) into listing_category and quarantine. With :channel,
-- :now, :started_at, :run_id and, for the summary, the counts.

-- step: counts
-- before anything is written; a member of a cycle is stored and counts as quarantined
with compared as (
    select exists (select from fault f where f.reference = s.category_id) as at_fault,
           c.category_id is not null and c.missing_since is null
           and (c.parent_id, c.name, c.path) is not distinct from (s.parent_id, s.name, s.path) as same
    from shown s
    left join cloudsales.listing_category c on c.channel = :channel and c.category_id = s.category_id
), counted as (
    select count(*) filter (where not at_fault and not same) as loaded,
           count(*) filter (where not at_fault and same) as unchanged,
           (select count(*) from fault) as quarantined
    from compared
)
select loaded + unchanged + quarantined as rows_in, loaded, unchanged, quarantined,
       (select count(*) from cloudsales.listing_category c
        where c.channel = :channel and c.missing_since is null
          and not exists (select from shown s where s.category_id = c.category_id)
          and not exists (select from fault f where f.reference = c.category_id)) as missing
from counted;

-- step: loaded
insert into cloudsales.listing_category as old (channel, category_id, parent_id, name, path, first_seen_at, changed_at)
select :channel, category_id, parent_id, name, path, :now, :now from shown order by category_id
on conflict (channel, category_id) do update set
    parent_id = excluded.parent_id, name = excluded.name, path = excluded.path, changed_at = excluded.changed_at,
    missing_since = null
where (old.parent_id, old.name, old.path) is distinct from (excluded.parent_id, excluded.name, excluded.path)
   or old.missing_since is not null;

-- step: missing
update cloudsales.listing_category c set missing_since = :now
where c.channel = :channel and c.missing_since is null
  and not exists (select from shown s where s.category_id = c.category_id)
  and not exists (select from fault f where f.reference = c.category_id);

-- step: resolved
update cloudsales.quarantine q set resolved_at = :now, resolution = 'resolved'
where q.stage = 'listing' and q.channel = :channel and q.resolved_at is null and q.detail ? 'category'
  and not exists (select from fault f where f.reference = q.reference and f.reason = q.reason);

-- step: quarantined
insert into cloudsales.quarantine (stage, channel, reference, reason, detail, first_seen_at)
select distinct on (reference, reason) 'listing', :channel, reference, reason,
       jsonb_build_object('category', reference, 'found', detail), :now
from fault
where not exists (
    select from cloudsales.quarantine d
    where d.stage = 'listing' and d.channel = :channel and d.reference = fault.reference and d.reason = fault.reason
      and d.resolution = 'dismissed')
order by reference, reason, detail
on conflict (stage, channel, reference, reason) where resolved_at is null do nothing;

-- step: summary
insert into cloudsales.run_summary (stage, channel, run_id, started_at, finished_at, rows_in, loaded, unchanged, quarantined)
values ('categories', :channel, :run_id, :started_at, :now, :rows_in, :loaded, :unchanged, :quarantined);
