-- What operators were told.

-- step: lock
select pg_advisory_xact_lock(:lock)

-- step: notices
select finding as key, kind, told ->> 'subject' as subject, severity, since, told_at, (told ->> 'count')::bigint as count,
       (told ->> 'digest')::bigint as digest_count, told ->> 'detail' as detail, resolved_at
from cloudsales.operator_notice

-- step: last_digest
select max(business_date) as day, max(decided_at) filter (where sent) as sent_at from cloudsales.operator_digest

-- step: write
insert into cloudsales.operator_notice as n (finding, kind, severity, since, told_at, told)
select r.key, r.kind, r.severity, r.since, cast(:now as timestamptz),
       jsonb_strip_nulls(jsonb_build_object('subject', r.subject, 'count', r.count, 'detail', r.detail,
                                            'digest', case when :in_digest then r.count end))
from jsonb_to_recordset(cast(:rows as jsonb)) r (key text, kind text, severity text, subject text, since timestamptz, count bigint, detail text)
on conflict (finding) do update
    set severity = excluded.severity, since = excluded.since, resolved_at = null,
        told_at = case when :in_digest and n.severity = 'now' then n.told_at else excluded.told_at end,
        told = case when :in_digest and n.severity = 'now' then n.told || jsonb_build_object('digest', excluded.told -> 'digest')
                    else n.told || excluded.told end

-- step: over
update cloudsales.operator_notice set resolved_at = cast(:now as timestamptz)
where finding = any (cast(:keys as text[])) and resolved_at is null

-- step: forget
delete from cloudsales.operator_notice where finding = any (cast(:keys as text[]))

-- step: digest
insert into cloudsales.operator_digest (business_date, decided_at, sent, open, resolved)
values (cast(:day as date), cast(:now as timestamptz), :sent, :open, :resolved)
