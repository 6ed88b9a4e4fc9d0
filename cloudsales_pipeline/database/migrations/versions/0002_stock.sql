-- Stock: what moved (the ledger), what is there (levels), what is held (reservations), what channels should show (publications).

create table cloudsales.warehouse (
    warehouse       text primary key,
    name            text not null default '',
    registered_at   timestamptz not null default now()
);
comment on table cloudsales.warehouse is 'A place that holds stock, as the settings name it; a store''s shop floor too.';

create table cloudsales.stock_file (
    file_id         bigint generated always as identity primary key,
    channel         text not null default '',
    name            text not null,
    content_hash    bytea not null,
    bytes           bigint not null,
    state           text not null check (state in ('taken', 'refused')),
    rows_in         integer not null default 0,
    loaded          integer not null default 0,
    unchanged       integer not null default 0,
    quarantined     integer not null default 0,
    refusal         text,
    taken_at        timestamptz not null default clock_timestamp(),
    archived_as     text,
    unique (channel, content_hash),
    check (rows_in = loaded + unchanged + quarantined)
);
comment on table cloudsales.stock_file is 'A file of movements that was taken in, once by its content; refused: not readable as a whole.';
comment on column cloudsales.stock_file.channel is 'The store that dropped it; empty for one that was loaded by hand.';
comment on column cloudsales.stock_file.archived_as is 'Where it lies now, under its inbox; null while that is still to be done.';

create table cloudsales.stock_movement (
    movement_id     bigint generated always as identity primary key,
    warehouse       text not null references cloudsales.warehouse,
    product_id      bigint not null references cloudsales.product,
    quantity        integer not null check (quantity between -1000000 and 1000000),
    reason          text not null check (reason in ('receipt', 'sale', 'return', 'adjustment', 'count', 'transfer_in', 'transfer_out')),
    counted         integer check (counted >= 0),
    reference       text not null check (reference <> '' and length(reference) <= 200),
    line            integer not null default 1 check (line >= 1),
    occurred_at     timestamptz not null,
    recorded_at     timestamptz not null default clock_timestamp(),
    file_id         bigint references cloudsales.stock_file,
    unique (reference, line),
    check ((reason = 'count') = (counted is not null)),
    check (case reason when 'receipt' then quantity > 0 when 'return' then quantity > 0 when 'transfer_in' then quantity > 0
                       when 'sale' then quantity < 0 when 'transfer_out' then quantity < 0
                       when 'adjustment' then quantity <> 0 else true end)
);
create index stock_movement_by_product on cloudsales.stock_movement (product_id, occurred_at);
create index stock_movement_by_occurrence on cloudsales.stock_movement (occurred_at);
create index stock_movement_by_record on cloudsales.stock_movement using brin (recorded_at);
comment on table cloudsales.stock_movement is 'The stock ledger: immutable rows, whose sum is what is on hand (I-08, I-09). A correction is a new row.';
comment on column cloudsales.stock_movement.quantity is 'Pieces that came (positive) or went (negative). Of a count: what it found, less what was believed at that moment.';
comment on column cloudsales.stock_movement.counted is 'What a count found.';
comment on column cloudsales.stock_movement.reference is 'The business document. Posted once: again with the same lines it does nothing, with others it is refused (I-10).';
comment on column cloudsales.stock_movement.line is 'The line of the document, from 1; a transfer has two (I-11).';
comment on column cloudsales.stock_movement.occurred_at is 'When it happened; recorded_at is when we learned of it.';

create table cloudsales.stock_level (
    product_id      bigint not null references cloudsales.product,
    warehouse       text not null references cloudsales.warehouse,
    on_hand         integer not null default 0,
    reserved        integer not null default 0,
    version         bigint not null,
    changed_at      timestamptz not null default clock_timestamp(),
    primary key (product_id, warehouse),
    constraint reserved_is_on_hand check (0 <= reserved and reserved <= on_hand)
) with (fillfactor = 70);
comment on table cloudsales.stock_level is 'What is on hand and reserved, per product and warehouse. Written by the triggers of the ledger and of reservations alone.';
comment on column cloudsales.stock_level.version is 'Grows with every change (I-12). 0: nothing ever moved here, so the stock is unknown, which is not zero.';

create table cloudsales.reservation (
    reservation_id  bigint generated always as identity primary key,
    owner           text not null check (owner <> ''),
    product_id      bigint not null references cloudsales.product,
    warehouse       text not null references cloudsales.warehouse,
    quantity        integer not null check (quantity > 0),
    state           text not null default 'open' check (state in ('open', 'issued', 'released', 'displaced', 'split')),
    placed_at       timestamptz not null,
    created_at      timestamptz not null default clock_timestamp(),
    ended_at        timestamptz,
    check ((state = 'open') = (ended_at is null))
) with (fillfactor = 80);
create index reservation_open on cloudsales.reservation (product_id, warehouse, placed_at, reservation_id) where state = 'open';
create index reservation_by_owner on cloudsales.reservation (owner);
comment on table cloudsales.reservation is 'Pieces that an order holds. It ends once (I-16): issued (they left), released, or displaced (a count found too few); split: its rest goes on as a new row.';
comment on column cloudsales.reservation.owner is 'Whose it is, by business key: an order''s line.';
comment on column cloudsales.reservation.placed_at is 'When the order was placed: the newest give way first (I-07).';

create table cloudsales.event (
    event_id        bigint generated always as identity primary key,
    kind            text not null,
    channel         text not null default '',
    reference       text not null default '',
    product_id      bigint references cloudsales.product,
    warehouse       text references cloudsales.warehouse,
    quantity        integer,
    detail          jsonb not null default '{}',
    recorded_at     timestamptz not null default clock_timestamp()
);
create index event_by_kind on cloudsales.event (kind, event_id);
comment on table cloudsales.event is 'What happened, written in the transaction that did it; what follows is derived from it by the stages above. Append-only, no personal data.';

create table cloudsales.stock_rule (
    rule_id         integer generated always as identity primary key,
    channel         text not null references cloudsales.channel,
    scope           text not null check (scope in ('channel', 'category', 'sku')),
    value           text not null default '',
    every_product   boolean not null default false,
    warehouses      text[] not null,
    buffer          integer not null check (buffer >= 0),
    cap             integer check (cap >= 0),
    share           numeric(7, 6) not null check (share between 0 and 1),
    changed_at      timestamptz not null default now(),
    unique (channel, scope, value)
);
comment on table cloudsales.stock_rule is 'What a channel is shown of our stock, as the settings say: a SKU''s rule before its category''s (the longest that fits) before the channel''s.';
comment on column cloudsales.stock_rule.value is 'The category (its subcategories included) or the SKU.';
comment on column cloudsales.stock_rule.every_product is 'The channel has no listing of its own (a store): it is told of every product whose stock is known, by its SKU.';

create table cloudsales.publication (
    publication_id          bigint generated always as identity primary key,
    channel                 text not null references cloudsales.channel,
    variant_id              text not null,
    product_id              bigint not null references cloudsales.product,
    rule_id                 integer references cloudsales.stock_rule on delete set null,
    quantity                integer check (quantity >= 0),
    version                 bigint not null default 0,
    acknowledged_quantity   integer,
    acknowledged_version    bigint,
    shown_quantity          integer,
    state                   text not null default 'unknown'
        check (state in ('unknown', 'due', 'done', 'held', 'pending', 'rejected', 'unknown_variant')),
    urgency                 smallint not null default 3,
    attempts                smallint not null default 0,
    changed_at              timestamptz,
    waiting_since           timestamptz,
    acknowledged_at         timestamptz,
    retry_at                timestamptz,
    drift_since             timestamptz,
    lag_seconds             real,
    pushed_version          bigint,
    ticket                  text,
    detail                  text,
    unique (channel, variant_id),
    constraint done_is_acknowledged check ((state = 'done') = (acknowledged_version is not distinct from version)),
    check (state <> 'due' or quantity is not null)
) with (fillfactor = 60);
create index publication_by_product on cloudsales.publication (product_id);
create index publication_due on cloudsales.publication (channel, urgency, publication_id) where state = 'due';
create index publication_waiting on cloudsales.publication (channel, state, retry_at) where state in ('held', 'pending', 'rejected', 'unknown_variant');
comment on table cloudsales.publication is 'For every listing (and, for a store, every product): what the channel should show, and what it last acknowledged. What is due is what differs.';
comment on column cloudsales.publication.quantity is 'What the rule gives now; null: the stock is unknown, which is not zero, so nothing is sent (I-22).';
comment on column cloudsales.publication.version is 'Grows with every change of quantity; the channel keeps the highest it has seen (I-21).';
comment on column cloudsales.publication.shown_quantity is 'What the channel is known to show: by its listing, by what it acknowledged, or by reading it back.';
comment on column cloudsales.publication.state is 'due: to be sent; done: acknowledged at its version; held: by the brake on zeroes; pending: taken by the channel, its answer is to come; rejected: refused, tried again at retry_at; unknown_variant: the channel does not know it (any more), asked again at retry_at; unknown: stock unknown.';
comment on column cloudsales.publication.urgency is '0: falls to zero, 1: falls to three or less, 2: falls, 3: the rest.';
comment on column cloudsales.publication.waiting_since is 'When the oldest change was made that the channel has not acknowledged.';

create table cloudsales.stock_channel (
    channel             text primary key references cloudsales.channel,
    rules_hash          text not null default '',
    hold_since          timestamptz,
    hold_listings       integer,
    hold_share          real,
    released_until      timestamptz,
    shown               integer,
    reached_at          timestamptz,
    failing_since       timestamptz,
    failures            integer not null default 0,
    failure             text,
    next_try_at         timestamptz,
    publisher           text,
    reconcile_after     bigint not null default 0,
    reconciled_at       timestamptz
);
comment on table cloudsales.stock_channel is 'How publishing to a channel stands: the brake, failures, who publishes.';
comment on column cloudsales.stock_channel.shown is 'How many listings are known to show more than nothing: what the brake''s share is of.';
comment on column cloudsales.stock_channel.hold_since is 'Since when the brake holds what would go to zero (I-26); cloudsales stock release-hold ends it.';
comment on column cloudsales.stock_channel.reconcile_after is 'The last publication that was read back: the next reconciliation goes on behind it.';

create table cloudsales.stock_push_minute (
    channel         text not null references cloudsales.channel,
    minute          timestamptz not null,
    requests        integer not null default 0,
    pushed          integer not null default 0,
    acknowledged    integer not null default 0,
    stale           integer not null default 0,
    rejected        integer not null default 0,
    unknown_variant integer not null default 0,
    pending         integer not null default 0,
    zeroed          integer not null default 0,
    longest_lag     real not null default 0,
    lag_counts      integer[] not null,
    primary key (channel, minute)
) with (fillfactor = 50);
comment on table cloudsales.stock_push_minute is 'What was sent to a channel in a minute, and how long changes had waited.';
comment on column cloudsales.stock_push_minute.lag_counts is 'Acknowledged changes by lag: bucket n (from 1) ends at 0.001 s × 1.3^n, the last has no end.';

create table cloudsales.channel_offer (
    channel         text not null references cloudsales.channel,
    variant_id      text not null,
    kind            text not null check (kind in ('ghost', 'never_acknowledged', 'not_shown', 'drift')),
    quantity        integer,
    expected        integer,
    found_at        timestamptz not null default clock_timestamp(),
    resolved_at     timestamptz,
    primary key (channel, variant_id, kind)
);
comment on table cloudsales.channel_offer is 'What reconciliation found: ghost (sold there, unknown here), never_acknowledged, not_shown (the channel does not know the listing), drift (it shows another figure than it acknowledged).';

create table cloudsales.stock_snapshot (
    business_date   date not null,
    warehouse       text not null references cloudsales.warehouse,
    product_id      bigint not null references cloudsales.product,
    on_hand         integer not null,
    reserved        integer not null,
    taken_at        timestamptz not null,
    primary key (business_date, warehouse, product_id)
);
comment on table cloudsales.stock_snapshot is 'Stock at the end of a business date, from the ledger as it was known when the snapshot was taken.';

alter table cloudsales.quarantine drop constraint quarantine_stage_check;
alter table cloudsales.quarantine add constraint quarantine_stage_check check (stage in ('listing', 'catalog', 'match', 'stock'));
comment on column cloudsales.quarantine.reference is 'listing, match: the variant or product id on the channel; catalog, stock: file and row.';
