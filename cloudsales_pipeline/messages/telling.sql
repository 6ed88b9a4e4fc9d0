-- Telling. Who changes messages takes them in the order of their ids, as senders do, and leaves those that a sender is at.

-- step: differs
with said as (
    select s.channel, s.event from unnest(cast(:channels as text[]), cast(:events as text[])) s (channel, event) join cloudsales.channel using (channel)
)
select exists (select from said full join cloudsales.message_wanted w using (channel, event)
               where w.max_age is distinct from cast(:max_age as interval) or said.channel is null)

-- step: forget_rules
delete from cloudsales.message_wanted w
where not exists (select from unnest(cast(:channels as text[]), cast(:events as text[])) s (channel, event)
                  where s.channel = w.channel and s.event = w.event)

-- step: note_rules
insert into cloudsales.message_wanted (channel, event, max_age)
select s.channel, s.event, cast(:max_age as interval)
from unnest(cast(:channels as text[]), cast(:events as text[])) s (channel, event) join cloudsales.channel using (channel)
on conflict (channel, event) do update set max_age = excluded.max_age

-- step: happened
select exists (select from cloudsales.happening where due_at is null or due_at <= statement_timestamp())

-- step: outdated
with old as (
    select message_id from personal.message
    where state = 'new' and subject_kind = 'order' and created_at < :before and decided_at is null
    order by message_id for update skip locked
)
update personal.message m set state = 'skipped', reason = 'too_old', decided_at = clock_timestamp() from old where m.message_id = old.message_id

-- step: keep_quiet
with early as (
    select message_id from personal.message
    where state = 'new' and medium = 'sms' and subject_kind = 'order' and due_at < :until and decided_at is null
    order by message_id for update skip locked
)
update personal.message m set due_at = :until from early where m.message_id = early.message_id

-- step: take
select happening_id, order_id, event, occurred_at, document_id, waybill_id
from cloudsales.happening where due_at is null or due_at <= :now
order by happening_id limit :limit for update skip locked

-- step: taken
delete from cloudsales.happening where happening_id = any (:ids)

-- step: wait
update cloudsales.happening h set reason = r.reason, due_at = r.due_at
from jsonb_to_recordset(cast(:rows as jsonb)) r (id bigint, reason text, due_at timestamptz) where h.happening_id = r.id

-- step: judge
select r.place,
       exists (select from personal.message m
               where m.subject_kind = 'order' and m.channel = r.channel and m.external_id = r.external_id and m.event = r.event
                 and m.medium = r.medium and m.recipient_digest = decode(r.digest, 'hex')) as known,
       exists (select from personal.message_opt_out x where x.recipient_digest = decode(r.digest, 'hex') and x.medium = r.medium) as opted_out,
       (select count(*) from personal.message m
        where m.recipient_digest = decode(r.digest, 'hex') and m.medium = r.medium and m.subject_kind = 'order' and m.state <> 'skipped'
          and m.created_at > statement_timestamp() - interval '24 hours') as today
from jsonb_to_recordset(cast(:rows as jsonb)) r (place integer, channel text, external_id text, event text, medium text, digest text)

-- step: withdraw
with said as (
    select r.channel, r.external_id, r.medium, decode(r.digest, 'hex') as digest, r.events
    from jsonb_to_recordset(cast(:rows as jsonb)) r (channel text, external_id text, medium text, digest text, events text[])
), pointless as (
    select m.message_id
    from said s join personal.message m on m.channel = s.channel and m.external_id = s.external_id
    where m.subject_kind = 'order' and m.state = 'new' and m.decided_at is null and m.medium = s.medium and m.event = any (s.events)
      and case when s.digest is null then m.recipient_digest <> all (cast(:fixed as bytea[])) else m.recipient_digest = s.digest end
    order by m.message_id for update of m skip locked
)
update personal.message m set state = 'skipped', reason = 'superseded', decided_at = clock_timestamp()
from pointless p where m.message_id = p.message_id

-- step: opt_out
insert into personal.message_opt_out (recipient_digest, medium, reason) values (:digest, :medium, :reason) on conflict do nothing

-- step: opt_in
delete from personal.message_opt_out where recipient_digest = :digest and medium = :medium

-- step: withdraw_from
with theirs as (
    select message_id from personal.message
    where recipient_digest = :digest and medium = :medium and state = 'new' and subject_kind = 'order'
    order by message_id for update skip locked
)
update personal.message m set state = 'skipped', reason = 'opted_out', decided_at = clock_timestamp()
from theirs where m.message_id = theirs.message_id
