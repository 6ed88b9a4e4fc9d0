-- The keys that matching joins, which of them are shared, and which listings need a decision: exactly for what merge.sql
-- wrote down in `touched`. With :channel.

-- step: affected
create temporary table affected (key text collate "C" not null) on commit drop;

-- step: dropped_keys
-- touched -> listing_key: the keys that rows had
with dropped as (
    delete from cloudsales.listing_key k using touched t
    where t.rekey and not t.was_new and k.listing_id = t.listing_id
    returning k.key
)
insert into affected select key from dropped;

-- step: added_keys
-- touched -> listing_key: the keys that they have; an EAN equal to the code is one key
with added as (
    insert into cloudsales.listing_key (key, listing_id, channel, is_ean)
    select code_key, listing_id, :channel, false from touched where rekey and code_key is not null
    union all
    select ean_key, listing_id, :channel, true from touched
    where rekey and ean_key is not null and ean_key is distinct from code_key
    returning key
)
insert into affected select key from added;

-- step: shared_now
-- affected, listing_key -> shared_now: keys that more than one listing of the channel has
create temporary table shared_now on commit drop as
select k.key
from (select distinct key from affected) a
join cloudsales.listing_key k on k.key = a.key and k.channel = :channel
group by k.key having count(*) > 1;

-- step: shared_before
create temporary table shared_before on commit drop as
select s.key from cloudsales.listing_shared_key s
where s.channel = :channel and s.key in (select key from affected);

-- step: unshared
delete from cloudsales.listing_shared_key s using shared_before b
where s.channel = :channel and s.key = b.key and not exists (select from shared_now n where n.key = b.key);

-- step: shared
insert into cloudsales.listing_shared_key (channel, key)
select :channel, n.key from shared_now n where not exists (select from shared_before b where b.key = n.key);

-- step: undecided
-- touched, shared keys -> undecided: what is new or has other codes; and, since rows of one listing compete for a key in the
-- channel's order, every other row without a link that shares a key with one that came, went or moved.
create temporary table undecided on commit drop as
with contest as (
    select key from shared_now
    union
    select key from shared_before
    union
    select k.key
    from touched t
    join cloudsales.listing_key k on k.listing_id = t.listing_id
    join cloudsales.listing_shared_key s on s.channel = :channel and s.key = k.key
    where not t.rekey
)
select listing_id from touched where decide
union
select k.listing_id
from contest c
join cloudsales.listing_key k on k.key = c.key and k.channel = :channel
where not exists (select from cloudsales.link n where n.listing_id = k.listing_id);

-- step: settled
-- listing_pending without what vanished
delete from cloudsales.listing_pending p using gone g where p.listing_id = g.listing_id;

-- step: redescribed
-- listings that wait for their plan's apply while their product changed: a plan made before is outdated, for it said what
-- would be made of the details that it saw
update cloudsales.listing_pending p set revision = nextval('cloudsales.revision')
from winner w join cloudsales.listing l on l.channel = :channel and l.product_external_id = w.external_id
where p.listing_id = l.listing_id and w.differs and not w.is_new;

-- step: pending
-- undecided -> listing_pending, with one revision for all of this import
with moment as materialized (
    select nextval('cloudsales.revision') as revision
    where exists (select from undecided) or exists (select from gone)
)
insert into cloudsales.listing_pending (listing_id, channel, revision, code_key, ean_key, ean_state)
select l.listing_id, :channel, m.revision, l.code_key, l.ean_key, l.ean_state
from moment m cross join undecided u join cloudsales.listing l on l.listing_id = u.listing_id
order by l.listing_id
on conflict (listing_id) do update set
    revision = excluded.revision, code_key = excluded.code_key, ean_key = excluded.ean_key, ean_state = excluded.ean_state;
