-- The ground: channels, what they show (listing_*), the retailer's catalogue (product*), and how the two are tied.
-- Tables live in the schema cloudsales and belong to the pipeline; analysts read the views in the schema analytics.
-- Every comment here ends in docs/data-dictionary.md.

create schema cloudsales;
create schema analytics;
comment on schema cloudsales is 'The pipeline''s own tables. They may change with any version.';
comment on schema analytics is 'Read-only views for analysts. A contract: columns are added, never changed or removed.';

-- ------------------------------------------------------------------------------------------------ channels

create table cloudsales.channel (
    channel             text primary key,
    kind                text not null,
    listing_seen_at     timestamptz,
    listing_watermark   timestamptz,
    registered_at       timestamptz not null default now()
);
comment on table cloudsales.channel is 'A place that sells, as the settings name it.';
comment on column cloudsales.channel.listing_seen_at is 'When the last complete listing was stored: what was not in it has missing_since.';
comment on column cloudsales.channel.listing_watermark is 'The latest updated_at that the channel has shown; the next delta asks from there.';

create table cloudsales.channel_pause (
    channel         text primary key,
    paused_until    timestamptz not null,
    reason          text not null
);
comment on table cloudsales.channel_pause is 'A channel that told us to wait (429 with Retry-After): no process calls it before then.';

-- ------------------------------------------------------------------------------------------------ listing import

create table cloudsales.listing_import (
    import_id       bigint generated always as identity primary key,
    channel         text not null references cloudsales.channel,
    mode            text not null check (mode in ('full', 'delta')),
    updated_since   timestamptz,
    state           text not null default 'reading' check (state in ('reading', 'read', 'stored', 'refused', 'abandoned')),
    next_cursor     text,
    pages           integer not null default 0,
    products_read   integer not null default 0,
    rows_in         integer not null default 0,
    loaded          integer not null default 0,
    unchanged       integer not null default 0,
    quarantined     integer not null default 0,
    missing         integer not null default 0,
    latest_update   timestamptz,
    refusal         text,
    started_at      timestamptz not null default now(),
    finished_at     timestamptz,
    run_id          text
);
create unique index listing_import_one_open on cloudsales.listing_import (channel) where state in ('reading', 'read');
create index listing_import_by_channel on cloudsales.listing_import (channel, finished_at);
comment on table cloudsales.listing_import is 'One pass over a channel''s listing; an interrupted one goes on from next_cursor.';
comment on column cloudsales.listing_import.state is 'reading: pages are still to come; read: all pages are staged; stored: merged; refused: a guard stopped it before anything was touched; abandoned: given up for a new one.';
comment on column cloudsales.listing_import.rows_in is 'Variants (and unreadable products, one each) = loaded + unchanged + quarantined.';

create table cloudsales.listing_import_page (
    import_id       bigint not null references cloudsales.listing_import on delete cascade,
    page            integer not null,
    cursor          text,
    next_cursor     text,
    unchanged_ids   text[] not null,
    staged          integer not null,
    primary key (import_id, page)
);
comment on table cloudsales.listing_import_page is 'A page of an import under way; committed with the page''s content and the cursor.';
comment on column cloudsales.listing_import_page.unchanged_ids is 'Products that the page shows as they are stored: seen, but neither parsed nor staged.';
comment on column cloudsales.listing_import_page.staged is 'How many products and unreadable payloads the page put into the stage: a stage with fewer was lost in a crash.';

create unlogged table cloudsales.stage_product (
    import_id       bigint not null,
    page            integer not null,
    external_id     text not null,
    code            text,
    name            text not null,
    brand           text,
    description     text,
    category_ids    text[] not null,
    images          text not null,
    characteristics text not null,
    status          text not null,
    updated_at      timestamptz not null,
    raw             bytea not null,
    raw_hash        bytea not null
);
comment on table cloudsales.stage_product is 'Products of an import under way that differ from what is stored. Unlogged: an import whose stage was lost in a crash starts over.';

create unlogged table cloudsales.stage_variant (
    import_id       bigint not null,
    page            integer not null,
    external_id     text not null,
    raw_hash        bytea not null,
    variant_id      text not null,
    position        integer not null,
    code            text,
    ean             text,
    code_key        text collate "C",
    ean_key         text collate "C",
    ean_state       text not null,
    size            text,
    colour          text,
    price           numeric(14, 2),
    currency        text,
    vat_rate        numeric(5, 2),
    channel_stock   integer,
    row_hash        bytea not null
);
comment on table cloudsales.stage_variant is 'Variants of the staged products; raw_hash ties a variant to the version of its product.';

create unlogged table cloudsales.stage_reject (
    import_id       bigint not null,
    page            integer not null,
    external_id     text not null,
    raw_hash        bytea not null,
    reference       text not null,
    reason          text not null,
    detail          text not null,
    whole_product   boolean not null
);
comment on table cloudsales.stage_reject is 'What of the staged pages could not be read, with the reason; becomes quarantine.';

-- ------------------------------------------------------------------------------------------------ listing

create table cloudsales.listing_category (
    channel         text not null references cloudsales.channel,
    category_id     text not null,
    parent_id       text,
    name            text not null,
    path            text not null,
    first_seen_at   timestamptz not null default now(),
    changed_at      timestamptz not null default now(),
    missing_since   timestamptz,
    primary key (channel, category_id)
);
comment on table cloudsales.listing_category is 'The channel''s categories.';
comment on column cloudsales.listing_category.path is 'Names from the root, joined by " > "; just the name where the parents are missing or go in a circle.';

create table cloudsales.listing_product (
    channel         text not null references cloudsales.channel,
    external_id     text not null,
    code            text,
    name            text not null,
    brand           text,
    description     text,
    category_ids    text[] not null,
    images          jsonb not null,
    characteristics jsonb not null,
    status          text not null,
    updated_at      timestamptz not null,
    raw             bytea not null,
    raw_hash        bytea not null,
    first_seen_at   timestamptz not null,
    changed_at      timestamptz not null,
    missing_since   timestamptz,
    incomplete      boolean not null default false,
    primary key (channel, external_id)
);
comment on table cloudsales.listing_product is 'One style as the channel shows it.';
comment on column cloudsales.listing_product.incomplete is 'Some of its variants are in quarantine: it is read again at each import, also unchanged.';
comment on column cloudsales.listing_product.raw is 'The payload as it came, compressed with zlib.';
comment on column cloudsales.listing_product.raw_hash is 'BLAKE2b-128 of the payload as it came: the next import skips what has the same.';
comment on column cloudsales.listing_product.description is 'HTML as it came: text from outside, never shown unescaped.';

create table cloudsales.listing (
    listing_id          bigint generated always as identity primary key,
    channel             text not null references cloudsales.channel,
    variant_id          text not null,
    product_external_id text not null,
    position            integer not null,
    code                text,
    ean                 text,
    code_key            text collate "C",
    ean_key             text collate "C",
    ean_state           text not null check (ean_state in ('empty', 'valid', 'bad')),
    size                text,
    colour              text,
    price               numeric(14, 2),
    currency            text,
    vat_rate            numeric(5, 2),
    channel_stock       integer,
    row_hash            bytea not null,
    first_seen_at       timestamptz not null,
    changed_at          timestamptz not null,
    missing_since       timestamptz,
    unique (channel, variant_id)
);
create index listing_by_product on cloudsales.listing (channel, product_external_id);
comment on table cloudsales.listing is 'One sellable variant as a channel shows it.';
comment on column cloudsales.listing.position is 'Where the variant stands in its product, from 0: with the product''s id, the channel''s own order.';
comment on column cloudsales.listing.code is 'As it came.';
comment on column cloudsales.listing.ean is 'As it came.';
comment on column cloudsales.listing.code_key is 'The code normalised (docs/matching.md); null where it is empty or a placeholder.';
comment on column cloudsales.listing.ean_key is 'The EAN normalised; null where it is empty, a placeholder, or a number that lost digits.';
comment on column cloudsales.listing.ean_state is 'empty: none, or a placeholder; valid: a GTIN of the right length with the right check digit; bad: anything else.';

create table cloudsales.listing_key (
    key             text collate "C" not null,
    listing_id      bigint not null,
    channel         text not null,
    is_ean          boolean not null,
    primary key (listing_id, is_ean)
);
create index listing_key_by_key on cloudsales.listing_key (key, channel);
comment on table cloudsales.listing_key is 'The normalised codes of the listings that are seen now, one row each: what matching joins. A vanished listing has none. Derived from listing, whose rows are never deleted: a foreign key would double the cost of filling it.';

create table cloudsales.listing_shared_key (
    channel         text not null,
    key             text collate "C" not null,
    primary key (channel, key)
);
comment on table cloudsales.listing_shared_key is 'Keys that more than one listing of a channel has: there, rows compete.';

create table cloudsales.listing_pending (
    listing_id      bigint primary key,
    channel         text not null,
    revision        bigint not null,
    code_key        text collate "C",
    ean_key         text collate "C",
    ean_state       text not null
);
create index listing_pending_by_channel on cloudsales.listing_pending (channel);
comment on table cloudsales.listing_pending is 'Listings that need a decision: new, changed codes, or touched by a change of the catalogue. A plan takes these, its apply removes them.';
comment on column cloudsales.listing_pending.code_key is 'The listing''s own key, beside it so that the plan reads one narrow table.';
comment on column cloudsales.listing_pending.revision is 'From cloudsales.revision, when the need was noted: later than a plan means the plan is outdated.';

create sequence cloudsales.revision;
comment on sequence cloudsales.revision is 'Grows with each change of codes or of a listing; taken under the catalogue lock.';

-- ------------------------------------------------------------------------------------------------ images

create table cloudsales.image (
    url             text primary key,
    channel         text not null,
    state           text not null default 'due' check (state in ('due', 'stored', 'refused', 'failed')),
    sha256          bytea,
    attempts        integer not null default 0,
    due_at          timestamptz not null default now(),
    reason          text,
    noted_at        timestamptz not null default now(),
    fetched_at      timestamptz
);
create index image_due on cloudsales.image (channel, due_at) where state = 'due';
comment on table cloudsales.image is 'An image''s address and what became of fetching it. refused: never asked for, or not an image; failed: given up after several tries.';

create table cloudsales.image_content (
    sha256          bytea primary key,
    media_type      text not null,
    width           integer not null,
    height          integer not null,
    bytes           integer not null,
    stored_at       timestamptz not null default now()
);
comment on table cloudsales.image_content is 'One image by its content; the file lies under data_dir/images/ by its hash, its thumbnail beside it.';

-- ------------------------------------------------------------------------------------------------ catalogue

create table cloudsales.product (
    product_id      bigint generated always as identity primary key,
    sku             text not null unique,
    name            text not null,
    brand           text,
    style           text,
    size            text,
    colour          text,
    category        text,
    description     text,
    price           numeric(14, 2),
    currency        text,
    supplier        text,
    characteristics jsonb not null default '[]',
    images          jsonb not null default '[]',
    extra           jsonb not null default '{}',
    origin_channel  text,
    origin_variant  text,
    created_at      timestamptz not null,
    changed_at      timestamptz not null
);
comment on table cloudsales.product is 'One sellable item of the retailer''s catalogue.';
comment on column cloudsales.product.origin_channel is 'The channel whose listing made it; null for the retailer''s own file.';
comment on column cloudsales.product.extra is 'Further columns of the retailer''s file, by their names.';

create function cloudsales.refuse_product_update() returns trigger language plpgsql as $$
begin
    if coalesce(current_setting('cloudsales.product_update', true), '') <> 'catalogue file' then
        raise exception 'products are changed by the retailer''s own file alone, never by an import (I-03)';
    end if;
    return null;
end $$;
create trigger product_update_guard before update on cloudsales.product
    for each statement execute function cloudsales.refuse_product_update();

create table cloudsales.product_code (
    product_id      bigint not null references cloudsales.product,
    kind            text not null check (kind in ('sku', 'gtin', 'additional')),
    key             text collate "C" not null check (key <> ''),
    code            text not null,
    source          text not null check (source in ('file', 'channel', 'manual')),
    added_at        timestamptz not null,
    primary key (product_id, kind, key)
);
create index product_code_by_key on cloudsales.product_code (key);
comment on table cloudsales.product_code is 'Every code a product is known by, as it came and normalised.';

create table cloudsales.code_key (
    key             text collate "C" primary key check (key <> ''),
    product_id      bigint references cloudsales.product,
    kinds           smallint not null check (kinds between 1 and 7)
);
create index code_key_clash on cloudsales.code_key (key) where product_id is null;
comment on table cloudsales.code_key is 'One product per identity (I-01): each normalised code points to one product, by its primary key.';
comment on column cloudsales.code_key.product_id is 'Null: a clash. The loaded catalogue gives the code to several products, and it links nothing.';
comment on column cloudsales.code_key.kinds is 'As what the product has it: 1 SKU, 2 GTIN, 4 additional code, added up.';

create table cloudsales.catalog_load (
    load_id         bigint generated always as identity primary key,
    file_name       text not null,
    content_hash    bytea not null,
    rows_in         integer not null,
    loaded          integer not null,
    unchanged       integer not null,
    quarantined     integer not null,
    clashes         integer not null,
    started_at      timestamptz not null,
    finished_at     timestamptz not null default now()
);
comment on table cloudsales.catalog_load is 'One taking-in of the retailer''s catalogue file.';

-- ------------------------------------------------------------------------------------------------ matching

create table cloudsales.plan (
    plan_id         bigint generated always as identity primary key,
    channel         text not null references cloudsales.channel,
    state           text not null default 'planned' check (state in ('planned', 'audited', 'rejected', 'applied')),
    revision        bigint not null,
    rules_version   smallint not null,
    rows            integer not null default 0,
    linked          integer not null default 0,
    created         integer not null default 0,
    suggested       integer not null default 0,
    conflict        integer not null default 0,
    invalid         integer not null default 0,
    duplicate       integer not null default 0,
    created_at      timestamptz not null default now(),
    audited_at      timestamptz,
    audit           jsonb,
    applied_at      timestamptz,
    run_id          text
);
create index plan_by_channel on cloudsales.plan (channel, plan_id);
comment on table cloudsales.plan is 'What an import of a channel''s listing would do. Only an audited plan is applied.';
comment on column cloudsales.plan.revision is 'cloudsales.revision when the plan was made.';
comment on column cloudsales.plan.audit is 'The checks'' results, by name.';

create table cloudsales.plan_row (
    plan_id         bigint not null,
    listing_id      bigint not null,
    outcome         text not null,
    reason          text,
    matched_by      text,
    product_id      bigint,
    candidates      bigint[],
    earlier_listing bigint,
    code_hits       smallint not null,
    ean_hits        smallint not null,
    score           real
) partition by list (plan_id);
comment on table cloudsales.plan_row is 'The plan, row by row: a table of its own for each plan, made and dropped whole. Unlogged: a plan whose rows were lost in a crash is refused, and made again.';

create unlogged table cloudsales.plan_suggestion (
    plan_id         bigint not null references cloudsales.plan on delete cascade,
    listing_id      bigint not null,
    product_id      bigint not null,
    score           real not null,
    evidence        jsonb not null,
    primary key (plan_id, listing_id, product_id)
);
comment on table cloudsales.plan_suggestion is 'The products that a row of a plan is held for, which its apply makes suggestions of. Unlogged, as the plan''s rows are.';
comment on column cloudsales.plan_suggestion.score is 'The probability, 0 to 1, that the listing is this product.';

create table cloudsales.match_outcome (
    listing_id      bigint primary key references cloudsales.listing,
    channel         text not null,
    outcome         text not null check (outcome in ('linked', 'created', 'suggested', 'conflict', 'invalid', 'duplicate_in_listing')),
    reason          text,
    matched_by      text check (matched_by in ('sku', 'gtin', 'additional_code', 'created', 'manual')),
    product_id      bigint references cloudsales.product,
    candidates      bigint[],
    earlier_listing bigint,
    code_hits       smallint not null,
    ean_hits        smallint not null,
    rules_version   smallint not null,
    plan_id         bigint not null,
    decided_at      timestamptz not null
);
create index match_outcome_by_channel on cloudsales.match_outcome (channel, outcome);
comment on table cloudsales.match_outcome is 'The last decision for each listing, with its evidence.';
comment on column cloudsales.match_outcome.code_hits is 'What the listing''s code hit: 1 SKU, 2 GTIN, 4 additional code, added up; 0 nothing.';
comment on column cloudsales.match_outcome.ean_hits is 'What the listing''s EAN hit, in the same way.';

create table cloudsales.link (
    listing_id      bigint primary key references cloudsales.listing,
    channel         text not null,
    product_id      bigint not null references cloudsales.product,
    matched_by      text not null check (matched_by in ('sku', 'gtin', 'additional_code', 'created', 'manual')),
    code            text,
    ean             text,
    code_key        text collate "C",
    ean_key         text collate "C",
    code_hits       smallint not null,
    ean_hits        smallint not null,
    rules_version   smallint not null,
    linked_at       timestamptz not null
);
create index link_by_product on cloudsales.link (product_id);
create index link_by_channel on cloudsales.link (channel, linked_at);
comment on table cloudsales.link is 'A listing''s tie to a product, with what was compared when it was made.';

create table cloudsales.plan_product (
    plan_id         bigint not null references cloudsales.plan on delete cascade,
    product_id      bigint not null,
    fingerprint     bigint not null,
    primary key (plan_id, product_id)
);
comment on table cloudsales.plan_product is 'The details of each matched product as the audit saw them: after the apply they must be the same (I-03).';

create table cloudsales.suggestion (
    suggestion_id   bigint generated always as identity primary key,
    listing_id      bigint not null references cloudsales.listing,
    product_id      bigint references cloudsales.product,
    score           real,
    evidence        jsonb not null default '{}',
    state           text not null default 'open' check (state in ('open', 'accepted', 'rejected', 'expired')),
    created_at      timestamptz not null default now(),
    decided_at      timestamptz,
    unique nulls not distinct (listing_id, product_id)
);
create index suggestion_open on cloudsales.suggestion (listing_id) where state = 'open';
comment on table cloudsales.suggestion is 'A listing held for a person: it may be this product. Without a product: held by the setting on_no_match.';

create table cloudsales.quarantine (
    quarantine_id   bigint generated always as identity primary key,
    stage           text not null check (stage in ('listing', 'catalog', 'match')),
    channel         text not null default '',
    reference       text not null,
    reason          text not null,
    detail          jsonb not null default '{}',
    first_seen_at   timestamptz not null default now(),
    resolved_at     timestamptz,
    resolution      text
);
create unique index quarantine_open on cloudsales.quarantine (stage, channel, reference, reason) where resolved_at is null;
comment on table cloudsales.quarantine is 'What could not be decided or read, with a reason code and the evidence. Nothing is lost: the rest went on.';
comment on column cloudsales.quarantine.reference is 'listing, match: the variant or product id on the channel; catalog: file and row.';
comment on column cloudsales.quarantine.resolution is 'resolved: what caused it is gone; dismissed: a person said to leave it.';

create table cloudsales.run_summary (
    summary_id      bigint generated always as identity primary key,
    stage           text not null,
    channel         text not null default '',
    run_id          text,
    started_at      timestamptz not null,
    finished_at     timestamptz not null default now(),
    rows_in         integer not null,
    loaded          integer not null,
    unchanged       integer not null,
    quarantined     integer not null,
    check (rows_in = loaded + unchanged + quarantined)
);
comment on table cloudsales.run_summary is 'One line for each pass of a stage: rows in = loaded + unchanged + quarantined (I-44), by constraint.';
