-- The analysts' contract for documents: no personal data.

create view analytics.document as
select d.kind, d.series, d.number::text as number, o.channel, o.external_id, d.issued_at, d.currency, d.net, d.vat, d.total, d.rule,
       case when d.kind = 'storno' then 'issued'
            when l.document_id is not null then 'issued'
            when d.kind = 'proforma_invoice' then 'superseded' else 'cancelled' end as state,
       d.issued_on, c.series || ' ' || c.number as corrects, d.cause, d.flags, d.submit_by, s.state as submission, h.state as handover
from cloudsales.document d
join cloudsales.sales_order o using (order_id)
left join cloudsales.document_live l using (document_id)
left join cloudsales.document c on c.document_id = d.corrects
left join cloudsales.document_submission s on s.document_id = d.document_id
left join cloudsales.document_handover h on h.document_id = d.document_id
union all
select 'waybill', w.courier, w.number, o.channel, o.external_id, w.created_at, w.currency, null, null, w.cost, w.rule, w.state,
       (w.created_at at time zone 'UTC')::date, null, 'rule', '{}', null, null, h.state
from cloudsales.waybill w
join cloudsales.sales_order o using (order_id)
left join cloudsales.document_handover h on h.waybill_id = w.waybill_id
where w.number is not null;
comment on view analytics.document is 'Issued documents. kind: proforma_invoice, fiscal_invoice, storno, waybill (its series is the courier, its total what it costs).';
comment on column analytics.document.state is 'issued; superseded: a proforma whose fiscal invoice came; cancelled: corrected by a storno; of a waybill where the parcel is.';

create view analytics.waybill as
select o.channel, o.external_id, w.courier, w.number, w.parcel, w.parcels, w.state, w.cash_on_delivery, w.cost, w.currency, w.weight_grams,
       w.reason, w.rule, w.intended_at, w.created_at, w.tracked_at, w.ended_at, w.reference
from cloudsales.waybill w join cloudsales.sales_order o using (order_id);
comment on view analytics.waybill is 'Waybills, also those that are not made yet or failed.';
