-- reads message: the last day's, by medium and event; fewer than ten say nothing of a share
select m.medium, m.event, count(*) as messages, count(*) filter (where m.state in ('dead', 'unknown')) as failed,
       count(*) >= 10 and count(*) filter (where m.state in ('dead', 'unknown')) > count(*) * cast(:share as float8) as fault
from personal.message m
where m.state in ('sent', 'dead', 'unknown') and m.created_at > statement_timestamp() - interval '1 day'
group by 1, 2
