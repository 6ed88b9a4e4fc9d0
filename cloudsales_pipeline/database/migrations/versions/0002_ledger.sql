-- The ledger's guards: whoever writes a movement or a reservation moves the level in the same statement, and nobody else can.

create function cloudsales.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% of % is refused: its rows are never changed or deleted (I-08)', tg_op, tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger ledger_guard before update or delete or truncate on cloudsales.stock_movement
    for each statement execute function cloudsales.refuse_change();
create trigger event_guard before update or delete or truncate on cloudsales.event
    for each statement execute function cloudsales.refuse_change();

create function cloudsales.refuse_old_version() returns trigger language plpgsql as $$
begin
    raise exception 'the version of % must grow with every change (I-12, I-21)', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger level_version before update on cloudsales.stock_level
    for each row when (new.version <= old.version) execute function cloudsales.refuse_old_version();
create trigger publication_version before update on cloudsales.publication
    for each row when (new.version < old.version or (new.version = old.version and new.quantity is distinct from old.quantity))
    execute function cloudsales.refuse_old_version();

create function cloudsales.lock_levels(products bigint[], warehouses text[])
returns table (product_id bigint, warehouse text, on_hand integer, reserved integer, version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- A level that nothing ever moved (version 0) is made, so that two first movements wait for each other as any others do.
    insert into cloudsales.stock_level (product_id, warehouse, version)
    select distinct w.product_id, w.warehouse, 0 from unnest(products, warehouses) w (product_id, warehouse)
    where not exists (select from cloudsales.stock_level l where l.product_id = w.product_id and l.warehouse = w.warehouse)
    order by 1, 2
    on conflict do nothing;
    return query
    select l.product_id, l.warehouse, l.on_hand, l.reserved, l.version
    from cloudsales.stock_level l
    where (l.product_id, l.warehouse) in (select w.product_id, w.warehouse from unnest(products, warehouses) w (product_id, warehouse))
    order by l.product_id, l.warehouse
    for update of l;
end $$;
comment on function cloudsales.lock_levels is 'Lock the levels of these pairs (product, warehouse) in the one order that everybody keeps (F-21), and give them.';

create function cloudsales.stock_moved() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from added where reason in ('transfer_in', 'transfer_out') group by reference, product_id having sum(quantity) <> 0) then
        raise exception 'a transfer is a movement out and one in, which sum to nothing (I-11)' using errcode = 'check_violation';
    end if;
    perform cloudsales.lock_levels(array_agg(product_id), array_agg(warehouse)) from (select distinct product_id, warehouse from added) w;
    update cloudsales.stock_level l
    set on_hand = l.on_hand + d.quantity, version = l.version + 1, changed_at = clock_timestamp()
    from (select product_id, warehouse, sum(quantity)::integer as quantity from added group by 1, 2) d
    where l.product_id = d.product_id and l.warehouse = d.warehouse;
    return null;
end $$;
create trigger stock_moved after insert on cloudsales.stock_movement
    referencing new table as added for each statement execute function cloudsales.stock_moved();

create function cloudsales.refuse_second_end() returns trigger language plpgsql as $$
begin
    raise exception 'a reservation ends once, and changes in nothing else (I-16)' using errcode = 'restrict_violation';
end $$;
create trigger reservation_ends_once before update on cloudsales.reservation
    for each row when (old.state <> 'open' or new.owner <> old.owner or new.product_id <> old.product_id
                       or new.warehouse <> old.warehouse or new.quantity <> old.quantity or new.placed_at <> old.placed_at)
    execute function cloudsales.refuse_second_end();
create trigger reservation_guard before delete or truncate on cloudsales.reservation
    for each statement execute function cloudsales.refuse_change();

create function cloudsales.move_reserved(products bigint[], warehouses text[], quantities bigint[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform cloudsales.lock_levels(products, warehouses);
    update cloudsales.stock_level l
    set reserved = l.reserved + d.quantity, version = l.version + 1, changed_at = clock_timestamp()
    from (select * from unnest(products, warehouses, quantities) w (product_id, warehouse, quantity)) d
    where l.product_id = d.product_id and l.warehouse = d.warehouse and d.quantity <> 0;
end $$;

create function cloudsales.reservations_made() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform cloudsales.move_reserved(array_agg(product_id), array_agg(warehouse), array_agg(quantity))
    from (select product_id, warehouse, sum(quantity) as quantity from added where state = 'open' group by 1, 2) d;
    return null;
end $$;
create trigger reservations_made after insert on cloudsales.reservation
    referencing new table as added for each statement execute function cloudsales.reservations_made();

create function cloudsales.reservations_ended() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform cloudsales.move_reserved(array_agg(product_id), array_agg(warehouse), array_agg(quantity))
    from (
        select b.product_id, b.warehouse, sum(case when a.state = 'open' then 0 else -b.quantity end) as quantity
        from before_rows b join after_rows a using (reservation_id)
        where b.state = 'open' group by 1, 2
    ) d;
    return null;
end $$;
create trigger reservations_ended after update on cloudsales.reservation
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.reservations_ended();
