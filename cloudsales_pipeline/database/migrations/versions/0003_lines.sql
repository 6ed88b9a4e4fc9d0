-- A line's reserved and issued pieces follow the reservations of its owner, in the statement that changes those: so what a count
-- displaces waits again (I-07, I-15), and nobody has to be told.
--
-- The owners go into the statement as an array, and the plan is made anew for each: a plan kept from when the table was small read
-- it whole for every owner, which cost six times the rest of an intake (measured).

create function cloudsales.move_lines(owners text[], reserved_changes integer[], issued_changes integer[]) returns void
language plpgsql set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
    update cloudsales.sales_order_line l
    set reserved = l.reserved + d.reserved_change, issued = l.issued + d.issued_change
    from unnest(owners, reserved_changes, issued_changes) d (owner, reserved_change, issued_change)
    where l.owner = d.owner and l.owner = any (owners);
end $$;

create function cloudsales.lines_follow_new() returns trigger language plpgsql as $$
begin
    perform cloudsales.move_lines(array_agg(owner), array_agg(quantity), array_agg(0))
    from (select owner, sum(quantity)::integer as quantity from added where state = 'open' group by owner) d
    having count(*) > 0;
    return null;
end $$;
create trigger reserved_lines_follow_new after insert on cloudsales.reservation
    referencing new table as added for each statement execute function cloudsales.lines_follow_new();

create function cloudsales.lines_follow_ended() returns trigger language plpgsql as $$
begin
    perform cloudsales.move_lines(array_agg(owner), array_agg(-quantity), array_agg(issued))
    from (
        select b.owner, sum(b.quantity)::integer as quantity, coalesce(sum(b.quantity) filter (where a.state = 'issued'), 0)::integer as issued
        from before_rows b join after_rows a using (reservation_id)
        where b.state = 'open' and a.state <> 'open' group by b.owner
    ) d
    having count(*) > 0;
    return null;
end $$;
create trigger reserved_lines_follow_ended after update on cloudsales.reservation
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.lines_follow_ended();

-- The same, for functions of before: a handful of rows by key, whatever the statistics say.
alter function cloudsales.lock_levels(bigint[], text[]) set enable_seqscan = off;
alter function cloudsales.move_reserved(bigint[], text[], bigint[]) set enable_seqscan = off;
alter function cloudsales.move_reserved(bigint[], text[], bigint[]) set plan_cache_mode = force_custom_plan;
alter function cloudsales.stock_moved() set enable_seqscan = off;
alter function cloudsales.stock_level_changed() set enable_seqscan = off;
