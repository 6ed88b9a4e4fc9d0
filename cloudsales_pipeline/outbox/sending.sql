-- Sending: claims, marks, and what a dead sender left behind. A claim is committed before anything is sent.

-- step: claim
with due as (
    select message_id from personal.message
    where state = 'new' and medium = :medium and due_at <= statement_timestamp()
    order by urgency, due_at, message_id limit :limit
    for update skip locked
)
update personal.message m set state = 'sending', claimed_at = null, claimed_by = :key
from due where m.message_id = due.message_id
returning m.message_id, m.created_at, m.recipient, m.title, m.body_text, m.body_html, m.urgency, m.due_at,
          exists (select 1 from personal.message_file f where f.message_id = m.message_id) as has_files

-- step: files
select s.name, s.media_type, s.content
from personal.message_file f join personal.stored_file s using (file_id)
where f.message_id = :message_id order by f.position

-- step: mark
-- By the claim, not by the state: who sent it knows better than who found it left behind.
-- `next` is begun in the same commit, before it is handed over: a claimed message without claimed_at was surely not tried.
with said as (
    select * from jsonb_to_recordset(cast(:rows as jsonb)) s (message_id bigint, outcome text, counts boolean, reason text, answer text)
), judged as (
    select m.message_id, s.reason, s.answer, m.attempts + case when s.counts then 1 else 0 end as attempts,
           case s.outcome
               when 'sent' then 'sent' when 'unknown' then 'unknown' when 'refused' then 'dead' when 'skipped' then 'skipped'
               when 'again' then case when s.counts and m.attempts + 1 >= :most then 'dead' else 'new' end
               else 'new' end as state,
           s.outcome = 'again' as again
    from said s join personal.message m using (message_id)
    where m.claimed_by = :key and m.state in ('sending', 'unknown')
    order by m.message_id for update of m
), marked as (
    update personal.message m
    set state = j.state, reason = j.reason, answer = coalesce(j.answer, m.answer), attempts = least(j.attempts, 32000),
        sent_at = case when j.state = 'sent' then clock_timestamp() end,
        due_at = case when j.again and j.state = 'new'
            then clock_timestamp() + least(cast(:pause as interval) * 2 ^ least(greatest(j.attempts - 1, 0), 20), greatest(interval '6 hours', :pause))
            else m.due_at end,
        claimed_by = case when j.state = 'unknown' then m.claimed_by end
    from judged j where m.message_id = j.message_id
    returning m.state, j.again
), begun as (
    update personal.message set claimed_at = clock_timestamp()
    where message_id = :next and claimed_by = :key and state = 'sending' returning message_id
)
select state, again, false as begun from marked union all select 'sending', false, true from begun

-- step: reap
-- Whose claim's lock nobody holds is dead, or has lost its connection. What it had begun to send may have gone out; the rest waits on.
with owners as materialized (
    select distinct claimed_by from personal.message where state = 'sending'
), gone as materialized (
    select claimed_by from owners o
    where not exists (
        select 1 from pg_locks l
        where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
          and l.database = (select oid from pg_database where datname = current_database())
          and l.classid = cast(:lock as oid) and l.objid = cast(hashtext(o.claimed_by)::bigint & 4294967295 as oid))
)
update personal.message m
set state = case when m.claimed_at is null then 'new' else 'unknown' end,
    reason = case when m.claimed_at is null then m.reason else 'killed_while_sending' end,
    attempts = case when m.claimed_at is null then m.attempts else least(m.attempts + 1, 32000) end,
    claimed_by = case when m.claimed_at is not null then m.claimed_by end
from gone g where m.claimed_by = g.claimed_by and m.state = 'sending'
returning m.state

-- step: waiting
select medium, count(*) as messages from personal.message where state = 'new' and due_at <= statement_timestamp() group by medium

-- step: retry
update personal.message
set state = 'new', reason = 'retried_by_hand', attempts = 0, claimed_by = null, due_at = clock_timestamp(), decided_at = clock_timestamp()
where message_id = any (:ids) and state in ('dead', 'unknown', 'skipped') and recipient is not null and body_text is not null
returning message_id

-- step: skip
update personal.message
set state = 'skipped', reason = :reason, claimed_by = null, decided_at = clock_timestamp()
where message_id = any (:ids) and state in ('new', 'dead', 'unknown')
returning message_id
