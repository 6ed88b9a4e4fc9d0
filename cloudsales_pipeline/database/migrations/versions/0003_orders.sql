-- Orders. What is of a person lies in the schema personal and nowhere else (I-46, I-47, I-49).

create schema personal;
comment on schema personal is 'What orders say of people, and the payloads as they came. Read by cloudsales_pipeline and cloudsales_personal alone.';

create table cloudsales.order_intake (
    channel         text primary key references cloudsales.channel,
    seen_until      timestamptz,
    pass_since      timestamptz,
    pass_cursor     text,
    pass_seen       timestamptz,
    pass_pages      integer not null default 0,
    polled_at       timestamptz,
    passed_at       timestamptz,
    failing_since   timestamptz,
    failure         text
);
comment on table cloudsales.order_intake is 'How far each channel''s orders were read. Moves in the transaction that stores the page it covers (I-42).';
comment on column cloudsales.order_intake.seen_until is 'The newest change that a finished pass has seen, by the channel''s clock; the next pass begins a little before it.';
comment on column cloudsales.order_intake.pass_cursor is 'Where the pass that began at pass_since goes on; null between passes.';

create table personal.order_payload (
    payload_id      bigint generated always as identity primary key,
    channel         text not null references cloudsales.channel,
    external_id     text not null,
    revision        bigint not null,
    changed_at      timestamptz,
    content_hash    bytea not null,
    payload         bytea,
    state           text not null default 'new' check (state in ('new', 'taken', 'superseded', 'stale', 'unchanged', 'held', 'dismissed')),
    reason          text,
    received_at     timestamptz not null default clock_timestamp(),
    decided_at      timestamptz,
    erased_at       timestamptz,
    unique (channel, external_id, revision, content_hash)
);
create index order_payload_new on personal.order_payload (channel, payload_id) where state = 'new';
create index order_payload_held on personal.order_payload (channel, payload_id) where state = 'held';
comment on table personal.order_payload is 'Every revision of an order as the channel sent it, zlib-compressed, stored before it is read.';
comment on column personal.order_payload.state is 'new: not read yet; taken; superseded: a higher revision of its batch was taken; stale: a higher one was taken before; unchanged; held: waits for a person, reason says why.';
comment on column personal.order_payload.external_id is 'Empty where the payload has no id that can be read.';

create table cloudsales.sales_order (
    order_id            bigint generated always as identity primary key,
    channel             text not null references cloudsales.channel,
    external_id         text not null,
    revision            bigint not null,
    status              text not null check (status in ('new', 'paid', 'held', 'expired', 'issued', 'cancelled', 'returned')),
    channel_status      text not null,
    placed_at           timestamptz not null,
    changed_at          timestamptz not null,
    imported_at         timestamptz not null default clock_timestamp(),
    payment_method      text not null,
    payment_status      text not null,
    paid_at             timestamptz,
    delivery_method     text not null,
    courier             text,
    county              text,
    company             boolean not null default false,
    currency            text not null,
    delivery_price      numeric(14, 2) not null,
    discount            numeric(14, 2) not null,
    total               numeric(14, 2) not null,
    expected_total      numeric(16, 2) not null,
    review              text[] not null default '{}',
    whole               boolean not null default false,
    warehouses          text[] not null,
    frozen_at           timestamptz,
    acknowledgement     text not null default 'due' check (acknowledgement in ('due', 'done', 'locked', 'unknown_order', 'not_needed')),
    acknowledge_after   timestamptz not null default clock_timestamp(),
    acknowledge_tries   smallint not null default 0,
    acknowledged_at     timestamptz,
    unique (channel, external_id)
) with (fillfactor = 80);
create index sales_order_to_acknowledge on cloudsales.sales_order (channel, acknowledge_after) where acknowledgement in ('due', 'locked');
create index sales_order_by_time on cloudsales.sales_order (placed_at);
create index sales_order_unpaid on cloudsales.sales_order (channel, placed_at) where status in ('new', 'held');
create index sales_order_in_review on cloudsales.sales_order (order_id) where review <> '{}';
comment on table cloudsales.sales_order is 'An order, once by channel and id (I-13), as its highest revision says (I-18). No personal data.';
comment on column cloudsales.sales_order.status is 'new, paid: open; held: the channel says what nobody here knows, its stock stays reserved; expired: not paid in time, nothing reserved; issued: all goods have left; cancelled; returned.';
comment on column cloudsales.sales_order.discount is 'On the whole order; what is on single lines stands there.';
comment on column cloudsales.sales_order.expected_total is 'Lines + delivery − discounts; where total differs, the order is in review and nothing is corrected (I-20).';
comment on column cloudsales.sales_order.review is 'Why a person should look, as codes; empty: nothing to look at.';
comment on column cloudsales.sales_order.whole is 'Reserves all its lines or none (the channel''s policy when it came in).';
comment on column cloudsales.sales_order.warehouses is 'Where it may reserve, the first choice first.';
comment on column cloudsales.sales_order.frozen_at is 'From its first document on, an amendment of lines is for a person.';
comment on column cloudsales.sales_order.acknowledgement is 'Whether the channel knows that we hold it: due, done, locked (asked again later), unknown_order, not_needed.';

create table cloudsales.sales_order_line (
    line_id             bigint generated always as identity primary key,
    order_id            bigint not null references cloudsales.sales_order,
    external_line_id    text not null,
    position            integer not null,
    owner               text not null unique,
    variant_id          text not null,
    code                text,
    ean                 text,
    name                text not null,
    product_id          bigint references cloudsales.product,
    unknown             text,
    quantity            integer not null check (quantity > 0),
    reserved            integer not null default 0 check (reserved >= 0),
    issued              integer not null default 0 check (issued >= 0),
    cancelled           integer not null default 0 check (cancelled >= 0),
    waiting             integer generated always as (quantity - reserved - issued - cancelled) stored check (waiting >= 0),
    advised             integer not null default 0 check (advised >= 0),
    received            integer not null default 0 check (received between 0 and issued),
    restocked           integer not null default 0 check (restocked >= 0),
    scrapped            integer not null default 0 check (scrapped >= 0),
    unit_price          numeric(14, 2) not null,
    vat_rate            numeric(5, 2),
    discount            numeric(14, 2) not null default 0,
    placed_at           timestamptz not null,
    unique (order_id, external_line_id),
    constraint returned_is_received check (restocked + scrapped <= received),
    check (product_id is not null or (reserved = 0 and issued = 0))
) with (fillfactor = 80);
create index sales_order_line_waiting on cloudsales.sales_order_line (product_id, placed_at, owner) where waiting > 0 and product_id is not null;
create index sales_order_line_unknown on cloudsales.sales_order_line (variant_id) where waiting > 0 and product_id is null;
comment on table cloudsales.sales_order_line is 'A line. Always: quantity = reserved + waiting + issued + cancelled (I-15); reserved and issued follow the reservations by a trigger.';
comment on column cloudsales.sales_order_line.owner is 'channel/order/line: whose a reservation is.';
comment on column cloudsales.sales_order_line.unknown is 'Why no product is known for it: unknown_variant, conflict; it waits until its code is linked (I-19).';
comment on column cloudsales.sales_order_line.waiting is 'Pieces without stock. They are served oldest order first as stock arrives.';
comment on column cloudsales.sales_order_line.advised is 'Pieces that the channel says come back; received: that did; restocked: that are in stock again; scrapped: that are not fit for it.';
comment on column cloudsales.sales_order_line.unit_price is 'Tax included, in the order''s currency; discount is of the whole line.';

create table cloudsales.sales_order_discount (
    order_id            bigint not null references cloudsales.sales_order,
    position            integer not null,
    code                text,
    external_line_id    text,
    amount              numeric(14, 2) not null check (amount >= 0),
    primary key (order_id, position)
);
comment on table cloudsales.sales_order_discount is 'The discounts of an order as they came; external_line_id null: on the whole order.';

create table personal.buyer (
    order_id                    bigint primary key references cloudsales.sales_order,
    name                        text not null,
    email                       text,
    phone                       text,
    company_name                text,
    company_tax_id              text,
    company_registration_number text,
    note                        text,
    delivery                    jsonb not null,
    billing                     jsonb,
    erased_at                   timestamptz
);
create index buyer_by_email on personal.buyer (lower(email));
create index buyer_by_phone on personal.buyer (phone);
comment on table personal.buyer is 'Who bought, where it goes, and the note that came with the order.';
comment on column personal.buyer.delivery is 'name, phone, street, city, county, postal_code, country, locker_id, as they came; billing likewise, null: the same.';

create index event_by_reference on cloudsales.event (reference, event_id) where reference <> '';
create index reservation_by_creation on cloudsales.reservation using brin (created_at);
alter table cloudsales.stock_push_minute add column failed integer not null default 0;
comment on column cloudsales.stock_push_minute.failed is 'Requests that ended in an error of the channel.';

alter table cloudsales.quarantine drop constraint quarantine_stage_check;
alter table cloudsales.quarantine add constraint quarantine_stage_check check (stage in ('listing', 'catalog', 'match', 'stock', 'orders'));
comment on column cloudsales.quarantine.reference is 'listing, match: the variant or product id on the channel; catalog, stock: file and row; orders: the order''s id, and /line where it is a line''s.';
