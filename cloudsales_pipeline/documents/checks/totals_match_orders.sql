-- reads document, content, sales_order: an unflagged invoice is the order's total, and every row is what its content says (I-34)
select o.channel, o.external_id as order_id, d.series, d.number, d.total, o.total as order_total, (c.content ->> 'payable')::numeric as content_total,
       d.flags,
       (d.kind <> 'storno' and not 'total_differs' = any (d.flags) and o.status in ('new', 'paid') and d.total <> o.total
            and not 'changed_after_document' = any (o.review))
       or c.document_id is null or (c.content ->> 'payable')::numeric <> d.total or c.content ->> 'number' <> d.series || ' ' || d.number
       or (select sum((t ->> 'base')::numeric + (t ->> 'vat')::numeric) from jsonb_array_elements(c.content -> 'taxes') t) <> d.net + d.vat
           as fault
from cloudsales.document d
join cloudsales.sales_order o using (order_id)
left join personal.document_content c using (document_id)
