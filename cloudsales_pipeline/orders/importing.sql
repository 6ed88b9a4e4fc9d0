-- What an import of orders came to.

-- step: summary
insert into cloudsales.run_summary (stage, channel, run_id, started_at, finished_at, rows_in, loaded, unchanged, quarantined)
values ('orders', :channel, :run_id, :started_at, clock_timestamp(), :rows_in, :loaded, :unchanged, :quarantined)
