-- How the outbox stands. What is open has indexes of its own (message_open, message_due); the day's rows are few.

-- step: standing
select count(*) filter (where state = 'new') as waiting,
       count(*) filter (where state = 'new' and due_at <= statement_timestamp()) as due,
       count(*) filter (where state = 'sending') as sending,
       count(*) filter (where state = 'unknown') as unknown,
       count(*) filter (where state = 'dead') as dead,
       coalesce(floor(extract(epoch from statement_timestamp() - min(due_at) filter (where state = 'new' and due_at <= statement_timestamp()))), 0) as oldest_due_seconds
from personal.message where state in ('new', 'sending', 'unknown', 'dead')

-- step: by_event
select event, medium, state, count(*) as messages, min(created_at) as oldest, max(coalesce(sent_at, decided_at, created_at)) as newest
from personal.message
where state in ('new', 'sending', 'unknown', 'dead') or coalesce(sent_at, decided_at, created_at) > statement_timestamp() - cast(:since as interval)
group by 1, 2, 3 order by 1, 2, 3

-- step: for_a_person
select message_id, state, reason, event, subject_kind as about, concat_ws('/', nullif(channel, ''), nullif(external_id, '')) as reference,
       medium, attempts, created_at
from personal.message where state in ('unknown', 'dead') order by created_at desc, message_id desc limit :limit

-- step: due_media
select distinct medium from personal.message where state = 'sending' or (state = 'new' and due_at <= statement_timestamp())
