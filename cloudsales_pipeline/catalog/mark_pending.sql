-- Listings that a change of codes may decide differently: seen now, holding one of the changed keys, and not linked, or linked
-- to a product that the key no longer points to (the link stays; the next plan says code_drift).
-- reads changed_key, listing_key → writes listing_pending
insert into cloudsales.listing_pending (listing_id, channel, revision, code_key, ean_key, ean_state)
select distinct l.listing_id, l.channel, cast(:revision as bigint), l.code_key, l.ean_key, l.ean_state
from changed_key d
join cloudsales.listing_key k on k.key = d.key
join cloudsales.listing l on l.listing_id = k.listing_id
left join cloudsales.link t on t.listing_id = k.listing_id
left join cloudsales.code_key c on c.key = k.key
where (t.listing_id is null or t.product_id is distinct from c.product_id) and k.channel <> :except_channel
on conflict (listing_id) do update set revision = excluded.revision
