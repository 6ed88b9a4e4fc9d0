-- The changes that compare.sql found, into the listing. Every step is one statement, run in this order, in one transaction
-- under the catalogue lock, with :channel, :import_id, :full and :now. Rows that do not differ are not written.

-- step: products
-- winner, stage_product -> listing_product
insert into cloudsales.listing_product as old (channel, external_id, code, name, brand, description, category_ids, images,
       characteristics, status, updated_at, raw, raw_hash, first_seen_at, changed_at, incomplete)
select :channel, s.external_id, s.code, s.name, s.brand, s.description, s.category_ids, s.images::jsonb,
       s.characteristics::jsonb, s.status, s.updated_at, s.raw, s.raw_hash, :now, :now, f.external_id is not null
from winner w
join cloudsales.stage_product s on s.external_id = w.external_id and s.page = w.page and s.raw_hash = w.raw_hash
left join (select external_id from loser union select external_id from rejected) f on f.external_id = w.external_id
where s.import_id = :import_id and (w.is_new or w.differs or w.was_incomplete <> (f.external_id is not null))
order by s.external_id collate "C"
on conflict (channel, external_id) do update set
    code = excluded.code, name = excluded.name, brand = excluded.brand, description = excluded.description,
    category_ids = excluded.category_ids, images = excluded.images, characteristics = excluded.characteristics,
    status = excluded.status, updated_at = excluded.updated_at, raw = excluded.raw, raw_hash = excluded.raw_hash,
    changed_at = case when old.raw_hash = excluded.raw_hash then old.changed_at else excluded.changed_at end,
    missing_since = null, incomplete = excluded.incomplete;

-- step: incomplete
-- products left as they are, of which an earlier one took a variant, are read again next time
update cloudsales.listing_product p set incomplete = true
from loser o
where p.channel = :channel and p.external_id = o.external_id and not p.incomplete
  and not exists (select from winner w where w.external_id = o.external_id);

-- step: touched
-- rows whose keys or decision may have to change -> touched, filled by the next three steps
create temporary table touched (
    listing_id bigint not null, code_key text collate "C", ean_key text collate "C",
    rekey boolean not null, decide boolean not null, was_new boolean not null
) on commit drop;

-- step: added
-- incoming -> listing: new rows in the channel's own order, so that the order of arrival leaves no trace
with added as (
    insert into cloudsales.listing (channel, variant_id, product_external_id, position, code, ean, code_key, ean_key, ean_state,
           size, colour, price, currency, vat_rate, channel_stock, row_hash, first_seen_at, changed_at)
    select :channel, variant_id, external_id, position, code, ean, code_key, ean_key, ean_state,
           size, colour, price, currency, vat_rate, channel_stock, row_hash, :now, :now
    from incoming where listing_id is null
    order by length(external_id), external_id collate "C", position
    returning listing_id, code_key, ean_key
)
insert into touched select listing_id, code_key, ean_key, true, true, true from added;

-- step: updated
-- incoming -> listing: rows that differ or come back
with changed as (
    update cloudsales.listing l set
        product_external_id = i.external_id, position = i.position, code = i.code, ean = i.ean, code_key = i.code_key,
        ean_key = i.ean_key, ean_state = i.ean_state, size = i.size, colour = i.colour, price = i.price,
        currency = i.currency, vat_rate = i.vat_rate, channel_stock = i.channel_stock, row_hash = i.row_hash,
        changed_at = case when i.content_differs then :now else l.changed_at end, missing_since = null
    from incoming i
    where l.listing_id = i.listing_id and (i.content_differs or not i.was_present)
    returning l.listing_id, l.code_key, l.ean_key, i.was_present, i.codes_differ,
              (i.old_product, i.old_position) is distinct from (i.external_id, i.position) as moved
)
insert into touched
select listing_id, code_key, ean_key, codes_differ or not was_present, codes_differ or not was_present, false
from changed
where codes_differ or not was_present or moved;

-- step: missing
-- gone -> listing: marked, never deleted (I-43)
with missing as (
    update cloudsales.listing l set missing_since = :now from gone g where l.listing_id = g.listing_id returning l.listing_id
)
insert into touched select listing_id, null, null, true, false, false from missing;

-- step: missing_products
update cloudsales.listing_product p set missing_since = :now
from vanished v where p.channel = :channel and p.external_id = v.external_id;

-- step: images
-- addresses of the written products -> image; a longer address than an index can hold is not fetched
insert into cloudsales.image (url, channel, due_at, noted_at)
select distinct on (u.url collate "C") u.url, :channel, :now, :now
from winner w
join cloudsales.listing_product p on p.channel = :channel and p.external_id = w.external_id
cross join lateral (select i.value ->> 'url' as url from jsonb_array_elements(p.images) i) u
where (w.is_new or w.differs) and octet_length(u.url) between 1 and 2000
on conflict (url) do nothing;
