-- reads run_summary: each pass over the channel, rows in against what became of them (I-44)
select summary_id, stage, rows_in, loaded, unchanged, quarantined,
       rows_in <> loaded + unchanged + quarantined as fault
from cloudsales.run_summary
where channel = :channel
