-- Three group roles of the server, and what they may do in this database. Run after every migration; twice is no harm.
-- cloudsales_pipeline: what our processes become. It owns the tables, save those whose history nobody may change (I-08, I-47).
-- cloudsales_analyst: reads the schema analytics, and nothing else.
-- cloudsales_personal: reads the schema personal too, for those who answer customers.
do $$
declare
    name text;
    item record;
    guarded constant text[] := array['stock_movement', 'stock_level', 'reservation', 'event'];
begin
    if not (select rolcreaterole or rolsuper from pg_roles where rolname = current_user) then
        if (select count(*) from pg_roles where rolname in ('cloudsales_pipeline', 'cloudsales_analyst', 'cloudsales_personal')) < 3 then
            raise notice 'no roles: this user may not make them; the ledger is guarded by its triggers alone';
            return;
        end if;
    end if;
    foreach name in array array['cloudsales_pipeline', 'cloudsales_analyst', 'cloudsales_personal'] loop
        begin
            if not exists (select from pg_roles where rolname = name) then
                execute format('create role %I nologin', name);
            end if;
        exception when duplicate_object or unique_violation then null;  -- another database of the server made it just now
        end;
    end loop;
    -- From 16 on, who may make roles is a member of those they made, but may not become them.
    if not pg_has_role(current_user, 'cloudsales_pipeline', case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end) then
        execute format('grant cloudsales_pipeline to %I', current_user);
    end if;

    grant usage, create on schema cloudsales to cloudsales_pipeline;
    grant usage on schema analytics, public to cloudsales_pipeline;
    grant usage on schema analytics to cloudsales_analyst;
    grant usage on schema personal to cloudsales_pipeline, cloudsales_personal;
    grant select on all tables in schema personal to cloudsales_personal;
    for item in
        select c.oid::regclass as named, c.relname, c.relkind
        from pg_class c
        where c.relnamespace in ('cloudsales'::regnamespace, 'personal'::regnamespace) and c.relkind in ('r', 'p')
          and c.relowner <> 'cloudsales_pipeline'::regrole and c.relname <> all (guarded)
    loop
        execute format('alter table %s owner to cloudsales_pipeline', item.named);
    end loop;
    -- views of ours stay their maker's, who may read what they read
    for item in select c.oid::regclass as named from pg_class c where c.relnamespace = 'cloudsales'::regnamespace and c.relkind = 'v' loop
        execute format('grant select on %s to cloudsales_pipeline', item.named);
    end loop;
    grant usage, select on all sequences in schema cloudsales, personal to cloudsales_pipeline;
    grant execute on all functions in schema cloudsales, analytics to cloudsales_pipeline;
    grant select on all tables in schema analytics to cloudsales_pipeline, cloudsales_analyst, cloudsales_personal;
    grant usage on schema analytics to cloudsales_personal;
    grant execute on all functions in schema analytics to cloudsales_analyst, cloudsales_personal;
    grant select, insert on cloudsales.stock_movement, cloudsales.event to cloudsales_pipeline;
    grant select on cloudsales.stock_level to cloudsales_pipeline;
    grant select, insert, update (state, ended_at) on cloudsales.reservation to cloudsales_pipeline;
    if to_regclass('public.schema_version') is not null then
        grant select on public.schema_version to cloudsales_pipeline;
    end if;
end $$;
