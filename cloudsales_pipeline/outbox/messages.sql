-- The outbox.

-- step: enqueue
with asked as (
    select * from jsonb_to_recordset(cast(:rows as jsonb)) r (
        subject_kind text, channel text, external_id text, event text, medium text, digest text, recipient text, language text, title text,
        body_text text, body_html text, urgency smallint, due_at timestamptz, cause bigint, files bigint[], skipped text)
), made as (
    insert into personal.message (subject_kind, channel, external_id, event, medium, recipient_digest, recipient, language, title, body_text,
                                  body_html, urgency, due_at, cause_event_id, state, reason)
    select subject_kind, channel, external_id, event, medium, decode(digest, 'hex'), nullif(recipient, ''), language, title, body_text,
           body_html, urgency, coalesce(due_at, clock_timestamp()), cause, case when skipped is null then 'new' else 'skipped' end, skipped
    from asked
    on conflict do nothing
    returning message_id, subject_kind, channel, external_id, event, medium, recipient_digest
), filed as (
    insert into personal.message_file (message_id, position, file_id)
    select m.message_id, f.place, f.file_id
    from made m
    join asked a on (a.subject_kind, a.channel, a.external_id, a.event, a.medium, decode(a.digest, 'hex'))
                  = (m.subject_kind, m.channel, m.external_id, m.event, m.medium, m.recipient_digest)
    cross join unnest(a.files) with ordinality f (file_id, place)
    on conflict do nothing
), told as (
    -- The sender's ear: heard when the transaction commits.
    select pg_notify('cloudsales_outbox', '') from (select 1 from made limit 1) m
)
select message_id from made left join told on true order by message_id
