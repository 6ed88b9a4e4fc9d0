-- reads document, document_live: a fiscal invoice lives until its whole storno, and an order has at most one (I-31)
with left_over as (
    select d.document_id, d.order_id, d.series, d.number, l.document_id is not null as live,
           d.total + coalesce((select sum(s.total) from cloudsales.document s where s.corrects = d.document_id), 0) as remains,
           count(l.document_id) over (partition by d.order_id) as lives
    from cloudsales.document d left join cloudsales.document_live l using (document_id)
    where d.kind = 'fiscal_invoice'
)
select o.channel, o.external_id as order_id, f.series, f.number, f.live, f.remains, f.lives,
       f.lives > 1 or (not f.live and f.remains <> 0) or f.remains < 0 as fault
from left_over f join cloudsales.sales_order o using (order_id)
