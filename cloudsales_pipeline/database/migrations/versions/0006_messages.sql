-- What happened to orders that somebody may have to be told of, and who wants to be told nothing.

create table cloudsales.message_wanted (
    channel         text not null references cloudsales.channel,
    event           text not null,
    max_age         interval not null,
    primary key (channel, event)
);
comment on table cloudsales.message_wanted is 'Events that a rule tells somebody of, by channel, as the settings say: nothing else is noted.';
comment on column cloudsales.message_wanted.max_age is 'An order that was older when it came in is told of to nobody (I-39).';

create table cloudsales.happening (
    happening_id    bigint generated always as identity primary key,
    order_id        bigint not null, -- no foreign key: its check locks the order, which who moves stock must never wait for
    event           text not null,
    occurred_at     timestamptz not null default statement_timestamp(),
    document_id     bigint,
    waybill_id      bigint,
    noted_at        timestamptz not null default statement_timestamp(),
    due_at          timestamptz,
    reason          text
);
comment on table cloudsales.happening is 'What happened and is not told yet. Written by triggers in the transaction of the cause; taken away by the one that writes the messages.';
comment on column cloudsales.happening.due_at is 'Not looked at before: it waits for a file, or its template failed (reason); null: at once.';

create function cloudsales.note_new_orders() returns trigger language plpgsql as $$
begin
    insert into cloudsales.happening (order_id, event)
    select a.order_id, w.event
    from after_rows a join cloudsales.message_wanted w on w.channel = a.channel and a.placed_at > a.imported_at - w.max_age
    where (w.event = 'order_imported' and a.status in ('new', 'paid', 'held'))
       or (w.event = 'paid' and a.payment_status = 'paid' and a.payment_method <> 'cash_on_delivery' and a.status in ('new', 'paid', 'held'))
    order by a.order_id, w.event;
    return null;
end $$;
create trigger new_orders_are_noted after insert on cloudsales.sales_order
    referencing new table as after_rows for each statement execute function cloudsales.note_new_orders();

create function cloudsales.note_changed_orders() returns trigger language plpgsql as $$
begin
    -- What the channel says has the channel's time: what is old news when it comes is not told.
    insert into cloudsales.happening (order_id, event, occurred_at)
    select a.order_id, w.event,
           case when a.changed_at <> b.changed_at then least(a.changed_at, statement_timestamp()) else statement_timestamp() end
    from after_rows a
    join before_rows b using (order_id)
    join cloudsales.message_wanted w on w.channel = a.channel and a.placed_at > a.imported_at - w.max_age
    where (w.event = a.status and a.status <> b.status and a.status in ('cancelled', 'expired', 'returned'))
       or (w.event = 'paid' and a.payment_status = 'paid' and b.payment_status <> 'paid' and a.payment_method <> 'cash_on_delivery'
           and a.status not in ('cancelled', 'expired', 'returned'))
    order by a.order_id, w.event;
    return null;
end $$;
create trigger changed_orders_are_noted after update on cloudsales.sales_order
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.note_changed_orders();

create function cloudsales.note_new_lines() returns trigger language plpgsql as $$
begin
    if exists (select from cloudsales.message_wanted where event = 'waiting_for_stock') then
        insert into cloudsales.happening (order_id, event)
        select distinct o.order_id, w.event
        from after_rows a
        join cloudsales.sales_order o using (order_id)
        join cloudsales.message_wanted w on w.channel = o.channel and w.event = 'waiting_for_stock' and o.placed_at > o.imported_at - w.max_age
        where a.waiting > 0 and a.product_id is not null;
    end if;
    return null;
end $$;
create trigger new_lines_are_noted after insert on cloudsales.sales_order_line
    referencing new table as after_rows for each statement execute function cloudsales.note_new_lines();

create function cloudsales.note_changed_lines() returns trigger language plpgsql as $$
begin
    if exists (select from cloudsales.message_wanted where event in ('waiting_for_stock', 'stock_arrived')) then
        insert into cloudsales.happening (order_id, event)
        select distinct o.order_id, w.event
        from after_rows a
        join before_rows b using (line_id)
        join cloudsales.sales_order o on o.order_id = a.order_id
        join cloudsales.message_wanted w on w.channel = o.channel and o.placed_at > o.imported_at - w.max_age
        where (w.event = 'waiting_for_stock' and a.waiting > 0 and a.product_id is not null and (b.waiting = 0 or b.product_id is null))
           or (w.event = 'stock_arrived' and b.waiting > 0 and a.waiting = 0 and a.reserved + a.issued > b.reserved + b.issued
               and not exists (select from cloudsales.sales_order_line l where l.order_id = a.order_id and l.waiting > 0));
    end if;
    return null;
end $$;
create trigger changed_lines_are_noted after update on cloudsales.sales_order_line
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.note_changed_lines();

create function cloudsales.note_new_documents() returns trigger language plpgsql as $$
begin
    insert into cloudsales.happening (order_id, event, document_id)
    select a.order_id, w.event, a.document_id
    from after_rows a
    join cloudsales.sales_order o using (order_id)
    join cloudsales.message_wanted w on w.channel = o.channel and o.placed_at > o.imported_at - w.max_age
        and w.event = case a.kind when 'proforma_invoice' then 'proforma_issued' when 'fiscal_invoice' then 'invoice_issued' else 'storno_issued' end;
    return null;
end $$;
create trigger new_documents_are_noted after insert on cloudsales.document
    referencing new table as after_rows for each statement execute function cloudsales.note_new_documents();

create function cloudsales.note_changed_waybills() returns trigger language plpgsql as $$
begin
    -- By the courier's own time, where it was the courier who said so: what is read days later is old.
    insert into cloudsales.happening (order_id, event, occurred_at, waybill_id)
    select a.order_id, w.event,
           least(coalesce((select min(e.occurred_at) from cloudsales.waybill_event e where e.waybill_id = a.waybill_id and e.state = a.state),
                          statement_timestamp()), statement_timestamp()),
           a.waybill_id
    from after_rows a
    join before_rows b using (waybill_id)
    join cloudsales.sales_order o on o.order_id = a.order_id
    join cloudsales.message_wanted w on w.channel = o.channel and o.placed_at > o.imported_at - w.max_age
        and w.event = case a.state when 'created' then 'waybill_issued' else 'waybill_' || a.state end
    where a.state <> b.state
      and (a.state <> 'created' or b.state in ('intended', 'creating', 'unknown'));
    return null;
end $$;
create trigger changed_waybills_are_noted after update on cloudsales.waybill
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.note_changed_waybills();

create table personal.message_opt_out (
    recipient_digest bytea not null,
    medium          text not null check (medium in ('email', 'sms')),
    since           timestamptz not null default clock_timestamp(),
    reason          text not null,
    primary key (recipient_digest, medium)
);
comment on table personal.message_opt_out is 'Who wants no messages about orders, by the digest of the address. It outlives an erasure: else the person would be written to again.';
