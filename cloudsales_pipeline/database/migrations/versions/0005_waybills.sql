-- Waybills: an intent first, with our reference; then the courier is called; what is not clear is looked up (I-37).

create table cloudsales.waybill (
    waybill_id      bigint generated always as identity primary key,
    order_id        bigint not null references cloudsales.sales_order,
    courier         text not null,
    service         text not null default '',
    reference       text not null unique,
    parcel          smallint not null default 1 check (parcel > 0),
    parcels         smallint not null default 1 check (parcels > 0),
    state           text not null default 'intended'
                    check (state in ('intended', 'creating', 'created', 'unknown', 'failed', 'cancelled', 'shipped', 'in_locker', 'delivered', 'returned', 'lost')),
    number          text,
    barcodes        text[] not null default '{}',
    cost            numeric(14, 2),
    currency        text not null default 'RON',
    cash_on_delivery numeric(14, 2) not null default 0,
    weight_grams    integer not null check (weight_grams > 0),
    locker_id       text,
    rule            text not null default '',
    facts           jsonb not null default '{}',
    reason          text,
    attempts        smallint not null default 0,
    due_at          timestamptz not null default clock_timestamp(),
    claimed_by      text,
    claimed_at      timestamptz,
    intended_at     timestamptz not null default clock_timestamp(),
    created_at      timestamptz,
    tracked_at      timestamptz,
    ended_at        timestamptz,
    label_file_id   bigint references personal.stored_file,
    label_attempts  smallint not null default 0,
    label_due_at    timestamptz not null default clock_timestamp(),
    check (state in ('intended', 'creating', 'unknown', 'failed', 'cancelled') or number is not null)
);
create unique index waybill_live on cloudsales.waybill (order_id, parcel) where state not in ('failed', 'cancelled');
create unique index waybill_number on cloudsales.waybill (courier, number) where number is not null;
create index waybill_due on cloudsales.waybill (courier, due_at, waybill_id) where state in ('intended', 'creating', 'unknown');
create index waybill_unlabelled on cloudsales.waybill (courier, label_due_at) where state = 'created' and label_file_id is null;
create index waybill_to_track on cloudsales.waybill (courier, tracked_at nulls first) where state in ('created', 'shipped', 'in_locker');
comment on table cloudsales.waybill is 'Waybills (AWB): one live one for each parcel of an order (I-37).';
comment on column cloudsales.waybill.service is 'The courier''s service that the rule asks for; empty: the one of the courier''s settings.';
comment on column cloudsales.waybill.due_at is 'Not to be created, looked up or cancelled before; also how long who looks it up keeps others from it.';
comment on column cloudsales.waybill.claimed_by is 'Who called the courier last, and claimed_at when that call began.';
comment on column cloudsales.waybill.reference is 'Ours, stored before the courier is called: what an unclear answer is looked up by.';
comment on column cloudsales.waybill.state is 'intended; creating: a call is under way; created; unknown: it may exist over there, and blocks another until it is looked up; failed: the courier refused; cancelled; then by tracking shipped, in_locker, delivered, returned, lost.';

alter table cloudsales.document_handover add constraint document_handover_waybill foreign key (waybill_id) references cloudsales.waybill;

create table cloudsales.waybill_event (
    waybill_id      bigint not null references cloudsales.waybill,
    occurred_at     timestamptz not null,
    code            text not null,
    state           text not null,
    seen_at         timestamptz not null default clock_timestamp(),
    primary key (waybill_id, occurred_at, code)
);
comment on table cloudsales.waybill_event is 'What the courier said of a parcel, once each; no places and no names.';

create table cloudsales.courier_standing (
    courier         text primary key,
    tracked_until   timestamptz,
    paused_until    timestamptz,
    failing_since   timestamptz,
    failure         text
);
comment on table cloudsales.courier_standing is 'How far each courier''s events were read, and whether it answers.';
