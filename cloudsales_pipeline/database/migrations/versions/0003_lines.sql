-- A line's reserved and issued pieces follow the reservations of its owner, in the statement that changes those: so what a count
-- displaces waits again (I-07, I-15), and nobody has to be told.

create function cloudsales.lines_follow_new() returns trigger language plpgsql as $$
begin
    update cloudsales.sales_order_line l set reserved = l.reserved + d.quantity
    from (select owner, sum(quantity)::integer as quantity from added where state = 'open' group by owner order by owner) d
    where l.owner = d.owner;
    return null;
end $$;
create trigger reserved_lines_follow_new after insert on cloudsales.reservation
    referencing new table as added for each statement execute function cloudsales.lines_follow_new();

create function cloudsales.lines_follow_ended() returns trigger language plpgsql as $$
begin
    update cloudsales.sales_order_line l set reserved = l.reserved - d.quantity, issued = l.issued + d.issued
    from (
        select b.owner, sum(b.quantity)::integer as quantity, coalesce(sum(b.quantity) filter (where a.state = 'issued'), 0)::integer as issued
        from before_rows b join after_rows a using (reservation_id)
        where b.state = 'open' and a.state <> 'open' group by b.owner order by b.owner
    ) d
    where l.owner = d.owner;
    return null;
end $$;
create trigger reserved_lines_follow_ended after update on cloudsales.reservation
    referencing old table as before_rows new table as after_rows for each statement execute function cloudsales.lines_follow_ended();
