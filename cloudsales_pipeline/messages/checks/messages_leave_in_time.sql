-- reads message: of those that are to be sent, how long they are due
select m.message_id, m.event, m.medium, m.reason, m.attempts, floor(extract(epoch from statement_timestamp() - m.due_at) / 60)::integer as minutes,
       m.due_at < statement_timestamp() - cast(:waits as interval) as fault
from personal.message m where m.state = 'new'
