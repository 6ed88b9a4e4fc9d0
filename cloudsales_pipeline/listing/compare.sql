-- What an import would change, as temporary tables; nothing of the listing is touched here.
-- Every step is one statement, run in this order with :channel, :import_id and :full.

-- step: untouched
-- listing_import_page -> untouched: products that some page showed as they are stored.
create temporary table untouched on commit drop as
select distinct u.external_id
from cloudsales.listing_import_page p
cross join unnest(p.unchanged_ids) as u (external_id)
where p.import_id = :import_id;

-- step: winner
-- stage_product -> winner: of each staged product the version that counts. Pages move while they are read (F-13, F-41): the
-- greatest (updated_at, raw_hash) wins, whatever came first, also against a stored version that another page still showed.
create temporary table winner on commit drop as
with newest as (
    select distinct on (external_id collate "C") external_id, page, raw_hash, updated_at
    from cloudsales.stage_product
    where import_id = :import_id
    order by external_id collate "C", updated_at desc, raw_hash desc, page
)
select n.external_id, n.page, n.raw_hash, p.external_id is null as is_new,
       p.raw_hash is distinct from n.raw_hash or p.missing_since is not null as differs,
       coalesce(p.incomplete, false) as was_incomplete
from newest n
left join cloudsales.listing_product p on p.channel = :channel and p.external_id = n.external_id
left join untouched u on u.external_id = n.external_id
where u.external_id is null or (n.updated_at, n.raw_hash) > (p.updated_at, p.raw_hash);

-- step: outdone
-- untouched without what a newer version replaces
delete from untouched u using winner w where w.external_id = u.external_id;

-- step: unreadable
-- stage_reject -> unreadable: products of which no page showed a version that can be read, one row each.
create temporary table unreadable on commit drop as
select distinct on (r.external_id, case when r.external_id = '' then r.raw_hash end)
       r.external_id, r.reference, r.reason, r.detail
from cloudsales.stage_reject r
where r.import_id = :import_id and r.whole_product
  and not exists (select from winner w where w.external_id = r.external_id)
  and not exists (select from untouched u where u.external_id = r.external_id)
order by r.external_id, case when r.external_id = '' then r.raw_hash end, r.raw_hash desc, r.page;

-- step: rejected
-- stage_reject -> rejected: variants of the winning versions that can't be read.
create temporary table rejected on commit drop as
select r.external_id, r.reference, r.reason, r.detail
from cloudsales.stage_reject r
join winner w on w.external_id = r.external_id and w.page = r.page and w.raw_hash = r.raw_hash
where r.import_id = :import_id and not r.whole_product;

-- step: incoming
-- stage_variant of the winning versions, beside the listing's row of the same variant -> incoming.
create temporary table incoming on commit drop as
select v.external_id, v.variant_id, v.position, v.code, v.ean, v.code_key, v.ean_key, v.ean_state, v.size, v.colour, v.price,
       v.currency, v.vat_rate, v.channel_stock, v.row_hash,
       l.listing_id, l.product_external_id as old_product, l.position as old_position,
       l.listing_id is not null and l.missing_since is null as was_present,
       l.row_hash is distinct from v.row_hash as content_differs,
       (l.code, l.ean, l.code_key, l.ean_key) is distinct from (v.code, v.ean, v.code_key, v.ean_key) as codes_differ
from winner w
join cloudsales.stage_variant v on v.external_id = w.external_id and v.page = w.page and v.raw_hash = w.raw_hash
left join cloudsales.listing l on l.channel = :channel and l.variant_id = v.variant_id
where v.import_id = :import_id;

-- step: loser
-- incoming, and stored rows of products that this import leaves as they are -> loser: a variant that several products show
-- stays with the first in the channel's own order.
create temporary table loser on commit drop as
with holder as (
    select i.variant_id, i.old_product as external_id, min(i.old_position) as position
    from incoming i
    where i.was_present and i.old_product <> i.external_id
      and not exists (select from winner w where w.external_id = i.old_product)
      and (not :full
           or exists (select from untouched u where u.external_id = i.old_product)
           or exists (select from unreadable r where r.external_id = i.old_product))
    group by i.variant_id, i.old_product
), rival as (
    select variant_id from incoming group by variant_id having count(*) > 1
    union
    select variant_id from holder
), contender as (
    select i.variant_id, i.external_id, i.position from incoming i join rival using (variant_id)
    union all
    select variant_id, external_id, position from holder
), ranked as (
    select variant_id, external_id,
           first_value(external_id) over channel_order as keeper,
           row_number() over channel_order as place
    from contender
    window channel_order as (partition by variant_id order by length(external_id), external_id collate "C", position)
)
select variant_id, external_id, keeper from ranked where place > 1;

-- step: lost
-- incoming without the losers
delete from incoming i using loser o where o.variant_id = i.variant_id and o.external_id = i.external_id;

-- step: vanished
-- listing_product -> vanished: products in no page of a full listing.
create temporary table vanished on commit drop as
select p.external_id
from cloudsales.listing_product p
where :full and p.channel = :channel and p.missing_since is null
  and not exists (select from untouched u where u.external_id = p.external_id)
  and not exists (select from winner w where w.external_id = p.external_id)
  and not exists (select from unreadable r where r.external_id = p.external_id);

-- step: gone
-- listing -> gone: variants of vanished products, and those that a read product no longer has. What was seen but could not
-- be read stays as it was; where a variant's very id could not be read, all of its product do.
create temporary table gone on commit drop as
with candidate as (
    select l.listing_id
    from winner w
    join cloudsales.listing l on l.channel = :channel and l.product_external_id = w.external_id
    where not w.is_new and l.missing_since is null
      and not exists (select from rejected r
                      where r.external_id = w.external_id and (r.reference = l.variant_id or r.reference like '#%'))
    union all
    select l.listing_id
    from vanished v
    join cloudsales.listing l on l.channel = :channel and l.product_external_id = v.external_id
    where l.missing_since is null
)
select c.listing_id from candidate c
where not exists (select from incoming i where i.listing_id = c.listing_id);

-- step: figures
-- all of them -> the import's figures, in variants; an unreadable product counts as one.
select loaded, same + held as unchanged, unread + lost as quarantined, unread, gone_rows,
       case when :full or gone_rows > :floor then (select count(*) from cloudsales.listing where channel = :channel and missing_since is null)
       end as present
from (
    select (select count(*) from incoming where content_differs or not was_present) as loaded,
           (select count(*) from incoming where not content_differs and was_present) as same,
           (select count(*)
            from untouched u
            join cloudsales.listing l on l.channel = :channel and l.product_external_id = u.external_id
            where l.missing_since is null)
           - (select count(*) from incoming i join untouched u on u.external_id = i.old_product where i.was_present) as held,
           (select count(*) from unreadable) + (select count(*) from rejected where reason <> 'duplicate_variant') as unread,
           (select count(*) from loser) + (select count(*) from rejected where reason = 'duplicate_variant') as lost,
           (select count(*) from gone) as gone_rows
) counted;
