-- reads document: no document of a series is dated before the one with the number below (I-32)
select series, number, issued_on, before, coalesce(issued_on < before, false) as fault
from (select series, number, issued_on, lag(issued_on) over (partition by series order by number) as before from cloudsales.document) d
