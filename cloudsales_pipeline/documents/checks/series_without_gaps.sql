-- reads document, number_series: per series, numbers run from 1 to the counter's last without a hole or a repeat (I-32)
with counted as (
    select series, count(*) as documents, count(distinct number) as numbers, min(number) as first_number, max(number) as last_number
    from cloudsales.document group by series
), counters as (
    select series, sum(last_number) as last_number
    from cloudsales.number_series where kind in ('proforma_invoice', 'fiscal_invoice', 'storno') group by series
)
select series, c.documents, c.first_number, c.last_number, n.last_number as counter,
       coalesce(c.documents <> c.numbers or c.first_number <> 1 or c.last_number <> c.documents or c.last_number <> n.last_number, true) as fault
from counted c full join counters n using (series)
