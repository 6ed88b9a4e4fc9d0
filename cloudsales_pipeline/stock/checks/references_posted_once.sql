-- reads stock_movement: each line of a business document moved stock once (I-10), looked at again without the unique key
select reference, line, count(*) as times, count(*) > 1 as fault
from cloudsales.stock_movement
group by reference, line
