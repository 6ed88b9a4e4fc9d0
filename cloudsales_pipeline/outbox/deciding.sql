-- What a person sees of messages. The names of the things that they are about (a document's number, an order's id) are nobody's.

-- step: list
select message_id as id, state, reason, event, subject_kind as about, concat_ws('/', nullif(channel, ''), nullif(external_id, '')) as reference,
       medium, attempts, answer, created_at, case when state = 'new' then due_at end as due_at, sent_at
from personal.message
where cast(:state as text) is null or state = :state
order by case when state in ('unknown', 'dead') then 0 when state in ('new', 'sending') then 1 else 2 end, created_at desc, message_id desc
limit :limit

-- step: show
select message_id as id, state, reason, event, subject_kind as about, channel, external_id as reference, medium, language, attempts, answer,
       created_at, due_at, claimed_at, sent_at, decided_at, erased_at,
       (select string_agg(s.name, ', ' order by f.position) from personal.message_file f join personal.stored_file s using (file_id)
        where f.message_id = m.message_id) as files,
       recipient, title, body_text, body_html
from personal.message m where message_id = :message_id
