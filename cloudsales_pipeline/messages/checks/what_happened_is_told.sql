-- reads happening: what is not told yet, and why; one that waits for a file is given the time that the settings give it
select h.happening_id, h.event, h.reason, floor(extract(epoch from statement_timestamp() - h.noted_at) / 60)::integer as minutes,
       h.noted_at < statement_timestamp() - cast(:waits as interval)
           - case when h.reason = 'file_missing' then cast(:files as interval) else interval '0' end as fault
from cloudsales.happening h
