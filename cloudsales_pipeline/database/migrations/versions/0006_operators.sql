-- What operators were told.

create table cloudsales.operator_notice (
    finding         text primary key,
    severity        text not null check (severity in ('now', 'digest')),
    since           timestamptz not null default clock_timestamp(),
    told_at         timestamptz,
    told            jsonb not null default '{}'
);
comment on table cloudsales.operator_notice is 'What waits for a person, since when, and what operators were told of it last: nothing is told twice while it stays as it is.';
