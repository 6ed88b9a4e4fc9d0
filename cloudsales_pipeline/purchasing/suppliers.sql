-- The settings' suppliers, what the catalogue may call them, and the channels whose shortages are bought.

-- step: standing
select coalesce((select jsonb_agg(jsonb_build_object('supplier', supplier, 'name', name, 'cut_off', cut_off, 'lead_time_days', lead_time_days)
                                  order by supplier collate "C") from cloudsales.supplier where active), '[]') as suppliers,
       coalesce((select jsonb_agg(jsonb_build_object('channel', channel, 'add_shortages', add_shortages) order by channel collate "C")
                 from cloudsales.purchase_channel), '[]') as channels

-- step: suppliers
insert into cloudsales.supplier (supplier, name, cut_off, lead_time_days)
select w.supplier, w.name, w.cut_off, w.lead_time_days
from jsonb_to_recordset(cast(:suppliers as jsonb)) w (supplier text, name text, cut_off time, lead_time_days integer)
on conflict (supplier) do update
set name = excluded.name, cut_off = excluded.cut_off, lead_time_days = excluded.lead_time_days, active = true, changed_at = clock_timestamp()
where (supplier.name, supplier.cut_off, supplier.lead_time_days, supplier.active)
      is distinct from (excluded.name, excluded.cut_off, excluded.lead_time_days, true)

-- step: retire
update cloudsales.supplier s set active = false, changed_at = clock_timestamp()
where s.active and not exists (select from jsonb_to_recordset(cast(:suppliers as jsonb)) w (supplier text) where w.supplier = s.supplier)

-- step: names_gone
delete from cloudsales.supplier_name n
where not exists (
    select from jsonb_to_recordset(cast(:suppliers as jsonb)) w (supplier text, name text)
    where w.supplier = n.supplier and n.name_key in (lower(w.supplier), lower(w.name)))

-- step: names
insert into cloudsales.supplier_name (name_key, supplier)
select lower(w.supplier), w.supplier from jsonb_to_recordset(cast(:suppliers as jsonb)) w (supplier text)
union
select lower(w.name), w.supplier from jsonb_to_recordset(cast(:suppliers as jsonb)) w (supplier text, name text)
on conflict (name_key) do nothing

-- step: channels_gone
delete from cloudsales.purchase_channel c
where not exists (select from jsonb_to_recordset(cast(:channels as jsonb)) w (channel text) where w.channel = c.channel)

-- step: channels
insert into cloudsales.purchase_channel (channel, add_shortages)
select w.channel, w.add_shortages from jsonb_to_recordset(cast(:channels as jsonb)) w (channel text, add_shortages boolean)
on conflict (channel) do update set add_shortages = excluded.add_shortages where purchase_channel.add_shortages <> excluded.add_shortages
