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
comment on column analytics.document.kind is 'proforma_invoice, fiscal_invoice, storno, waybill.';
comment on column analytics.document.series is 'In front of the number; of a waybill the courier''s name in the settings.';
comment on column analytics.document.number is 'The number in its series; of a waybill the courier''s.';
comment on column analytics.document.external_id is 'The order''s id on its channel.';
comment on column analytics.document.net is 'Without VAT, in the document''s currency; null for waybills.';
comment on column analytics.document.vat is 'VAT, worked out once per rate; null for waybills.';
comment on column analytics.document.total is 'What is to be paid, with VAT; of a storno below zero; of a waybill what the courier asks for it.';
comment on column analytics.document.rule is 'The rule that issued it; empty: a person, a cancellation or a return did.';
comment on column analytics.document.corrects is 'Of a storno: the invoice, as printed.';
comment on column analytics.document.cause is 'rule, command, cancellation, return.';
comment on column analytics.document.flags is 'What a person should know: buyer_tax_id_invalid, buyer_without_address, total_differs.';
comment on column analytics.document.submit_by is 'The last day for handing its e-invoice to the tax authority; null where none is due.';
comment on column analytics.document.submission is 'Where its e-invoice stands: due, sent, accepted, rejected, unknown.';
comment on column analytics.document.handover is 'Whether its channel has it: due, done, refused, not_needed.';
comment on column analytics.waybill.external_id is 'The order''s id on its channel.';
comment on column analytics.waybill.courier is 'The courier''s name in the settings.';
comment on column analytics.waybill.number is 'The courier''s number (AWB); null until it is made.';
comment on column analytics.waybill.parcel is 'Which of the order''s parcels, from 1 to parcels.';
comment on column analytics.waybill.state is 'intended, creating, unknown, failed, cancelled; then created, shipped, in_locker, delivered, returned, lost.';
comment on column analytics.waybill.cash_on_delivery is 'What the courier collects; all of it on the first parcel.';
comment on column analytics.waybill.cost is 'What the courier asks for it, where it says so.';
comment on column analytics.waybill.weight_grams is 'Of this parcel: the products'' weight_grams, else documents.parcel_weight_grams for a piece.';
comment on column analytics.waybill.reason is 'Why it failed or is unknown, as a code.';
comment on column analytics.waybill.rule is 'The rule that asked for it; empty: a person did.';
comment on column analytics.waybill.created_at is 'When the courier had made it.';
comment on column analytics.waybill.tracked_at is 'When the courier was last asked about it by number.';
comment on column analytics.waybill.ended_at is 'When it was delivered, came back, was lost, failed or was cancelled.';
comment on column analytics.waybill.reference is 'Ours, by which an unclear one is looked up: channel/order/parcel.';
