-- reads supplier, supplier_close: every date between a supplier's first close and its last cut-off that has passed, as far back as dates
-- are caught up; what a date's close may take is :grace
select s.supplier, d.day::date as business_date, c.outcome, c.business_date is null as fault
from cloudsales.supplier s
join lateral (select min(f.business_date) as first from cloudsales.supplier_close f where f.supplier = s.supplier) f on f.first is not null
cross join lateral generate_series(
    greatest(f.first, current_date - cast(:catch_up_days as integer))::timestamp,
    ((clock_timestamp() - make_interval(secs => :grace)) at time zone :timezone - s.cut_off)::date::timestamp, interval '1 day') d (day)
left join cloudsales.supplier_close c on c.supplier = s.supplier and c.business_date = d.day::date
where s.active
