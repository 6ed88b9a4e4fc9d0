-- reads message: those that may have gone out
select m.message_id, m.event, m.medium, m.reason, m.created_at,
       coalesce(m.claimed_at, m.created_at) < statement_timestamp() - cast(:unclear as interval) as fault
from personal.message m where m.state = 'unknown'
