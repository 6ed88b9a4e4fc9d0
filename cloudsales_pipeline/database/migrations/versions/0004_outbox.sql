-- What leaves the house: numbers that have no gaps, files that were made, and messages with what became of them.

create table cloudsales.number_series (
    kind            text not null,
    series          text not null,
    year            integer not null,
    last_number     integer not null check (last_number >= 0),
    last_date       date not null,
    primary key (kind, series, year)
);
comment on table cloudsales.number_series is 'The last number of each series. A row, not a sequence: what is rolled back leaves no gap (I-32).';
comment on column cloudsales.number_series.year is 'The year whose numbers begin at 1; 0: the series goes on over the years.';
comment on column cloudsales.number_series.last_date is 'The date of the last number; none before it is given out any more.';

create function cloudsales.take_numbers(of_kind text, of_series text, in_year integer, on_date date, how_many integer)
returns table (first_number integer, dated date) language sql as $$
    insert into cloudsales.number_series as s (kind, series, year, last_number, last_date)
    values (of_kind, of_series, in_year, how_many, on_date)
    on conflict (kind, series, year) do update
        set last_number = s.last_number + how_many, last_date = greatest(s.last_date, on_date)
    returning s.last_number - how_many + 1, s.last_date
$$;
comment on function cloudsales.take_numbers is 'The next numbers of a series, and the date that they may bear. The row stays locked until the transaction ends: make no call meanwhile.';

create table personal.stored_file (
    file_id         bigint generated always as identity primary key,
    name            text not null,
    media_type      text not null,
    content         bytea,
    content_hash    bytea not null,
    bytes           integer not null,
    created_at      timestamptz not null default clock_timestamp(),
    erased_at       timestamptz
);
comment on table personal.stored_file is 'Files that were made: supplier orders, invoices, labels. In the database, so that none is ever half there (F-29).';

create table personal.message (
    message_id          bigint generated always as identity primary key,
    subject_kind        text not null,
    channel             text not null default '',
    external_id         text not null default '',
    event               text not null,
    medium              text not null check (medium in ('email', 'sms')),
    recipient_digest    bytea not null,
    recipient           text,
    language            text not null default 'ro',
    title               text,
    body_text           text,
    body_html           text,
    state               text not null default 'new' check (state in ('new', 'sending', 'sent', 'unknown', 'dead', 'skipped')),
    reason              text,
    attempts            smallint not null default 0,
    urgency             smallint not null default 1,
    due_at              timestamptz not null default clock_timestamp(),
    claimed_at          timestamptz,
    claimed_by          text,
    sent_at             timestamptz,
    answer              text,
    cause_event_id      bigint,
    created_at          timestamptz not null default clock_timestamp(),
    decided_at          timestamptz,
    erased_at           timestamptz,
    unique (subject_kind, channel, external_id, event, medium, recipient_digest),
    check ((state = 'sent') = (sent_at is not null)),
    check (state <> 'sending' or claimed_by is not null)
);
create index message_due on personal.message (medium, urgency, due_at, message_id) where state = 'new';
create index message_open on personal.message (state, created_at) where state in ('new', 'sending', 'unknown', 'dead');
create index message_by_subject on personal.message (channel, external_id, message_id);
create index message_by_recipient on personal.message (recipient_digest, created_at);
comment on table personal.message is 'The outbox. A message is a row of the transaction that caused it, once for each subject, event, medium and recipient (I-38).';
comment on column personal.message.subject_kind is 'What it is about: order, supplier_order, goods_receipt, document, operations.';
comment on column personal.message.external_id is 'Of an order its id on the channel; else the number or reference of the thing.';
comment on column personal.message.state is 'new: to be sent from due_at on; sending: a process has claimed it; sent; unknown: it may have gone out, and is sent again on a person''s word alone; dead: given up; skipped: it has no point any more.';
comment on column personal.message.reason is 'Why it is unknown, dead, skipped or tried again, as a code.';
comment on column personal.message.answer is 'What the gateway answered, without addresses.';

create table personal.message_file (
    message_id      bigint not null references personal.message on delete cascade,
    position        smallint not null,
    file_id         bigint not null references personal.stored_file,
    primary key (message_id, position)
);
comment on table personal.message_file is 'The files that go with a message.';
