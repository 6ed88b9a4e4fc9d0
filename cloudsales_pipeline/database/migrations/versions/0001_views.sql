-- The analysts' contract: docs/data-dictionary.md is made from these comments.

create view analytics.product as
select sku, name, brand, style, size, colour, origin_channel, created_at,
       category, description, price, currency, supplier, characteristics, images
from cloudsales.product;
comment on view analytics.product is 'One sellable item of the retailer''s catalogue.';

create view analytics.product_code as
select c.code, c.kind, p.sku, c.key as normalised, c.source, k.product_id is null as clashes
from cloudsales.product_code c
join cloudsales.product p using (product_id)
join cloudsales.code_key k on k.key = c.key;
comment on view analytics.product_code is 'Every code by which a product is known. kind: sku, gtin, additional.';
comment on column analytics.product_code.normalised is 'The form that is compared.';
comment on column analytics.product_code.clashes is 'The loaded catalogue gives this code to several products: it links nothing.';

create view analytics.listing as
select l.channel, l.variant_id, l.product_external_id, l.code, l.ean, p.name, p.brand, l.size, l.colour,
       l.price, l.currency, l.channel_stock, p.status, l.first_seen_at,
       greatest(l.first_seen_at, coalesce(l.missing_since, c.listing_seen_at)) as last_seen_at,
       l.missing_since, l.vat_rate, l.changed_at
from cloudsales.listing l
join cloudsales.listing_product p on p.channel = l.channel and p.external_id = l.product_external_id
join cloudsales.channel c on c.channel = l.channel;
comment on view analytics.listing is 'One sellable variant as a channel shows it.';
comment on column analytics.listing.last_seen_at is 'The last import that is known to have had it; for a missing one, the import that missed it.';
comment on column analytics.listing.missing_since is 'Since when the channel no longer shows it; null while it does. Rows are never deleted.';

create view analytics.listing_category as
select channel, category_id, parent_id, name, path, first_seen_at, missing_since from cloudsales.listing_category;
comment on view analytics.listing_category is 'A channel''s categories, with their path from the root.';

create function analytics.code_kinds(hits smallint) returns text[] language sql immutable parallel safe
return array_remove(array[case when hits & 1 > 0 then 'sku' end, case when hits & 2 > 0 then 'gtin' end,
                          case when hits & 4 > 0 then 'additional' end], null);
comment on function analytics.code_kinds is 'The kinds of code behind a sum of 1 (SKU), 2 (GTIN) and 4 (additional code).';

create view analytics.match_outcome as
select o.channel, l.variant_id, o.outcome, o.reason, p.sku, o.matched_by,
       (select array_agg(cp.sku order by cp.sku) from cloudsales.product cp where cp.product_id = any (o.candidates)) as candidates,
       jsonb_strip_nulls(jsonb_build_object(
           'code', jsonb_build_object('value', l.code, 'normalised', l.code_key, 'hit', analytics.code_kinds(o.code_hits)),
           'ean', jsonb_build_object('value', l.ean, 'normalised', l.ean_key, 'state', l.ean_state, 'hit', analytics.code_kinds(o.ean_hits)),
           'earlier_variant', e.variant_id,
           'rules_version', o.rules_version,
           'company_internal_gtin', case when l.ean_state = 'valid' and lpad(l.ean_key, 13, '0') ~ '^(02|04|2)' then true end
       )) as evidence,
       o.decided_at
from cloudsales.match_outcome o
join cloudsales.listing l using (listing_id)
left join cloudsales.product p on p.product_id = o.product_id
left join cloudsales.listing e on e.listing_id = o.earlier_listing;
comment on view analytics.match_outcome is 'The last decision for each listing. outcome: linked, created, suggested, conflict, invalid, duplicate_in_listing.';
comment on column analytics.match_outcome.evidence is 'What the listing''s code and EAN were, as they came and normalised, and as what kind of code they were found.';

create view analytics.link as
select k.channel, l.variant_id, p.sku, k.matched_by, k.linked_at
from cloudsales.link k
join cloudsales.listing l using (listing_id)
join cloudsales.product p on p.product_id = k.product_id;
comment on view analytics.link is 'A listing''s tie to a product. matched_by: sku, gtin, additional_code, created, manual.';

create view analytics.suggestion as
select l.channel, l.variant_id, p.sku, s.score, s.evidence, s.state, s.created_at
from cloudsales.suggestion s
join cloudsales.listing l using (listing_id)
left join cloudsales.product p on p.product_id = s.product_id;
comment on view analytics.suggestion is 'Listings held for a person: probably this product. state: open, accepted, rejected, expired.';

create view analytics.detail_drift as
select k.channel, l.variant_id, p.sku, d.field, d.on_channel, d.in_catalogue
from cloudsales.link k
join cloudsales.listing l using (listing_id)
join cloudsales.listing_product lp on lp.channel = l.channel and lp.external_id = l.product_external_id
join cloudsales.product p on p.product_id = k.product_id
cross join lateral (values
    ('name', lp.name, p.name), ('brand', lp.brand, p.brand), ('size', l.size, p.size), ('colour', l.colour, p.colour),
    ('description', lp.description, p.description)) as d (field, on_channel, in_catalogue)
where l.missing_since is null and lower(d.on_channel) <> lower(d.in_catalogue);
comment on view analytics.detail_drift is 'Where a linked listing shows other details than the catalogue has; case and what one side leaves empty do not count. Reported, never overwritten.';

create view analytics.product_image as
select p.sku, (i.value ->> 'position')::integer as position, i.value ->> 'url' as url,
       coalesce(m.state, 'due') as state, encode(m.sha256, 'hex') as sha256, c.media_type, c.width, c.height, c.bytes
from cloudsales.product p
cross join lateral jsonb_array_elements(p.images) i
left join cloudsales.image m on m.url = i.value ->> 'url'
left join cloudsales.image_content c on c.sha256 = m.sha256;
comment on view analytics.product_image is 'A product''s images in order; the file is data_dir/images/<first two of sha256>/<sha256>.';

create view analytics.quarantine as
select stage, nullif(channel, '') as channel, reference, reason, detail, first_seen_at, resolved_at, resolution
from cloudsales.quarantine;
comment on view analytics.quarantine is 'What could not be decided or read, with a reason code and the evidence.';

create view analytics.run_summary as
select stage, nullif(channel, '') as channel, run_id, started_at, finished_at, rows_in, loaded, unchanged, quarantined
from cloudsales.run_summary;
comment on view analytics.run_summary is 'One line for each pass of a stage: rows_in = loaded + unchanged + quarantined.';

create view analytics.plan_row as
select r.plan_id, n.channel, l.variant_id, l.code, l.ean, lp.name, r.outcome, r.reason, p.sku, r.matched_by,
       (select array_agg(cp.sku order by cp.sku) from cloudsales.product cp where cp.product_id = any (r.candidates)) as candidates,
       e.variant_id as earlier_variant, n.state as plan_state, n.created_at
from cloudsales.plan_row r
join cloudsales.plan n using (plan_id)
join cloudsales.listing l using (listing_id)
join cloudsales.listing_product lp on lp.channel = l.channel and lp.external_id = l.product_external_id
left join cloudsales.product p on p.product_id = r.product_id
left join cloudsales.listing e on e.listing_id = r.earlier_listing;
comment on view analytics.plan_row is 'What a plan would do, row by row; the last plan of each channel is kept.';

-- Roles belong to the server, not to the database. Where ours may not make one and there is none yet, the grants are left out,
-- and a migration runs once: a superuser makes the role and runs the two grants below by hand (docs/operating.md, "A PostgreSQL
-- of your own").
do $$
begin
    if not exists (select from pg_roles where rolname = 'cloudsales_analyst') then
        create role cloudsales_analyst nologin;
    end if;
exception when insufficient_privilege or duplicate_object or unique_violation then
    raise notice 'the role cloudsales_analyst was not made here';
end $$;
do $$
begin
    if exists (select from pg_roles where rolname = 'cloudsales_analyst') then
        grant usage on schema analytics to cloudsales_analyst;
        grant select on all tables in schema analytics to cloudsales_analyst;
    end if;
end $$;

comment on column analytics.product.sku is 'The retailer''s own code for it, as text: 00123 keeps its zeros.';
comment on column analytics.product.name is 'As the retailer''s file has it; for a product made by an import, as the channel shows it.';
comment on column analytics.product.brand is 'Brand, as written at its origin.';
comment on column analytics.product.style is 'What groups sizes and colours: the style''s code, or the channel''s product id.';
comment on column analytics.product.size is 'Size, as written at its origin.';
comment on column analytics.product.colour is 'Colour, as written at its origin.';
comment on column analytics.product.created_at is 'When it came into the catalogue.';
comment on column analytics.product.category is 'Path of the category at its origin.';
comment on column analytics.product.description is 'Text or HTML from its origin: never shown unescaped.';
comment on column analytics.product.price is 'Price with VAT, in currency.';
comment on column analytics.product.currency is 'ISO 4217.';
comment on column analytics.product.supplier is 'Supplier, as the retailer''s file names it.';
comment on column analytics.product.characteristics is 'Names and values, as a list.';
comment on column analytics.product.images is 'Addresses and positions; product_image says what became of each.';
comment on column analytics.product_code.code is 'As it came.';
comment on column analytics.product_code.kind is 'sku, gtin or additional.';
comment on column analytics.product_code.sku is 'The product that has it.';
comment on column analytics.product_code.source is 'Who said so: file, channel or manual.';
comment on column analytics.listing.variant_id is 'The channel''s own id of what is sold.';
comment on column analytics.listing.product_external_id is 'The channel''s id of the style.';
comment on column analytics.listing.name is 'The style''s name on the channel.';
comment on column analytics.listing.brand is 'The brand on the channel.';
comment on column analytics.listing.price is 'Price on the channel with VAT, in currency.';
comment on column analytics.listing.channel_stock is 'What the channel says it has; not our figure.';
comment on column analytics.listing.status is 'active or inactive, as the channel says.';
comment on column analytics.listing.first_seen_at is 'The import that showed it first.';
comment on column analytics.match_outcome.variant_id is 'The channel''s own id of what is sold.';
comment on column analytics.match_outcome.outcome is 'linked, created, suggested, conflict, invalid or duplicate_in_listing.';
comment on column analytics.match_outcome.reason is 'A code that says why; docs/matching.md explains each.';
comment on column analytics.match_outcome.sku is 'The product, where there is one.';
comment on column analytics.match_outcome.matched_by is 'sku, gtin, additional_code, created or manual.';
comment on column analytics.match_outcome.candidates is 'SKUs of the products that its codes point to, where they are not one.';
comment on column analytics.match_outcome.decided_at is 'When the plan that decided it was applied.';
comment on column analytics.link.linked_at is 'When the tie was made; it is never changed by an import.';
comment on column analytics.link.matched_by is 'sku, gtin, additional_code, created or manual.';
comment on column analytics.suggestion.score is 'Probability that they are the same, from 0 to 1.';
comment on column analytics.suggestion.sku is 'The product it may be; null where it is held by the setting on_no_match.';
comment on column analytics.detail_drift.field is 'What differs: name, brand, size, colour or description.';
comment on column analytics.product_image.state is 'due, stored, refused or failed.';
comment on column analytics.product_image.sha256 is 'Hash of the content, in hex: the file''s name.';
comment on column analytics.quarantine.stage is 'listing: a payload that can''t be read; catalog: the retailer''s file; match: codes that decide nothing.';
comment on column analytics.quarantine.reference is 'A variant or product id on the channel; for a file, its name and row.';
comment on column analytics.quarantine.reason is 'A code; docs/matching.md and docs/operating.md say what to do about each.';
comment on column analytics.quarantine.detail is 'The evidence: codes and ids.';
comment on column analytics.run_summary.rows_in is 'Equals loaded + unchanged + quarantined, by constraint.';
comment on column analytics.run_summary.loaded is 'Rows that changed something.';
comment on column analytics.run_summary.unchanged is 'Rows that were as they are already.';
comment on column analytics.run_summary.quarantined is 'Rows that could not be taken or decided.';
