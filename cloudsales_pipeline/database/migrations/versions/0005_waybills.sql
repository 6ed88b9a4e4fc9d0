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

create table cloudsales.order_advance (
    advance_id      bigint generated always as identity primary key,
    order_id        bigint not null references cloudsales.sales_order,
    status          text not null check (status in ('processing', 'shipped', 'delivered', 'returned')),
    step            smallint not null generated always as (
                        case status when 'processing' then 1 when 'shipped' then 2 else 3 end) stored,
    state           text not null default 'due' check (state in ('due', 'done', 'refused', 'not_needed')),
    reason          text,
    attempts        smallint not null default 0,
    due_at          timestamptz not null default clock_timestamp(),
    done_at         timestamptz,
    unique (order_id, status)
);
create index order_advance_due on cloudsales.order_advance (due_at, advance_id) where state = 'due';
comment on table cloudsales.order_advance is 'What an order''s channel is to be told of its goods'' way: once each, and of several that are due only the last.';
comment on column cloudsales.order_advance.status is 'processing: a fiscal invoice or waybill was made; shipped: a parcel is on its way; delivered, returned: all parcels are.';

create function cloudsales.waybills_advance_orders() returns trigger language plpgsql as $$
begin
    insert into cloudsales.order_advance (order_id, status)
    select distinct w.order_id, s.status
    from (select distinct n.order_id from after_rows n join before_rows b using (waybill_id) where n.state <> b.state) c
    join cloudsales.sales_order o on o.order_id = c.order_id
    join cloudsales.document_channel e on e.channel = o.channel and e.hands_over
    cross join lateral (
        select bool_or(state in ('shipped', 'in_locker', 'delivered', 'returned')) as left_us,
               bool_or(number is not null) as made,
               bool_and(state = 'delivered') as delivered, bool_and(state = 'returned') as returned, c.order_id as order_id
        from cloudsales.waybill where order_id = c.order_id and state not in ('failed', 'cancelled')
    ) w
    cross join lateral (values ('processing', w.made), ('shipped', w.left_us), ('delivered', w.delivered), ('returned', w.returned)) s (status, holds)
    where s.holds
    on conflict do nothing;
    return null;
end $$;
create trigger waybills_advance_orders after update on cloudsales.waybill
    referencing new table as after_rows old table as before_rows for each statement execute function cloudsales.waybills_advance_orders();
create function cloudsales.invoices_advance_orders() returns trigger language plpgsql as $$
begin
    insert into cloudsales.order_advance (order_id, status)
    select distinct n.order_id, 'processing'
    from after_rows n join cloudsales.sales_order o using (order_id) join cloudsales.document_channel e on e.channel = o.channel and e.hands_over
    where n.kind = 'fiscal_invoice'
    on conflict do nothing;
    return null;
end $$;
create trigger invoices_advance_orders after insert on cloudsales.document
    referencing new table as after_rows for each statement execute function cloudsales.invoices_advance_orders();
