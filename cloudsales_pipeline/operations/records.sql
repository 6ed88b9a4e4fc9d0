-- What Dagster knows and our tables would not: failed jobs, red checks, that the daemon lives.

-- step: failed
-- the newest failure of each job and partition; a run that is known is not counted again
with came as (
    select r.job, r.channel, max(r.failed_at) as failed_at, min(r.failed_at) as failed_since, count(*) as failures,
           (array_agg(r.run_id order by r.failed_at desc))[1] as run_id, (array_agg(r.error order by r.failed_at desc))[1] as error
    from jsonb_to_recordset(cast(:rows as jsonb)) r (job text, channel text, run_id text, error text, failed_at timestamptz)
    left join cloudsales.failed_job k on k.job = r.job and k.channel = r.channel
    where k.job is null or r.failed_at > k.failed_at
    group by r.job, r.channel
)
insert into cloudsales.failed_job as f (job, channel, run_id, error, failed_since, failed_at, failures)
select job, channel, run_id, error, failed_since, failed_at, failures from came
on conflict (job, channel) do update
    set run_id = excluded.run_id, error = excluded.error, failed_at = excluded.failed_at, failures = f.failures + excluded.failures

-- step: open_failures
select job, channel, run_id, failed_at from cloudsales.failed_job order by job, channel

-- step: succeeded
delete from cloudsales.failed_job f
using jsonb_to_recordset(cast(:rows as jsonb)) r (job text, channel text)
where f.job = r.job and f.channel = r.channel

-- step: forget
-- a job, or a date, that is run no more: nothing would ever say that it succeeded
delete from cloudsales.failed_job where failed_at < cast(:before as timestamptz)

-- step: checks
-- what is red now, and since when; what is not among it is red no longer, unless it is being looked at just now
with red as (
    select * from jsonb_to_recordset(cast(:rows as jsonb)) r (asset text, rule text, warns boolean, rows_offending integer, red_since timestamptz)
), gone as (
    delete from cloudsales.red_check c where not exists (select from red r where r.asset = c.asset and r.rule = c.rule)
        and not c.asset || '.' || c.rule = any (cast(:undecided as text[]))
)
insert into cloudsales.red_check as c (asset, rule, warns, rows_offending, red_since, seen_at)
select asset, rule, warns, rows_offending, red_since, cast(:now as timestamptz) from red
on conflict (asset, rule) do update set warns = excluded.warns, rows_offending = excluded.rows_offending, seen_at = excluded.seen_at
    where (c.warns, c.rows_offending) is distinct from (excluded.warns, excluded.rows_offending)

-- step: seen
insert into cloudsales.process_seen (process, seen_at) values (:process, :now)
on conflict (process) do update set seen_at = greatest(process_seen.seen_at, excluded.seen_at)

-- step: read_until
select seen_at from cloudsales.process_seen where process = 'record'
