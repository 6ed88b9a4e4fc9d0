-- Every relation and column of our two schemas with its comment, in the order in which docs/data-dictionary.md shows them.
-- A view's column without a comment of its own takes the comment of the table's column that has its name, among the tables
-- that the view reads; the catalogue knows which those are by the view's rule.
with relations as (
    -- reads pg_class → the tables and views of both schemas
    select c.oid, n.nspname as schema_name, c.relname as relation, c.relkind,
           obj_description(c.oid, 'pg_class') as comment
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('analytics', 'cloudsales') and c.relkind in ('r', 'v', 'p')
),
read_columns as (
    -- reads pg_rewrite, pg_depend → per view and column name, the comments of the columns read; kept where all say the same
    select w.ev_class as oid, a.attname, min(col_description(a.attrelid, a.attnum)) as comment
    from pg_rewrite w
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                    and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where col_description(a.attrelid, a.attnum) is not null
    group by w.ev_class, a.attname
    having count(distinct col_description(a.attrelid, a.attnum)) = 1
)
select r.schema_name, r.relation, r.relkind = 'v' as is_view, coalesce(r.comment, '') as relation_comment,
       a.attname as column_name, format_type(a.atttypid, a.atttypmod) as column_type, a.attnotnull as required,
       coalesce(col_description(r.oid, a.attnum), b.comment, '') as column_comment
from relations r
join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
left join read_columns b on b.oid = r.oid and b.attname = a.attname
order by r.schema_name, r.relation, a.attnum
