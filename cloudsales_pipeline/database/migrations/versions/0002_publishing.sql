-- From a level to what channels should show: the rule, and the marks that it sets in the transaction of the change (I-24).

create function cloudsales.published(available bigint, buffer integer, share numeric, cap integer) returns integer
language sql immutable parallel safe
return case when available is not null
            then least(greatest(floor((available - buffer) * share), 0), cap, 2147483647)::integer end;
comment on function cloudsales.published is 'The channel''s rule: of what is available less the buffer the share, rounded down, at most the cap, never below 0. Unknown stays unknown (I-22).';

create function cloudsales.rule_of(of_channel text, of_sku text, of_category text) returns integer
language sql stable parallel safe
return coalesce(
    (select rule_id from cloudsales.stock_rule where channel = of_channel and scope = 'sku' and value = of_sku),
    (select rule_id from cloudsales.stock_rule where channel = of_channel and scope = 'category'
         and (of_category = value or starts_with(of_category, value || ' > ')) order by length(value) desc limit 1),
    (select rule_id from cloudsales.stock_rule where channel = of_channel and scope = 'channel'));
comment on function cloudsales.rule_of is 'Which rule of a channel holds for a product: the SKU''s, else that of its category (the longest), else the channel''s.';

create function cloudsales.refresh_publications(publications bigint[]) returns integer
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    changed integer;
begin
    -- Two transactions that change different warehouses of one product: the second waits here, and then, in a statement of its
    -- own, sees what the first did. Without this each would add up the other's old figure.
    perform from cloudsales.publication p join (select unnest(publications) as publication_id) w using (publication_id)
        order by p.publication_id for update of p;
    with wanted as (
        select p.publication_id, cloudsales.published(sum(l.on_hand - l.reserved), r.buffer, r.share, r.cap) as quantity
        from (select unnest(publications) as publication_id) w
        join cloudsales.publication p using (publication_id)
        left join cloudsales.stock_rule r on r.rule_id = p.rule_id
        left join cloudsales.stock_level l on l.product_id = p.product_id and l.warehouse = any (r.warehouses) and l.version > 0
        group by p.publication_id, r.buffer, r.share, r.cap
    ), marked as (
        update cloudsales.publication p
        set quantity = w.quantity,
            version = p.version + 1,
            changed_at = clock_timestamp(),
            waiting_since = case when p.state in ('due', 'held', 'pending', 'rejected') then p.waiting_since else clock_timestamp() end,
            state = case when w.quantity is null then 'unknown'
                         when p.state = 'unknown_variant' then p.state
                         when p.state = 'held' and w.quantity = 0 then p.state
                         else 'due' end,
            urgency = case when w.quantity = 0 and p.shown_quantity is distinct from 0 then 0
                           when w.quantity <= 3 and w.quantity < coalesce(p.shown_quantity, 4) then 1
                           when w.quantity < p.shown_quantity then 2
                           else 3 end,
            attempts = 0,
            ticket = null
        from wanted w
        where w.publication_id = p.publication_id and w.quantity is distinct from p.quantity
        returning p.channel, p.state
    ), told as (
        -- The publisher's ear (cloudsales work, and the sensor inside its tick): heard when the change is committed.
        select count(pg_notify('cloudsales_stock', channel)) from (select distinct channel from marked where state = 'due') c
    )
    select (select count(*) from marked) + 0 * (select count from told) into changed;
    return changed;
end $$;
comment on function cloudsales.refresh_publications is 'Compute what these publications should show, and mark those that changed as due; returns how many did.';

create function cloudsales.stock_level_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if coalesce(current_setting('cloudsales.marks_follow', true), '') = 'on' then
        return null;  -- a first half of a change whose second half follows in this transaction (stock.reservations.issue)
    end if;
    insert into cloudsales.publication (channel, variant_id, product_id, rule_id)
    select distinct r.channel, p.sku, p.product_id, cloudsales.rule_of(r.channel, p.sku, p.category)
    from after_rows a
    join before_rows b using (product_id, warehouse)
    join cloudsales.stock_rule r on r.every_product and a.warehouse = any (r.warehouses)
    join cloudsales.product p on p.product_id = a.product_id
    where b.version = 0
    on conflict (channel, variant_id) do nothing;
    perform cloudsales.refresh_publications(array_agg(distinct p.publication_id))
    from after_rows a
    join before_rows b using (product_id, warehouse)
    join cloudsales.publication p on p.product_id = a.product_id
    join cloudsales.stock_rule r on r.rule_id = p.rule_id and a.warehouse = any (r.warehouses)
    where a.on_hand - a.reserved <> b.on_hand - b.reserved or b.version = 0
    having count(*) > 0;
    return null;
end $$;
create trigger stock_level_changed after update on cloudsales.stock_level
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.stock_level_changed();

create function cloudsales.publish_links(listings bigint[]) returns integer
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    made bigint[];
begin
    with new as (
        insert into cloudsales.publication (channel, variant_id, product_id, rule_id, shown_quantity)
        select l.channel, l.variant_id, k.product_id, cloudsales.rule_of(l.channel, p.sku, p.category), l.channel_stock
        from (select unnest(listings) as listing_id) w
        join cloudsales.link k using (listing_id)
        join cloudsales.listing l using (listing_id)
        join cloudsales.product p on p.product_id = k.product_id
        where exists (select from cloudsales.stock_rule r where r.channel = l.channel and not r.every_product)
        order by k.listing_id
        on conflict (channel, variant_id) do nothing
        returning publication_id
    )
    select array_agg(publication_id) into made from new;
    return coalesce(cloudsales.refresh_publications(made), 0);
end $$;
comment on function cloudsales.publish_links is 'A publication for each of these listings that has a link and none yet.';

create function cloudsales.links_made() returns trigger language plpgsql as $$
begin
    if exists (select from cloudsales.stock_rule) then
        perform cloudsales.publish_links(array_agg(listing_id)) from added having count(*) > 0;
    end if;
    return null;
end $$;
create trigger links_made after insert on cloudsales.link
    referencing new table as added for each statement execute function cloudsales.links_made();

create function cloudsales.products_changed() returns trigger language plpgsql as $$
declare
    moved bigint[];
begin
    if not exists (select from cloudsales.stock_rule where scope = 'category') then
        return null;
    end if;
    with changed as (
        update cloudsales.publication p
        set rule_id = cloudsales.rule_of(p.channel, a.sku, a.category)
        from after_rows a join before_rows b using (product_id)
        where a.product_id = p.product_id and a.category is distinct from b.category
        returning p.publication_id
    )
    select array_agg(publication_id) into moved from changed;
    perform cloudsales.refresh_publications(moved);
    return null;
end $$;
create trigger products_changed after update on cloudsales.product
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.products_changed();
