-- Publishing, mended: a movement under way and a new link, or another rule, of the same product see each other.

create or replace function cloudsales.links_made() returns trigger language plpgsql as $$
begin
    if exists (select from cloudsales.stock_rule) then
        -- A movement under way does not see these publications, nor they what it moves: whoever comes second waits here. Not in
        -- publish_links: who calls it with the rules' table locked (stock.rules) has waited for all movements already.
        perform cloudsales.lock_levels(array_agg(w.product_id), array_agg(w.warehouse))
        from (
            select distinct a.product_id, unnest(r.warehouses) as warehouse
            from added a
            join cloudsales.product p using (product_id)
            join cloudsales.stock_rule r on r.rule_id = cloudsales.rule_of(a.channel, p.sku, p.category)
            where not r.every_product
        ) w
        having count(*) > 0;
        perform cloudsales.publish_links(array_agg(listing_id)) from added having count(*) > 0;
    end if;
    return null;
end $$;

create or replace function cloudsales.products_changed() returns trigger language plpgsql as $$
declare
    moved bigint[];
begin
    if not exists (select from cloudsales.stock_rule where scope = 'category') then
        return null;
    end if;
    -- As for new links: a movement in a warehouse that only the new rule has touches nothing by the old one.
    perform cloudsales.lock_levels(array_agg(w.product_id), array_agg(w.warehouse))
    from (
        select distinct a.product_id, unnest(r.warehouses) as warehouse
        from after_rows a
        join before_rows b using (product_id)
        join cloudsales.publication p on p.product_id = a.product_id
        join cloudsales.stock_rule r on r.rule_id = cloudsales.rule_of(p.channel, a.sku, a.category)
        where a.category is distinct from b.category and r.rule_id is distinct from p.rule_id
    ) w
    having count(*) > 0;
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
