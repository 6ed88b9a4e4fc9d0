-- What waits for a person: what Dagster knows and our tables would not, what operators were told, and indexes over what is open.

create table cloudsales.failed_job (
    job             text not null,
    channel         text not null default '',
    run_id          text not null,
    error           text not null default '',
    failed_since    timestamptz not null,
    failed_at       timestamptz not null,
    failures        integer not null default 1,
    primary key (job, channel)
);
comment on table cloudsales.failed_job is 'Jobs whose last run failed; the row goes when one succeeds. Kept here, so that status needs no Dagster.';
comment on column cloudsales.failed_job.channel is 'The partition of the run: a channel or a business date; empty where the job has none.';
comment on column cloudsales.failed_job.error is 'The class of what was raised; never its text.';

create table cloudsales.red_check (
    asset           text not null,
    rule            text not null,
    warns           boolean not null,
    rows_offending  integer,
    red_since       timestamptz not null,
    seen_at         timestamptz not null,
    primary key (asset, rule)
);
comment on table cloudsales.red_check is 'Checks in Dagster whose last evaluation did not pass; the row goes when one does.';

create table cloudsales.process_seen (
    process         text primary key,
    seen_at         timestamptz not null
);
comment on table cloudsales.process_seen is 'daemon: when Dagster''s daemon was last alive, written each minute by its sensor operators_told; record: until when Dagster''s record of runs was read.';

create table cloudsales.operator_notice (
    finding         text primary key,
    kind            text not null,
    severity        text not null check (severity in ('now', 'digest')),
    since           timestamptz not null,
    told_at         timestamptz not null,
    told            jsonb not null,
    resolved_at     timestamptz
);
comment on table cloudsales.operator_notice is 'What operators were told of: nothing is told twice while it stays as it is. The row goes when the digest has said that it is over.';
comment on column cloudsales.operator_notice.finding is 'kind/subject: a channel, a stage, a job, a check; nobody''s name.';
comment on column cloudsales.operator_notice.told is 'As it was told: subject, count, detail; digest: the count that the last digest said.';

create table cloudsales.operator_digest (
    business_date   date primary key,
    decided_at      timestamptz not null,
    sent            boolean not null,
    open            integer not null,
    resolved        integer not null
);
comment on table cloudsales.operator_digest is 'The digest of each day, once; not sent where nothing was open or changed.';

-- What is open, however long the history: status answers within a second.
create index sales_order_unknown_to_channel on cloudsales.sales_order (channel, imported_at) where acknowledgement = 'unknown_order';
create index document_submission_open on cloudsales.document_submission (state, document_id) where state in ('due', 'rejected', 'unknown');
create index channel_offer_open on cloudsales.channel_offer (channel, kind) where resolved_at is null;
create index stock_file_refused on cloudsales.stock_file (channel, name, taken_at) where state = 'refused';
create index quarantine_new on cloudsales.quarantine (first_seen_at) where resolved_at is null;
