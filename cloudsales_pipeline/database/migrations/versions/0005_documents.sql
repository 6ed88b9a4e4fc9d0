-- Documents. A document is a snapshot (I-34) that nothing changes or deletes (I-32); a correction is a document of its own.

create table cloudsales.document_channel (
    channel         text primary key references cloudsales.channel,
    enabled         boolean not null,
    hands_over      boolean not null default true,
    rules           text not null default '',
    since           timestamptz not null default clock_timestamp()
);
comment on table cloudsales.document_channel is 'Channels whose orders get documents by rules, as the settings say; not enabled: the kill switch is on, since then.';
comment on column cloudsales.document_channel.rules is 'A hash of the rules that orders were last judged by: where the settings have others, open orders are judged anew.';

create table cloudsales.document_due (
    due_id          bigint generated always as identity primary key,
    order_id        bigint not null, -- no foreign key: its check locks the order, which who moves stock must never wait for
    marked_at       timestamptz not null default clock_timestamp()
);
create index document_due_by_order on cloudsales.document_due (order_id);
comment on table cloudsales.document_due is 'Orders whose facts changed since their rules were last judged. Rows are added only, and taken away by who judged them: nobody waits for anybody.';

create function cloudsales.orders_to_judge() returns trigger language plpgsql as $$
begin
    insert into cloudsales.document_due (order_id)
    select distinct a.order_id from after_rows a
    join cloudsales.sales_order o using (order_id) join cloudsales.document_channel c on c.channel = o.channel and c.enabled;
    return null;
end $$;
create trigger new_orders_are_judged after insert on cloudsales.sales_order
    referencing new table as after_rows for each statement execute function cloudsales.orders_to_judge();
create trigger changed_orders_are_judged after update on cloudsales.sales_order
    referencing new table as after_rows for each statement execute function cloudsales.orders_to_judge();
create trigger new_lines_are_judged after insert on cloudsales.sales_order_line
    referencing new table as after_rows for each statement execute function cloudsales.orders_to_judge();
create trigger changed_lines_are_judged after update on cloudsales.sales_order_line
    referencing new table as after_rows for each statement execute function cloudsales.orders_to_judge();

create table cloudsales.document (
    document_id     bigint generated always as identity primary key,
    kind            text not null check (kind in ('proforma_invoice', 'fiscal_invoice', 'storno')),
    series          text not null,
    number          integer not null check (number > 0),
    order_id        bigint not null references cloudsales.sales_order,
    issued_at       timestamptz not null default clock_timestamp(),
    issued_on       date not null,
    supplied_on     date not null,
    due_on          date not null,
    currency        text not null,
    net             numeric(14, 2) not null,
    vat             numeric(14, 2) not null,
    rounding        numeric(14, 2) not null default 0 check (abs(rounding) < 1),
    total           numeric(14, 2) not null,
    language        text not null,
    corrects        bigint references cloudsales.document,
    cause           text not null,
    rule            text not null default '',
    facts           jsonb not null default '{}',
    flags           text[] not null default '{}',
    lines           text[] not null default '{}',
    submit_by       date,
    check (total = net + vat + rounding),
    check ((kind = 'storno') = (corrects is not null)),
    unique (series, number, kind)
);
create index document_by_order on cloudsales.document (order_id, document_id);
create unique index document_corrected_once on cloudsales.document (corrects) where corrects is not null and cause <> 'return';
comment on table cloudsales.document is 'Issued documents, frozen. No personal data: who and what stands in personal.document_content.';
comment on column cloudsales.document.total is 'What is to be paid = net + vat + rounding. Prices are with VAT, and VAT is worked out once per rate (EN 16931 BR-CO-17), so a cent may be left: rounding (BT-114).';
comment on column cloudsales.document.cause is 'rule, command, cancellation, return.';
comment on column cloudsales.document.rule is 'The rule that issued it, and facts: what it saw (I-36).';
comment on column cloudsales.document.flags is 'What a person should know: buyer_tax_id_invalid, buyer_without_address, total_differs.';
comment on column cloudsales.document.lines is 'Of an invoice: the order''s lines, by the channel''s ids, that its lines 1, 2, … stand for; what comes back is found by it.';
comment on column cloudsales.document.corrects is 'Of a storno: the invoice that it corrects, in whole or by what came back.';
comment on column cloudsales.document.submit_by is 'Until when it must be handed to the tax authority: five working days.';

create table cloudsales.document_live (
    order_id        bigint not null references cloudsales.sales_order,
    kind            text not null check (kind in ('proforma_invoice', 'fiscal_invoice')),
    document_id     bigint not null unique references cloudsales.document,
    primary key (order_id, kind)
);
comment on table cloudsales.document_live is 'The one live proforma and the one live fiscal invoice of an order (I-31), by key. A whole storno takes the row away; so does the fiscal invoice that a proforma became.';

create table personal.document_content (
    document_id     bigint primary key references cloudsales.document,
    content         jsonb not null
);
comment on table personal.document_content is 'What stands on a document: seller, buyer, lines, taxes. The law keeps it, also after an erasure (I-49).';

create table cloudsales.document_file (
    document_id     bigint not null references cloudsales.document,
    kind            text not null check (kind in ('pdf', 'xml')),
    file_id         bigint not null references personal.stored_file,
    primary key (document_id, kind)
);
comment on table cloudsales.document_file is 'A document''s PDF and e-invoice, made once from its content.';

create table cloudsales.document_paper_due (
    document_id     bigint primary key references cloudsales.document
);
comment on table cloudsales.document_paper_due is 'Documents whose files are still to be made: what is missing is found without reading all that were ever issued.';
create function cloudsales.papers_to_make() returns trigger language plpgsql as $$
begin
    insert into cloudsales.document_paper_due (document_id) select document_id from after_rows;
    return null;
end $$;
create trigger new_documents_need_papers after insert on cloudsales.document
    referencing new table as after_rows for each statement execute function cloudsales.papers_to_make();

create table cloudsales.document_submission (
    document_id     bigint primary key references cloudsales.document,
    state           text not null default 'due' check (state in ('due', 'sent', 'accepted', 'rejected', 'unknown')),
    reference       text,
    reason          text,
    attempts        smallint not null default 0,
    due_at          timestamptz not null default clock_timestamp(),
    changed_at      timestamptz not null default clock_timestamp()
);
create index document_submission_due on cloudsales.document_submission (due_at, document_id) where state = 'due';
comment on table cloudsales.document_submission is 'Where each fiscal document stands with the tax authority.';

create table cloudsales.document_handover (
    handover_id     bigint generated always as identity primary key,
    order_id        bigint not null references cloudsales.sales_order,
    document_id     bigint references cloudsales.document,
    waybill_id      bigint,
    state           text not null default 'due' check (state in ('due', 'done', 'refused', 'not_needed')),
    reason          text,
    attempts        smallint not null default 0,
    due_at          timestamptz not null default clock_timestamp(),
    done_at         timestamptz,
    check ((document_id is null) <> (waybill_id is null)),
    unique (document_id),
    unique (waybill_id)
);
create index document_handover_due on cloudsales.document_handover (due_at, handover_id) where state = 'due';
comment on table cloudsales.document_handover is 'Whether an order''s channel has been given a document or waybill: once, healed if that failed.';

create function cloudsales.refuse_document_change() returns trigger language plpgsql as $$
begin
    raise exception '% of % is refused: what was issued is never changed or deleted (I-32, I-34)', tg_op, tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger document_guard before update or delete or truncate on cloudsales.document
    for each statement execute function cloudsales.refuse_document_change();
create trigger document_content_guard before update or delete or truncate on personal.document_content
    for each statement execute function cloudsales.refuse_document_change();
create trigger document_file_guard before update or delete or truncate on cloudsales.document_file
    for each statement execute function cloudsales.refuse_document_change();

alter table cloudsales.sales_order add column goods_checked_at timestamptz;
comment on column cloudsales.sales_order.goods_checked_at is 'When a person, or a scan, said that the goods are there and right; a fact of rules.';
